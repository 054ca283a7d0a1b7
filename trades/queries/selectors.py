"""Reading trades: the picture of a trade that clients see, and where to find it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Prefetch, Q, QuerySet

from brokerage import traders as traders_by_what_is_said
from brokerage.models import Trader
from brokerage.money import average, plain
from trades import lifecycle
from trades.core.facts import state_of
from trades.core.schedule import patience
from trades.models import Trade, TradeRequest
from trades.models.reference import BadReferenceError, normalize, shown

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


def first_id(at: float) -> UUID:
    """The smallest id that can be made at `at`, in seconds since 1970.

    A UUIDv7 begins with 48 bits of milliseconds (RFC 9562, 5.7), so that a stretch of time is a stretch of the primary
    key, and needs no index of its own.
    """
    milliseconds = min(max(int(at * 1000), 0), 2**48 - 1)
    return UUID(int=milliseconds << 80)


def picture(trade: Trade, requests: Iterable[TradeRequest], *, now: datetime) -> dict[str, Any]:
    """The trade as the API, the stream and the webhooks show it. `requests` in the order of `seq`."""
    requests = list(requests)
    state = state_of(trade, requests)
    filled = trade.filled_quantity
    return {
        "trade_id": str(trade.pk),
        "reference": shown(trade.reference),
        "trader_id": trade.trader_id,
        "symbol": trade.symbol,
        "side": trade.side,
        "quantity": trade.quantity,
        "price": plain(trade.price),
        "time_in_force": trade.time_in_force,
        "status": trade.status,
        "filled_quantity": filled,
        "leaves_quantity": lifecycle.leaves(state),
        "average_price": str(average(trade.filled_notional, filled)) if filled else None,
        "fees": plain(lifecycle.charged(state)),
        "reserved": {"cash": plain(trade.hold_cash), "shares": trade.hold_shares},
        "revision": trade.revision,
        "channel": trade.channel,
        "client_reference": trade.client_reference,
        "unconfirmed_since": _time(unconfirmed_since(requests, now=now)),
        "reason": trade.reason,
        "requests": [_request_picture(request) for request in requests],
        "created_at": _time(trade.created_at),
        "updated_at": _time(trade.updated_at),
    }


def _request_picture(request: TradeRequest) -> dict[str, Any]:
    return {
        "request_id": str(request.pk),
        "seq": request.seq,
        "kind": request.kind,
        "quantity": request.quantity,
        "price": plain(request.price),
        "stage": request.stage,
        "outcome": request.outcome,
        "parked": request.parked,
        "reason": request.reason,
        "channel": request.channel,
        "placed_by": request.placed_by,
        "created_at": _time(request.created_at),
    }


def unconfirmed_since(requests: list[TradeRequest], *, now: datetime) -> datetime | None:
    """Since when the oldest request that was sent has waited too long for its answer; None if none has."""
    waiting = [r.sent_at for r in requests if r.stage == lifecycle.Stage.SENT and r.outcome is None and r.sent_at]
    oldest = min(waiting, default=None)
    return oldest if oldest and now - oldest >= patience() else None


def _time(moment: datetime | None) -> str | None:
    """RFC 3339, UTC, with a Z."""
    return moment.isoformat().replace("+00:00", "Z") if moment else None
