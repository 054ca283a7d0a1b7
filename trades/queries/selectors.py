"""Find trades by whatever names them."""

from typing import Any
from uuid import UUID

from django.db.models import Prefetch, Q, QuerySet

from brokerage import traders as trader_search
from brokerage.models import Trader
from trades.models import Trade, TradeRequest
from trades.models.reference import BadReferenceError, normalize

MAX_TRADERS = 200
"""Traders whose trades one search returns, at most; a name that more of them share identifies nobody."""


def trades() -> QuerySet[Trade]:
    """Return all trades, with their requests in the order of `seq`: two queries however many."""
    return Trade.objects.prefetch_related(Prefetch("requests", TradeRequest.objects.order_by("seq")))


def find(trades: QuerySet[Trade], trade_ref: str) -> Trade | None:
    """Return the trade with this id or reference, however it is written; None if it is not among `trades`."""
    filters = parse_trade_ref(trade_ref)
    return trades.filter(**filters).first() if filters else None


def find_with_requests(trade_ref: str, *, trader_id: int | None = None) -> tuple[Trade, list[TradeRequest]] | None:
    """Return one trade, of this trader if one is given, and its requests by `seq`: one query, so one snapshot."""
    filters = {f"trade__{name}": value for name, value in parse_trade_ref(trade_ref).items()}
    if not filters:
        return None
    if trader_id is not None:
        filters["trade__trader_id"] = trader_id
    requests = list(TradeRequest.objects.filter(**filters).select_related("trade").order_by("seq"))
    return (requests[0].trade, requests) if requests else None


def parse_trade_ref(trade_ref: str) -> dict[str, Any]:
    """Parse a trade id or a reference, however it is written, into filters; empty if it is neither."""
    try:
        return {"pk": UUID(trade_ref)}
    except ValueError:
        pass
    try:
        return {"reference": normalize(trade_ref)}
    except BadReferenceError:
        return {}


def search(trades: QuerySet[Trade], term: str) -> QuerySet[Trade]:
    """Find trades by whatever a caller can say: a reference, a trade id, a client reference, a symbol, a trader.

    Eight digits of a phone number may look like a reference, so one that names no trade is searched for as the rest.
    """
    term = term.strip()
    if not term:
        return trades
    if (filters := parse_trade_ref(term)) and (found := trades.filter(**filters)).exists():
        return found
    matches = Q(client_reference=term) | Q(symbol=term.upper())
    traders = trader_search.search(Trader.objects.all(), term).order_by("pk")
    return trades.filter(matches | Q(trader_id__in=list(traders.values_list("pk", flat=True)[:MAX_TRADERS])))
