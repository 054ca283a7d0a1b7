"""The trade as a dict: what the API, the stream and the webhooks show of it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from brokerage.money import average_price, plain
from trades import lifecycle
from trades.core.locked_trade import state_of
from trades.core.schedule import patience
from trades.models import Trade, TradeRequest

RFC3339 = "%Y-%m-%dT%H:%M:%S.%fZ"
"""A moment in UTC, as all of the database's are."""


def to_dict(
    trade: Trade, requests: Iterable[TradeRequest], *, now: datetime, newest: int | None = None
) -> dict[str, Any]:
    """Return the trade as clients see it. `requests` in the order of `seq`; `newest`: only the last so many show."""
    requests = list(requests)
    unconfirmed = unconfirmed_since(requests, now=now)
    state = state_of(trade, requests)
    filled, leaves, fees = trade.filled_quantity, lifecycle.leaves(state), lifecycle.charged(state)
    return {
        "trade_id": str(trade.pk),
        "reference": f"{trade.reference[:4]}-{trade.reference[4:]}",
        "trader_id": trade.trader_id,
        "symbol": trade.symbol,
        "side": trade.side,
        "quantity": trade.quantity,
        "price": plain(trade.price),
        "time_in_force": trade.time_in_force,
        "status": trade.status,
        "filled_quantity": filled,
        "leaves_quantity": leaves,
        "average_price": str(average_price(trade.filled_notional, filled)) if filled else None,
        "fees": plain(fees),
        "reserved": {"cash": plain(trade.hold_cash), "shares": trade.hold_shares},
        "revision": trade.revision,
        "channel": trade.channel,
        "client_reference": trade.client_reference,
        "unconfirmed_since": unconfirmed and f"{unconfirmed:{RFC3339}}",
        "reason": trade.reason,
        "requests": [
            {
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
                "created_at": f"{request.created_at:{RFC3339}}",
            }
            for request in requests[-newest if newest else 0 :]
        ],
        "created_at": f"{trade.created_at:{RFC3339}}",
        "updated_at": f"{trade.updated_at:{RFC3339}}",
    }


def unconfirmed_since(requests: Iterable[TradeRequest], *, now: datetime) -> datetime | None:
    """Return since when the oldest request that was sent has waited too long for its answer; None if none has."""
    waiting = [r.sent_at for r in requests if r.stage == lifecycle.Stage.SENT and r.outcome is None and r.sent_at]
    oldest = min(waiting, default=None)
    return oldest if oldest and now - oldest >= patience() else None
