"""Comparing what a report says of a trade with what we know of it. Pure: the differences are told, and never obeyed.

We believe executions and our own arithmetic. Where the exchange follows FIX 5.0 SP2 ("Order State Changes") and its
reports come in order, nothing differs; where something does, a report was lost, was overtaken, or one of us is wrong.
"""

from collections.abc import Mapping
from typing import Any

from exchange.fix.codes import CxlRejReason, CxlRejResponseTo, ExecType, OrdStatus
from exchange.fix.messages import CancelReject, ExecutionReport
from trades.lifecycle import Kind, State, Status, leaves, status

_STATUSES = {
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
_RESPONSE_TO = {CxlRejResponseTo.CANCEL: Kind.CANCEL, CxlRejResponseTo.REPLACE: Kind.AMEND}

Differences = dict[str, dict[str, Any]]
"""By our name of the figure: `ours` and `theirs`. Empty if all that was said agrees."""


def differences(state: State, message: ExecutionReport | CancelReject, request_id: str | None) -> Differences:
    """Compare what `message` says with `state`, the facts after it was applied. What it leaves out is not compared.

    `request_id` is the trade's request that it names, if it names one.
    """
    if isinstance(message, CancelReject):
        pairs = _of_cancel_reject(state, message, request_id)
    else:
        pairs = _of_execution_report(state, message)
    return {
        name: {"ours": ours, "theirs": theirs}
        for name, (ours, theirs) in pairs.items()
        if theirs is not None and theirs != ours
    }


def misses_execution(found: Differences) -> bool:
    """Tell whether the exchange has executed more than it told us of: a report was lost, or is still on its way."""
    filled = found.get("filled_quantity")
    return filled is not None and filled["theirs"] > filled["ours"]


def _of_execution_report(state: State, message: ExecutionReport) -> dict[str, tuple[Any, Any]]:
    """A Pending report has the terms that are live until its request is answered, not those that are wished for."""
    pairs: dict[str, tuple[Any, Any]] = {
        "status": (_status(state), _read(message.ord_status, _STATUSES)),
        "filled_quantity": (state.filled_quantity, message.cum_qty),
        "leaves_quantity": (leaves(state), message.leaves_qty),
    }
    return pairs | ({"quantity": (state.quantity, message.order_qty)} if message.exec_type in _PENDING else {})


def _of_cancel_reject(state: State, message: CancelReject, request_id: str | None) -> dict[str, tuple[Any, Any]]:
    pairs: dict[str, tuple[Any, Any]] = {}
    if (
        message.cxl_rej_reason != CxlRejReason.UNKNOWN_ORDER
    ):  # then FIX has it say Rejected, whatever became of the order
        pairs["status"] = (_status(state), _read(message.ord_status, _STATUSES))
    named = state.request(request_id)
    if named is not None:
        pairs["kind"] = (named.kind, _read(message.cxl_rej_response_to, _RESPONSE_TO))
    return pairs


def _status(state: State) -> Status:
    """A report about the trade proves that it was sent, also one that names none of its requests."""
    now = status(state)
    return Status.PENDING_NEW if now in _NOT_SENT else now


def _read(code: str | None, names: Mapping[Any, Any]) -> str | None:
    """Our name for a code of FIX; one that we have no name for stays as it is."""
    return None if code is None else names.get(code, code)
