"""What an answer to an asking means: the `8` with ExecType I that follows the reports it repeated.

The reports were applied, each as any other. What is left to learn is which requests never arrived, and whether the
exchange has executed what we think it has. The rules stand in docs/exchange.md.
"""

from collections.abc import Iterable
from datetime import datetime

from brokerage.reasons import Code, Reason
from exchange.fix.codes import OrdRejReason, OrdStatus
from exchange.fix.messages import ExecutionReport
from trades import lifecycle
from trades.core.locked_trade import Docket
from trades.core.schedule import is_open_outside, is_unfinished, patience, sweep
from trades.core.settlement import Movement, movement
from trades.lifecycle import Kind, Reported, Stage
from trades.models import TradeRequest
from trades.reconciliation.due import Asking


def take_answer(
    docket: Docket, message: ExecutionReport, named: TradeRequest | None, *, now: datetime
) -> list[Movement]:
    """Learn from what the exchange says about an order; returns what that moves in the books.

    `named` is the trade's request that the answer names: the newest that the exchange has got.
    """
    unknown = (message.ord_status, message.ord_rej_reason) == (OrdStatus.REJECTED, OrdRejReason.UNKNOWN_ORDER)
    latest = None if unknown else named
    if latest is not None and latest.outcome is None and latest.stage == Stage.BOOKED:
        event = lifecycle.Report(Reported.STATUS, str(latest.pk))
        docket.apply(event, kind="EXCHANGE_STATUS", at=now, request=latest)
    movements: list[Movement] = []
    if unknown or latest is not None:
        behind = docket.requests[latest.seq if latest else 0 :]
        for row in _not_there(behind, Asking.read(message.ord_status_req_id)):
            movements += _never_arrived(docket, row, now=now)
    _compare(docket, message, unknown=unknown, now=now)
    return movements


def _not_there(rows: Iterable[TradeRequest], asking: Asking | None) -> list[TradeRequest]:
    """Those of `rows`, which the exchange has not got, for which nothing was sent since it was asked."""
    return [row for row in rows if row.outcome is None and asking is not None and asking.covers(row)]


def _never_arrived(docket: Docket, row: TradeRequest, *, now: datetime) -> list[Movement]:
    """The exchange has not got this request, and it is not under way: it may be sent, as if for the first time."""
    if row.outcome is not None:
        return []  # closed a moment ago, with its trade
    if row.stage == Stage.SENT or row.unsent_lease != row.lease:  # else it was said before
        row.unsent_lease = row.lease
        docket.apply(lifecycle.NeverArrived(str(row.pk)), kind="NEVER_ARRIVED", at=now, request=row)
        docket.hurry(row)
    if row.parked is None:
        return []
    if cancel := _waiting_cancel(docket, row):
        return [_give_up(docket, row, cancel, now=now)]
    if row.parked["code"] == Code.UNCONFIRMED:
        docket.unpark(row, at=now)
    elif row.check_at is not None:
        docket.stop_asking_about(row)
    return []


def _give_up(docket: Docket, row: TradeRequest, cancel: TradeRequest, *, now: datetime) -> Movement:
    """A parked request that is not there does not hold up the CANCEL: a NEW ends with the trade, an AMEND alone."""
    if row.kind == Kind.NEW:
        event = lifecycle.Withdrawn(str(cancel.pk))
        return movement(docket, docket.apply(event, kind="WITHDRAWN", at=now, request=cancel))
    return movement(docket, docket.apply(lifecycle.Abandoned(str(row.pk)), kind="ABANDONED", at=now, request=row))


def _waiting_cancel(docket: Docket, row: TradeRequest) -> TradeRequest | None:
    """The CANCEL that waits for what became of `row`."""
    behind = docket.requests[row.seq :]
    return next((later for later in behind if later.kind == Kind.CANCEL and is_unfinished(later)), None)


def _compare(docket: Docket, message: ExecutionReport, *, unknown: bool, now: datetime) -> None:
    """All that was executed was repeated before: if it does not add up now, a person has to look."""
    differs = _difference(docket, message, unknown=unknown)
    desk = docket.trade.recon_break
    if differs and desk and (desk["code"], desk["details"]) == (differs.code, differs.details):
        docket.ask_soon(sweep(), at=now)
    elif differs:
        docket.open_break(differs, at=now)
        docket.ask_soon(patience(), at=now)  # something was reported while it answered, or lost again
    elif desk and desk["code"] == Code.CUM_QTY_DIFFERS and (unknown or message.cum_qty is None):
        docket.ask_soon(sweep(), at=now)  # not a word about it: that is no agreement
    else:
        if desk:
            docket.clear_break(at=now)
        if not is_open_outside(docket.state):
            docket.stop_asking()


def _difference(docket: Docket, message: ExecutionReport, *, unknown: bool) -> Reason | None:
    """What the exchange and the books tell differently, with the numbers; None if nothing.

    That an order is not known any more says nothing once it has ended.
    """
    ours, theirs = docket.state.filled_quantity, message.cum_qty
    if unknown:
        lost = docket.state.acked and is_open_outside(docket.state)
        text = "The exchange had accepted the order, and says that it does not know it."
        return Reason(Code.ORDER_NOT_KNOWN, text, {"ours": ours}) if lost else None
    if theirs is None or theirs == ours:
        return None
    text = "The exchange says that another quantity was executed than is written here."
    return Reason(Code.CUM_QTY_DIFFERS, text, {"ours": ours, "theirs": theirs})
