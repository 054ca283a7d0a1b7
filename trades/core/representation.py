"""The trade as a dict: what the API, the stream and the webhooks show of it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from brokerage.money import average_price, plain
from trades import lifecycle
from trades.core.locked_trade import state_of
from trades.core.schedule import patience
from trades.models import Trade, TradeRequest
from trades.models.reference import shown


def to_dict(
    trade: Trade, requests: Iterable[TradeRequest], *, now: datetime, newest: int | None = None
) -> dict[str, Any]:
    """Return the trade as clients see it. `requests` in the order of `seq`; `newest`: only the last so many show."""
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
        "average_price": str(average_price(trade.filled_notional, filled)) if filled else None,
        "fees": plain(lifecycle.charged(state)),
        "reserved": {"cash": plain(trade.hold_cash), "shares": trade.hold_shares},
        "revision": trade.revision,
        "channel": trade.channel,
        "client_reference": trade.client_reference,
        "unconfirmed_since": _rfc3339(unconfirmed_since(requests, now=now)),
        "reason": trade.reason,
        "requests": [_request_to_dict(request) for request in requests[-newest if newest else 0 :]],
        "created_at": _rfc3339(trade.created_at),
        "updated_at": _rfc3339(trade.updated_at),
    }


def _request_to_dict(request: TradeRequest) -> dict[str, Any]:
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
        "created_at": _rfc3339(request.created_at),
    }


def unconfirmed_since(requests: Iterable[TradeRequest], *, now: datetime) -> datetime | None:
    """Return since when the oldest request that was sent has waited too long for its answer; None if none has."""
    waiting = [r.sent_at for r in requests if r.stage == lifecycle.Stage.SENT and r.outcome is None and r.sent_at]
    oldest = min(waiting, default=None)
    return oldest if oldest and now - oldest >= patience() else None


def _rfc3339(moment: datetime | None) -> str | None:
    """Return the moment in UTC, with a Z."""
    return moment.isoformat().replace("+00:00", "Z") if moment else None
