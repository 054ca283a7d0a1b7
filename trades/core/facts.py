"""A trade as the reducer takes it: its facts, read from the rows."""

from collections.abc import Iterable

from trades.lifecycle import FeeSchedule, Kind, Outcome, Request, Side, Stage, State, TimeInForce
from trades.models import Trade, TradeRequest

FACTS = (
    "quantity",
    "price",
    "terms_seq",
    "terms_quantity",
    "quantity_restated_seq",
    "price_restated_seq",
    "filled_quantity",
    "filled_value",
    "filled_notional",
    "acked",
    "rejected",
    "cancelled",
    "expired",
    "done_for_day",
    "suspended",
    "declared_at",
)
"""The columns of a trade that are its facts, under the names the reducer has for them."""


def state_of(trade: Trade, requests: Iterable[TradeRequest]) -> State:
    """Return the facts of a trade as the reducer takes them; `requests` in the order of `seq`."""
    return State(
        side=Side(trade.side),
        time_in_force=TimeInForce(trade.time_in_force),
        requests=tuple(
            Request(
                id=str(request.pk),
                seq=request.seq,
                kind=Kind(request.kind),
                quantity=request.quantity,
                price=request.price,
                stage=Stage(request.stage),
                outcome=Outcome(request.outcome) if request.outcome else None,
                pending=request.pending,
            )
            for request in requests
        ),
        fee_schedule=fee_schedule_of(trade),
        **{name: getattr(trade, name) for name in FACTS},
    )


def fee_schedule_of(trade: Trade) -> FeeSchedule:
    """Return the schedule that was frozen on the trade."""
    return FeeSchedule(trade.fee_rate, trade.fee_minimum, trade.fee_cap)
