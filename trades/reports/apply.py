"""Applying: what the exchange reports becomes facts, money and shares of a locked trade.

Applied twice, nothing happens twice: every report is known by its ExecID, a cancel reject by the outcome it left on its
request.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from brokerage.money import plain
from brokerage.reasons import Code, Reason
from exchange.amqp import REPORTS
from exchange.fix.codes import CxlRejReason, ExecType
from exchange.fix.messages import CancelReject, ExecutionReport
from exchange.inbound import Report
from exchange.quarantine import Code as Quarantine
from exchange.quarantine import quarantine
from trades import lifecycle
from trades.core.consistency import differences, misses_execution
from trades.core.locked_trade import LockedTrade, uuid_or_none
from trades.core.schedule import patience, sooner
from trades.core.settlement import LedgerPosting, Version, posting
from trades.lifecycle import Reported
from trades.models import ExchangeReport, Trade, TradeRequest
from trades.reports.executions import REVISIONS, Executions

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


def route(messages: Sequence[ExecutionReport | CancelReject]) -> list[UUID | None]:
    """Return the trade that each message is about; None if it names no request and no trade of ours. Two queries."""
    named = [[found for text in (m.cl_ord_id, m.trade_ref) if (found := uuid_or_none(text))] for m in messages]
    names = {name for several in named for name in several}
    trade_of = dict(TradeRequest.objects.filter(pk__in=names).values_list("pk", "trade_id"))
    trade_of |= {pk: pk for pk in Trade.objects.filter(pk__in=names).values_list("pk", flat=True)}
    return [next((trade_of[name] for name in several if name in trade_of), None) for several in named]


def set_aside(report: Report, code: Quarantine, detail: str) -> None:
    """Quarantine a report whole, in the caller's transaction."""
    quarantine(queue=REPORTS.name, message_id=report.message_id, body=report.raw, code=code, detail=detail)


class ReportBatch:
    """What the reports of one batch need to know of earlier ones. Read under the trades' locks."""

    def __init__(self, reports: Sequence[Report], trades: Sequence[LockedTrade], *, now: datetime) -> None:
        messages = [report.message for report in reports]
        exec_ids = {message.exec_id for message in messages if isinstance(message, ExecutionReport)}
        self._known = ExchangeReport.objects.in_bulk(exec_ids)
        self.executions = Executions(messages, [trade.row.pk for trade in trades])
        self._now = now

    def apply(self, trade: LockedTrade, report: Report) -> list[LedgerPosting]:
        """Apply one report to the trade that it is about. Returns what that moves in the books."""
        message = report.message
        if isinstance(message, CancelReject):
            return self._cancel_reject(trade, message)
        if earlier := self._known.get(message.exec_id):
            self._compare_with_earlier(trade, report, message, earlier)
            return []
        before = self.executions.latest(message.exec_ref_id) if message.exec_type in REVISIONS else None
        if before is not None and before.trade_id != trade.row.pk:
            detail = f"ExecRefID {message.exec_ref_id} is an execution of another trade"
            set_aside(report, Quarantine.EXEC_ID_REUSED, detail)
            return []
        first = ExchangeReport(exec_id=message.exec_id, trade_id=trade.row.pk, body=message.body, received_at=self._now)
        self._known[message.exec_id] = first
        trade.reports.append(first)
        if message.exec_type in REVISIONS and before is None:
            self.executions.wait(trade, message, report.raw, now=self._now)
            trade.row.check_at = sooner(trade.row.check_at, self._now + patience())
            self._record_odd_revision(trade, "EXECUTION_NOT_KNOWN", message)
            return []
        if message.exec_type in (ExecType.TRADE, *REVISIONS):
            return self._execution(trade, message)
        return [self._declaration(trade, message)]

    def _execution(self, trade: LockedTrade, message: ExecutionReport) -> list[LedgerPosting]:
        """Apply a fill, a correction or a bust; then whatever waited for it."""
        before = self.executions.latest(message.exec_ref_id) if message.exec_type in REVISIONS else None
        if before is not None and before.exec_id != message.exec_ref_id:
            self._record_odd_revision(trade, "REVISES_AN_OLD_VERSION", message)
        if before is not None and not before.quantity and message.exec_type is ExecType.TRADE_CANCEL:
            self._record_odd_revision(trade, "BUSTED_ALREADY", message)
            return []
        version = self.executions.add(trade, message, before, now=self._now)
        executed = version.execution
        request = trade.request(message.cl_ord_id)
        event = lifecycle.Report(
            _REPORTED[message.exec_type],
            str(request.pk) if request else None,
            executed.quantity,
            executed.price,
            message.transact_time,
            version.replaces,
        )
        revision = trade.apply(event, at=self._now, request=request, data=_execution_data(message, version))
        self._note_differences(trade, message, request)
        postings = [posting(trade, revision, version)]
        for waiting in self.executions.take_up(message.exec_id, trade):
            postings += self._execution(trade, waiting)
        return postings

    def _declaration(self, trade: LockedTrade, message: ExecutionReport) -> LedgerPosting:
        """Apply anything but an execution: an ack, new terms, an end."""
        reported = _REPORTED[message.exec_type]
        request = trade.request(message.cl_ord_id)
        reason = None
        if reported is Reported.REJECTED:
            request = request or trade.requests[0]  # only the trade is named: its order is refused
            details = {"OrdRejReason": message.ord_rej_reason}
            reason = Reason(Code.EXCHANGE_REJECTED, message.text or "The exchange refused it.", details)
        data: dict[str, Any] = {"exec_id": message.exec_id}
        if reported in (Reported.REPLACED, Reported.RESTATED):
            data |= {"quantity": message.order_qty, "price": plain(message.price) if message.price else None}
        data |= {"text": message.text} if message.text else {}
        named = str(request.pk) if request else None
        event = lifecycle.Report(reported, named, message.order_qty, message.price, message.transact_time)
        revision = trade.apply(event, at=self._now, request=request, data=data, reason=reason)
        self._note_differences(trade, message, request)
        return posting(trade, revision)

    def _cancel_reject(self, trade: LockedTrade, message: CancelReject) -> list[LedgerPosting]:
        """Apply a `9`: once per ClOrdID, its request having an outcome from then on."""
        request = trade.request(message.cl_ord_id)
        if request is not None and trade.facts(request).outcome is not None:
            return []
        is_late = message.cxl_rej_reason == CxlRejReason.TOO_LATE_TO_CANCEL
        code = Code.TOO_LATE if is_late else Code.EXCHANGE_REJECTED
        reason = Reason(code, message.text or "The exchange refused it.", {"CxlRejReason": message.cxl_rej_reason})
        event = lifecycle.Report(Reported.CANCEL_REJECTED, str(request.pk) if request else None)
        revision = trade.apply(event, at=self._now, request=request, reason=reason)
        self._note_differences(trade, message, request)
        return [posting(trade, revision)]

    def _note_differences(
        self, trade: LockedTrade, message: ExecutionReport | CancelReject, request: TradeRequest | None
    ) -> None:
        """Enter what a report that was applied says otherwise than we know it. Nothing of that is obeyed.

        What is sent again tells how things stood when it was sent first.
        """
        if message.poss_resend:
            return
        if found := differences(trade.state, message, str(request.pk) if request else None):
            data = {"code": "REPORT_DIFFERS", "differences": found}
            trade.record("ANOMALY", at=self._now, request=request, data=data)
            if misses_execution(found):
                trade.row.check_at = sooner(trade.row.check_at, self._now + patience())

    def _compare_with_earlier(
        self, trade: LockedTrade, report: Report, message: ExecutionReport, earlier: ExchangeReport
    ) -> None:
        """Nothing happens for a known ExecID; another trade or other numbers under it are a mistake."""
        numbers: tuple[str, ...] = ("ExecType", "LastQty", "LastPx", "ExecRefID")
        if message.exec_type in (ExecType.REPLACED, ExecType.RESTATED):
            numbers += ("OrderQty", "Price")
        other = earlier.trade_id != trade.row.pk
        if other or any(message.body.get(name) != earlier.body.get(name) for name in numbers):
            what = "of another trade" if other else "with other numbers"
            set_aside(report, Quarantine.EXEC_ID_REUSED, f"ExecID {message.exec_id} is known {what}")
        elif message.exec_type is ExecType.TRADE and not (message.poss_resend or report.redelivered):
            data = {"code": "DUPLICATE_EXECUTION", "exec_id": message.exec_id}
            trade.record("ANOMALY", at=self._now, data=data)

    def _record_odd_revision(self, trade: LockedTrade, code: str, message: ExecutionReport) -> None:
        """Enter something odd about a bust or a correction."""
        data = {"code": code, "exec_id": message.exec_id, "exec_ref_id": message.exec_ref_id}
        trade.record("ANOMALY", at=self._now, data=data)


def _execution_data(message: ExecutionReport, version: Version) -> dict[str, Any]:
    """Return what the timeline keeps of an execution: its id and numbers, and those of the version it replaces."""
    data: dict[str, Any] = {"exec_id": message.exec_id}
    data |= {"quantity": version.execution.quantity, "price": plain(version.execution.price)}
    if version.execution.replaces:
        data |= {"was_quantity": version.replaces.quantity, "was_price": plain(version.replaces.price)}
    return data | ({"text": message.text} if message.text else {})
