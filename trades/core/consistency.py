"""Comparing what a report says of a trade with what we know of it. Pure: the differences are told, and never obeyed.

We believe executions and our own arithmetic. Where the exchange follows FIX 5.0 SP2 ("Order State Changes") and its
reports come in order, nothing differs; where something does, a report was lost, was overtaken, or one of us is wrong.
"""

from typing import Any

from exchange.fix.codes import CxlRejReason, CxlRejResponseTo, ExecType, OrdStatus
from exchange.fix.messages import CancelReject, ExecutionReport
from trades.lifecycle import Kind, State, Status, leaves, status

_STATUSES: dict[str, Status] = {
    OrdStatus.NEW: Status.NEW,
    OrdStatus.PARTIALLY_FILLED: Status.PARTIALLY_FILLED,
    OrdStatus.FILLED: Status.FILLED,
    OrdStatus.DONE_FOR_DAY: Status.DONE_FOR_DAY,
    OrdStatus.CANCELED: Status.CANCELED,
    OrdStatus.PENDING_CANCEL: Status.PENDING_CANCEL,
    OrdStatus.REJECTED: Status.REJECTED,
    OrdStatus.SUSPENDED: Status.SUSPENDED,
    OrdStatus.PENDING_NEW: Status.PENDING_NEW,
    OrdStatus.EXPIRED: Status.EXPIRED,
    OrdStatus.PENDING_REPLACE: Status.PENDING_REPLACE,
}
_NOT_SENT = (Status.RECEIVED, Status.VALIDATED, Status.BOOKED)
_PENDING = (ExecType.PENDING_NEW, ExecType.PENDING_REPLACE, ExecType.PENDING_CANCEL)
_RESPONSE_TO: dict[str, Kind] = {CxlRejResponseTo.CANCEL: Kind.CANCEL, CxlRejResponseTo.REPLACE: Kind.AMEND}

Differences = dict[str, dict[str, Any]]
"""By our name of the figure: `ours` and `theirs`. Empty if all that was said agrees."""


def differences(state: State, message: ExecutionReport | CancelReject, request_id: str | None) -> Differences:
    """Compare what `message` says with `state`, the facts after it was applied. What it leaves out is not compared.

    `request_id` is the trade's request that it names, if it names one. A Pending report has the terms that are live
    until its request is answered, not those that are asked for.
    """
    now, theirs = status(state), message.ord_status
    # A report about the trade proves that it was sent, also one that names none of its requests.
    ours: Any = Status.PENDING_NEW if now in _NOT_SENT else now
    pairs: dict[str, tuple[Any, Any]] = {"status": (ours, theirs and _STATUSES.get(theirs, theirs))}
    if isinstance(message, ExecutionReport):
        pairs["filled_quantity"] = (state.filled_quantity, message.cum_qty)
        pairs["leaves_quantity"] = (leaves(state), message.leaves_qty)
        if message.exec_type in _PENDING:
            pairs["quantity"] = (state.quantity, message.order_qty)
    else:
        if message.cxl_rej_reason == CxlRejReason.UNKNOWN_ORDER:
            del pairs["status"]  # then FIX has it say Rejected, whatever became of the order
        if (named := state.request(request_id)) is not None:
            refused = message.cxl_rej_response_to
            pairs["kind"] = (named.kind, refused and _RESPONSE_TO.get(refused, refused))
    return {
        name: {"ours": ours, "theirs": theirs}
        for name, (ours, theirs) in pairs.items()
        if theirs is not None and theirs != ours
    }


def misses_execution(found: Differences) -> bool:
    """Tell whether the exchange has executed more than it told us of: a report was lost, or is still on its way."""
    filled = found.get("filled_quantity")
    return filled is not None and filled["theirs"] > filled["ours"]
