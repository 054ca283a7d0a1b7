"""Reading trades: the picture of a trade that clients see, and where to find it."""

from typing import Any
from uuid import UUID

from django.db.models import Prefetch, Q, QuerySet

from brokerage import traders as traders_by_what_is_said
from brokerage.models import Trader
from trades.models import Trade, TradeRequest
from trades.models.reference import BadReferenceError, normalize

MOST_TRADERS = 200
"""Whose trades one search looks for: a name that more of them bear finds nobody on the phone."""


def trades() -> QuerySet[Trade]:
    """Trades with their requests in order: two queries however many."""
    return Trade.objects.prefetch_related(Prefetch("requests", TradeRequest.objects.order_by("seq")))


def find(trades: QuerySet[Trade], spoken: str) -> Trade | None:
    """Find one trade by its id or by its reference as people write and say it; None if it is not among `trades`."""
    named = lookup(spoken)
    return trades.filter(**named).first() if named else None


def find_with_requests(spoken: str, *, trader_id: int | None = None) -> tuple[Trade, list[TradeRequest]] | None:
    """Find one trade, of this trader if one is given, with its requests in order: one query, so of one moment."""
    named = {f"trade__{name}": value for name, value in lookup(spoken).items()}
    if not named:
        return None
    if trader_id is not None:
        named["trade__trader_id"] = trader_id
    requests = list(TradeRequest.objects.filter(**named).select_related("trade").order_by("seq"))
    return (requests[0].trade, requests) if requests else None


def lookup(spoken: str) -> dict[str, Any]:
    """Read a trade id or a reference, as people write and say it, into a filter; empty if it can be neither."""
    try:
        return {"pk": UUID(spoken)}
    except ValueError:
        pass
    try:
        return {"reference": normalize(spoken)}
    except BadReferenceError:
        return {}


def search(trades: QuerySet[Trade], term: str) -> QuerySet[Trade]:
    """Find trades by whatever a caller can say: a reference, a trade id, a client reference, a symbol, a trader.

    Eight digits of a phone number may look like a reference, so what is none of ours is looked for further.
    """
    term = term.strip()
    if not term:
        return trades
    if (named := lookup(term)) and (found := trades.filter(**named)).exists():
        return found
    asked = Q(client_reference=term) | Q(symbol=term.upper())
    traders = traders_by_what_is_said.search(Trader.objects.all(), term).order_by("pk")
    return trades.filter(asked | Q(trader_id__in=list(traders.values_list("pk", flat=True)[:MOST_TRADERS])))
