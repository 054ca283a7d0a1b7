"""Reading trades: the picture of a trade that clients see, and where to find it."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Prefetch, Q, QuerySet

from brokerage.money import average, plain
from trades import lifecycle
from trades.docket import state_of
from trades.models import Trade, TradeRequest
from trades.reference import BadReferenceError, normalize, shown


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
    """Find trades by whatever a caller can say: a reference, a trade id, a client reference, a symbol, a trader."""
    term = term.strip()
    if not term:
        return trades
    if named := lookup(term):
        return trades.filter(**named)
    asked = Q(client_reference=term) | Q(symbol=term.upper())
    if term.isdecimal() and term.isascii() and len(term) < 19:
        asked |= Q(trader_id=int(term))
    else:
        asked |= Q(trader__name__icontains=term)
    return trades.filter(asked)


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
        "reserved": {"cash": plain(trade.hold_cash), "shares": trade.hold_shares},
        "revision": trade.revision,
        "channel": trade.channel,
        "client_reference": trade.client_reference,
        "unconfirmed_since": _time(_unconfirmed_since(requests, now=now)),
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


def _unconfirmed_since(requests: list[TradeRequest], *, now: datetime) -> datetime | None:
    """Since when the oldest request that was sent has waited too long for its answer; None if none has."""
    patience = timedelta(seconds=settings.PIPELINE["UNCONFIRMED_AFTER"])
    waiting = [r.sent_at for r in requests if r.stage == lifecycle.Stage.SENT and r.outcome is None and r.sent_at]
    oldest = min(waiting, default=None)
    return oldest if oldest and now - oldest >= patience else None


def _time(moment: datetime | None) -> str | None:
    """RFC 3339, UTC, with a Z."""
    return moment.isoformat().replace("+00:00", "Z") if moment else None
