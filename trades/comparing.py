"""What a report says beside what it reports: OrdStatus, CumQty, LeavesQty …, compared with our own arithmetic.

Noted if it differs, never obeyed, and never a reason to refuse.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from exchange.messages import CancelReject, ExecType, ExecutionReport
from trades import lifecycle
from trades.docket import Docket
from trades.lifecycle import Kind, Status
from trades.models import TradeRequest

_STATUSES = {  # OrdStatus (39)
    "0": Status.NEW,
    "1": Status.PARTIALLY_FILLED,
    "2": Status.FILLED,
    "3": Status.DONE_FOR_DAY,
    "4": Status.CANCELED,
    "6": Status.PENDING_CANCEL,
    "8": Status.REJECTED,
    "9": Status.SUSPENDED,
    "A": Status.PENDING_NEW,
    "C": Status.EXPIRED,
    "E": Status.PENDING_REPLACE,
}
_RESPONSES = {"1": Kind.CANCEL, "2": Kind.AMEND}  # CxlRejResponseTo (434)
_PENDING = (ExecType.PENDING_NEW, ExecType.PENDING_REPLACE, ExecType.PENDING_CANCEL)


def note_differences(
    docket: Docket, message: ExecutionReport | CancelReject, row: TradeRequest | None, *, now: datetime
) -> None:
    """Enter in the timeline what a report that was just applied tells differently; `row` is the request it names.

    What is sent again tells how things stood when it was first sent: it is not compared.
    """
    if message.poss_resend:
        return
    data: dict[str, Any] = {}
    for name, ours, theirs in _figures(docket, message, row):
        if theirs not in (None, ours):
            data |= {name: theirs, f"our_{name}": ours}
    if data:
        docket.note("ANOMALY", at=now, request=row, data={"code": "REPORT_DIFFERS", **data})


def _figures(
    docket: Docket, message: ExecutionReport | CancelReject, row: TradeRequest | None
) -> Iterator[tuple[str, Any, Any]]:
    """Name, ours, theirs."""
    state, told = docket.state, message.ord_status
    yield "status", str(lifecycle.status(state)), told and str(_STATUSES.get(told, told))
    if isinstance(message, CancelReject):
        if row is not None and message.cxl_rej_response_to:
            answered = _RESPONSES.get(message.cxl_rej_response_to, message.cxl_rej_response_to)
            yield "answers", row.kind, str(answered)
        return
    yield "filled_quantity", state.filled_quantity, message.cum_qty
    yield "leaves_quantity", lifecycle.leaves(state), message.leaves_qty
    asked_for = row is not None and message.order_qty == row.quantity
    if message.exec_type in _PENDING and not asked_for:
        yield "quantity", state.quantity, message.order_qty
