"""Applying: what the exchange reports becomes facts, money and shares. One commit per batch, acknowledged after it.

Killed after the commit and before the acknowledgement, the batch comes again: every report is known by its ExecID (a
cancel reject by the outcome it left on its request), and nothing happens twice.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from structlog.contextvars import bound_contextvars

from brokerage.db.transactions import retrying
from brokerage.money import plain
from brokerage.observability import metrics
from brokerage.reasons import Code, Reason
from exchange.amqp import REPORTS
from exchange.fix.codes import CxlRejReason, ExecType
from exchange.fix.messages import CancelReject, ExecutionReport
from exchange.inbound import Report
from exchange.quarantine import Code as Quarantine
from exchange.quarantine import quarantine
from trades import lifecycle
from trades.core import repository
from trades.core.consistency import differences, misses_execution
from trades.core.locked_trade import Docket
from trades.core.schedule import patience
from trades.core.settlement import Movement, movement, post
from trades.lifecycle import Reported
from trades.models import ExchangeReport, Trade, TradeRequest
from trades.reconciliation.status import take_answer
from trades.reports.executions import REVISIONS, Executions, Version

_REPORTED = {
    ExecType.PENDING_NEW: Reported.PENDING_NEW,
    ExecType.NEW: Reported.NEW,
    ExecType.REJECTED: Reported.REJECTED,
    ExecType.TRADE: Reported.FILL,
    ExecType.TRADE_CORRECT: Reported.CORRECTED,
    ExecType.TRADE_CANCEL: Reported.BUSTED,
    ExecType.PENDING_REPLACE: Reported.PENDING_REPLACE,
    ExecType.REPLACED: Reported.REPLACED,
    ExecType.PENDING_CANCEL: Reported.PENDING_CANCEL,
    ExecType.CANCELED: Reported.CANCELED,
    ExecType.EXPIRED: Reported.EXPIRED,
    ExecType.DONE_FOR_DAY: Reported.DONE_FOR_DAY,
    ExecType.SUSPENDED: Reported.SUSPENDED,
    ExecType.RESTATED: Reported.RESTATED,
}


@bound_contextvars(step="apply")
@retrying
def apply_reports(reports: Sequence[Report]) -> None:
    """Apply a batch in the order in which it came. Commits all of it or raises; safe to run any number of times.

    What belongs to no trade of ours, or comes under a known ExecID with other numbers, is quarantined in the same
    commit.
    """
    now = timezone.now()
    with transaction.atomic(durable=True):
        trade_of = _route([report.message for report in reports])
        dockets = repository.open_dockets(set(trade_of.values()))
        known = _known([report.message for report in reports])
        executions = Executions([report.message for report in reports], dockets)
        movements: list[Movement] = []
        for report in reports:
            trade_id = _trade_id(report.message, trade_of)
            docket = dockets.get(trade_id) if trade_id else None
            if docket is None:
                _set_aside(report, Quarantine.UNKNOWN_ORDER, "names no request and no trade of ours")
            elif isinstance(report.message, CancelReject):
                movements += _cancel_reject(docket, report.message, now=now)
            elif report.message.exec_type is ExecType.ORDER_STATUS:
                named = docket.row(_uuid(report.message.cl_ord_id) or "")
                movements += take_answer(docket, report.message, named, now=now)
            else:
                movements += _execution_report(docket, report, report.message, known, executions, now=now)
        post(movements)
        repository.write(dockets.values(), at=now)
        executions.write()
    metrics.batch_size.labels("apply").observe(len(reports))


# --- Whose report it is ----------------------------------------------------------------------------------------------


def _route(messages: Iterable[ExecutionReport | CancelReject]) -> dict[str, UUID]:
    """Map every id that the messages name and that is ours to its trade: two queries."""
    names = (name for message in messages for name in (message.cl_ord_id, message.trade_ref))
    named = {found for name in names if (found := _uuid(name))}
    by_request = TradeRequest.objects.filter(pk__in=named).values_list("pk", "trade_id")
    trades = Trade.objects.filter(pk__in=named).values_list("pk", flat=True)
    return {str(pk): trade_id for pk, trade_id in by_request} | {str(pk): pk for pk in trades}


def _trade_id(message: ExecutionReport | CancelReject, trade_of: dict[str, UUID]) -> UUID | None:
    named = (_uuid(message.cl_ord_id), _uuid(message.trade_ref))
    return next((trade_of[str(name)] for name in named if str(name) in trade_of), None)


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


def _known(messages: Iterable[ExecutionReport | CancelReject]) -> dict[str, ExchangeReport]:
    """The reports that were applied before, by ExecID. Read under the trades' locks."""
    ids = {message.exec_id for message in messages if isinstance(message, ExecutionReport)}
    return ExchangeReport.objects.in_bulk(ids)


def _set_aside(report: Report, code: Quarantine, detail: str) -> None:
    quarantine(queue=REPORTS.name, message_id=report.message_id, body=report.raw, code=code, detail=detail)


# --- What it does ----------------------------------------------------------------------------------------------------


def _cancel_reject(docket: Docket, message: CancelReject, *, now: datetime) -> list[Movement]:
    """A `9`: once per ClOrdID, its request having an outcome from then on."""
    row = docket.row(_uuid(message.cl_ord_id) or "")
    if row is not None and row.outcome is not None:
        return []
    code = Code.TOO_LATE if message.cxl_rej_reason == CxlRejReason.TOO_LATE_TO_CANCEL else Code.EXCHANGE_REJECTED
    reason = Reason(code, message.text or "The exchange refused it.", {"CxlRejReason": message.cxl_rej_reason})
    event = lifecycle.Report(Reported.CANCEL_REJECTED, str(row.pk) if row else None)
    revision = docket.apply(event, kind="EXCHANGE_CANCEL_REJECTED", at=now, request=row, reason=reason)
    _compare(docket, message, row, now=now)
    return [movement(docket, revision)]


def _execution_report(
    docket: Docket,
    report: Report,
    message: ExecutionReport,
    known: dict[str, ExchangeReport],
    executions: Executions,
    *,
    now: datetime,
) -> list[Movement]:
    if message.exec_id in known:
        _again(docket, report, message, known[message.exec_id], now=now)
        return []
    before = executions.latest(message.exec_ref_id) if message.exec_type in REVISIONS else None
    if before is not None and before.trade_id != docket.trade.pk:
        detail = f"ExecRefID {message.exec_ref_id} is an execution of another trade"
        _set_aside(report, Quarantine.EXEC_ID_REUSED, detail)
        return []
    first = ExchangeReport(exec_id=message.exec_id, trade_id=docket.trade.pk, body=message.body, received_at=now)
    known[message.exec_id] = first
    docket.reports.append(first)
    if message.exec_type in REVISIONS and before is None:
        executions.wait(docket, message, report.raw, now=now)
        docket.ask_soon(patience(), at=now)
        _note(docket, "EXECUTION_NOT_KNOWN", message, now=now)
        return []
    if message.exec_type in (ExecType.TRADE, *REVISIONS):
        return _executed(docket, message, executions, now=now)
    return [_declared(docket, message, now=now)]


def _executed(docket: Docket, message: ExecutionReport, executions: Executions, *, now: datetime) -> list[Movement]:
    """A fill, a correction or a bust; then whatever waited for it."""
    before = executions.latest(message.exec_ref_id) if message.exec_type in REVISIONS else None
    if before is not None and before.exec_id != message.exec_ref_id:
        _note(docket, "REVISES_AN_OLD_VERSION", message, now=now)
    if before is not None and not before.quantity and message.exec_type is ExecType.TRADE_CANCEL:
        _note(docket, "BUSTED_ALREADY", message, now=now)
        return []
    version = executions.add(docket, message, now=now)
    reported, row = _REPORTED[message.exec_type], docket.row(_uuid(message.cl_ord_id) or "")
    event = lifecycle.Report(
        reported,
        str(row.pk) if row else None,
        version.execution.quantity,
        version.execution.price,
        message.transact_time,
        version.replaces,
    )
    data = _version_data(message, version)
    revision = docket.apply(event, kind=f"EXCHANGE_{reported}", at=now, request=row, data=data)
    _compare(docket, message, row, now=now)
    movements = [movement(docket, revision, version)]
    for waiting in executions.take_up(message.exec_id, docket):
        movements += _executed(docket, waiting, executions, now=now)
    return movements


def _declared(docket: Docket, message: ExecutionReport, *, now: datetime) -> Movement:
    """Anything but an execution: an ack, new terms, an end."""
    reported = _REPORTED[message.exec_type]
    row = docket.row(_uuid(message.cl_ord_id) or "")
    if row is None and reported is Reported.REJECTED:
        row = docket.requests[0]  # only the trade is named: its order is refused
    named = str(row.pk) if row else None
    event = lifecycle.Report(reported, named, message.order_qty, message.price, message.transact_time)
    reason = None
    if reported is Reported.REJECTED:
        details = {"OrdRejReason": message.ord_rej_reason}
        reason = Reason(Code.EXCHANGE_REJECTED, message.text or "The exchange refused it.", details)
    data = _data(message, reported)
    revision = docket.apply(event, kind=f"EXCHANGE_{reported}", at=now, request=row, data=data, reason=reason)
    _compare(docket, message, row, now=now)
    return movement(docket, revision)


def _compare(
    docket: Docket, message: ExecutionReport | CancelReject, row: TradeRequest | None, *, now: datetime
) -> None:
    """Enter what a report that was applied says otherwise than we know it. Nothing of that is obeyed.

    What is sent again tells how things stood when it was sent first.
    """
    if message.poss_resend:
        return
    if found := differences(docket.state, message, str(row.pk) if row else None):
        docket.note("ANOMALY", at=now, request=row, data={"code": "REPORT_DIFFERS", "differences": found})
        if misses_execution(found):
            docket.ask_soon(patience(), at=now)


def _again(docket: Docket, report: Report, message: ExecutionReport, earlier: ExchangeReport, *, now: datetime) -> None:
    """A report whose ExecID is known: nothing happens; another trade or other numbers under it are a mistake."""
    numbers: tuple[str, ...] = ("ExecType", "LastQty", "LastPx", "ExecRefID")
    if message.exec_type in (ExecType.REPLACED, ExecType.RESTATED):
        numbers += ("OrderQty", "Price")
    other = earlier.trade_id != docket.trade.pk
    if other or any(message.body.get(name) != earlier.body.get(name) for name in numbers):
        what = "of another trade" if other else "with other numbers"
        _set_aside(report, Quarantine.EXEC_ID_REUSED, f"ExecID {message.exec_id} is known {what}")
    elif message.exec_type is ExecType.TRADE and not (message.poss_resend or report.redelivered):
        docket.note("ANOMALY", at=now, data={"code": "DUPLICATE_EXECUTION", "exec_id": message.exec_id})


def _note(docket: Docket, code: str, message: ExecutionReport, *, now: datetime) -> None:
    """Enter something odd about a bust or a correction."""
    data = {"code": code, "exec_id": message.exec_id, "exec_ref_id": message.exec_ref_id}
    docket.note("ANOMALY", at=now, data=data)


def _version_data(message: ExecutionReport, version: Version) -> dict[str, Any]:
    """What the timeline keeps of an execution: its id and numbers, and those of the version that it replaces."""
    data: dict[str, Any] = {"exec_id": message.exec_id}
    data |= {"quantity": version.execution.quantity, "price": plain(version.execution.price)}
    if version.before:
        data |= {"was_quantity": version.before.quantity, "was_price": plain(version.before.price)}
    return data | ({"text": message.text} if message.text else {})


def _data(message: ExecutionReport, reported: Reported) -> dict[str, Any]:
    """What the timeline keeps of a report: its id and its numbers."""
    data: dict[str, Any] = {"exec_id": message.exec_id}
    if reported in (Reported.REPLACED, Reported.RESTATED):
        data |= {"quantity": message.order_qty, "price": plain(message.price) if message.price else None}
    return data | ({"text": message.text} if message.text else {})
