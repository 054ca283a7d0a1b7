"""Executions and their versions: which one a bust or a correction is about, and what it replaces.

The exchange may take back an execution or say that it was another. The rows are never changed: each such report is a
further version, which replaces the one before it. A report about an execution that nobody has heard of waits until it
is there.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from brokerage.db.bulk import insert_many
from brokerage.money import ZERO, rounded_value
from exchange.fix.codes import ExecType
from exchange.fix.messages import CancelReject, ExecutionReport, parse
from trades.core.locked_trade import LockedTrade
from trades.core.settlement import Version
from trades.lifecycle import Executed
from trades.models import Execution, PendingRevision

REVISIONS = (ExecType.TRADE_CORRECT, ExecType.TRADE_CANCEL)


class Executions:
    """The executions that a batch of reports is about, each with all its versions. Read under the trades' locks."""

    def __init__(self, messages: Iterable[ExecutionReport | CancelReject], trade_ids: Iterable[UUID]) -> None:
        reports = [message for message in messages if isinstance(message, ExecutionReport)]
        self._latest: dict[str, Execution] = {}
        self._origin: dict[str, str] = {}
        self._waiting: dict[str, list[PendingRevision]] = defaultdict(list)
        self._taken_up: list[str] = []
        self._new: list[PendingRevision] = []
        if named := {report.exec_ref_id for report in reports if report.exec_type in REVISIONS}:
            self._load(named)
        if any(report.exec_type in (ExecType.TRADE, *REVISIONS) for report in reports):
            for row in PendingRevision.objects.filter(trade_id__in=set(trade_ids)).order_by("since", "exec_id"):
                self._waiting[row.exec_ref_id].append(row)

    def _load(self, named: Iterable[str | None]) -> None:
        origins = {row.origin for row in Execution.objects.filter(pk__in=named)}
        versions = list(Execution.objects.filter(Q(pk__in=origins) | Q(original__in=origins)))
        replaced = {row.replaces for row in versions}
        for row in versions:
            self._origin[row.exec_id] = row.origin
            if row.exec_id not in replaced:
                self._latest[row.origin] = row

    def latest(self, exec_id: str | None) -> Execution | None:
        """Return the version that counts of the execution with this ExecID, or with a version of it; None if new."""
        origin = self._origin.get(exec_id or "")
        return self._latest[origin] if origin else None

    def add(self, trade: LockedTrade, message: ExecutionReport, before: Execution | None, *, now: datetime) -> Version:
        """Enter a fill, or the next version of `before`."""
        quantity, price = message.last_qty or 0, message.last_px or ZERO  # `parse` refuses a fill without them
        if message.exec_type is ExecType.TRADE_CANCEL:
            quantity, price = 0, ZERO
        row = trade.row
        execution = Execution(
            exec_id=message.exec_id,
            original=before.origin if before else None,
            replaces=before.exec_id if before else None,
            trade=row,
            trader_id=row.trader_id,
            symbol=row.symbol,
            side=row.side,
            quantity=quantity,
            price=price,
            value=rounded_value(quantity, price),
            executed_at=message.transact_time,
            received_at=now,
        )
        trade.executions.append(execution)
        origin = execution.original or execution.exec_id
        self._origin[execution.exec_id], self._latest[origin] = origin, execution
        old_quantity, old_value = (before.quantity, before.value) if before else (0, ZERO)
        replaces = Executed(before.quantity, before.price) if before else Executed()
        return Version(execution, replaces, quantity - old_quantity, execution.value - old_value)

    def wait(self, trade: LockedTrade, message: ExecutionReport, raw: bytes, *, now: datetime) -> None:
        """Keep a report about an execution that is not known yet."""
        row = PendingRevision(
            exec_id=message.exec_id,
            trade_id=trade.row.pk,
            exec_ref_id=message.exec_ref_id or "",
            message=raw,
            since=now,
        )
        self._waiting[row.exec_ref_id].append(row)
        self._new.append(row)

    def take_up(self, exec_id: str, trade: LockedTrade) -> list[ExecutionReport]:
        """Return the trade's reports that waited for this execution, oldest first; they wait no longer."""
        rows = [row for row in self._waiting.pop(exec_id, []) if row.trade_id == trade.row.pk]
        self._taken_up += [row.exec_id for row in rows]
        messages = [parse(bytes(row.message)) for row in rows]
        return [message for message in messages if isinstance(message, ExecutionReport)]

    def save(self) -> None:
        """Write which reports wait from now on, and forget those that do not."""
        insert_many([row for row in self._new if row.exec_id not in self._taken_up])
        if self._taken_up:
            PendingRevision.objects.filter(pk__in=self._taken_up).delete()
