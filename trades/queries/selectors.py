"""Find trades by whatever names them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Prefetch, Q, QuerySet

from brokerage import traders as trader_search
from brokerage.models import Trader
from brokerage.money import average, plain
from trades import lifecycle
from trades.core.facts import state_of
from trades.core.schedule import patience
from trades.models import Trade, TradeRequest
from trades.models.reference import BadReferenceError, normalize, shown

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


def smallest_id_at(timestamp: float) -> UUID:
    """Return the smallest UUIDv7 of this moment, in seconds since 1970.

    A UUIDv7 begins with 48 bits of milliseconds (RFC 9562, 5.7), so that a range of time is a range of the primary key,
    and needs no index of its own.
    """
    milliseconds = min(max(int(timestamp * 1000), 0), 2**48 - 1)
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
    """Return when the longest unanswered request was sent, if that is overdue; else None."""
    waiting = [r.sent_at for r in requests if r.stage == lifecycle.Stage.SENT and r.outcome is None and r.sent_at]
    oldest = min(waiting, default=None)
    return oldest if oldest and now - oldest >= patience() else None


def _time(moment: datetime | None) -> str | None:
    """RFC 3339, UTC, with a Z."""
    return moment.isoformat().replace("+00:00", "Z") if moment else None
