"""Turns the bytes of a batch into applied facts: what cannot be read or applied is quarantined and stops nothing."""

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import structlog
from django.db import DatabaseError, InterfaceError

from brokerage.db.transactions import drop_bad_connection, is_timeout, is_transient
from exchange.amqp import Delivery
from exchange.fix.messages import CancelReject, ExecutionReport, MalformedMessage, parse
from exchange.quarantine import Code, quarantine

log = structlog.get_logger(__name__)

DELIVERY_MAX_ATTEMPTS = 3
"""Transient failures in a row until a batch is applied in halves; timeouts in a row until one report is quarantined."""


@dataclass(frozen=True, slots=True)
class Report:
    """One message of the exchange, parsed, with the bytes it came in."""

    raw: bytes
    message_id: str
    message: ExecutionReport | CancelReject
    redelivered: bool = False
    """It was delivered before; nobody knows how far it came then."""


@dataclass(slots=True, eq=False)
class _Suspect:
    """Reports that failed together for a transient reason: a batch, or a part that it was split into."""

    failures: int = 0


class InboundReports:
    """A consumer's `handle`: parses each message of a batch and has the good ones applied, in order.

    `apply` takes a list of reports and commits them in one transaction, or raises and commits nothing; it must be safe
    to run again. When it raises

    - because of the data, the list is applied in halves, down to single reports; one that fails alone is quarantined
      whole with its traceback, and the others are applied;
    - for a transient reason (a lock, a lost connection, a timeout), so does this call, and the consumer hands the batch
      on again. After `max_attempts` failures in a row the batch is split, and then each part that fails again, so that
      what is well goes through. A single report is tried for ever: an outage is nobody's fault. Only one that exceeds
      the database's timeouts when it is alone, `max_attempts` times in a row, is quarantined.

    Killed anywhere, nothing of the batch was acknowledged, and all of it is delivered again, to whichever consumer is
    active next. `apply` knows the reports that were committed by their ExecIDs, `quarantine` the messages by their
    bytes; the failures are counted anew, which costs time only.
    """

    def __init__(
        self,
        queue: str,
        apply: Callable[[list[Report]], None],
        *,
        max_attempts: int = DELIVERY_MAX_ATTEMPTS,
    ) -> None:
        self._queue = queue
        self._apply = apply
        self._max_attempts = max_attempts
        # By the bytes, and not by the delivery: after a lost connection the same messages come in other batches.
        self._done: set[bytes] = set()  # committed or quarantined, and not acknowledged yet
        self._suspects: dict[bytes, _Suspect] = {}

    def __call__(self, deliveries: Sequence[Delivery]) -> None:
        """Apply a batch. Returns when all of its parts are committed: only then may it be acknowledged."""
        try:
            reports = [report for report in self._parse(deliveries) if report.raw not in self._done]
            for _, part in groupby(reports, key=lambda report: self._suspects.get(report.raw)):
                self._apply_part(list(part))  # one part after the other, or the order within a trade would be lost
        except (DatabaseError, InterfaceError) as error:
            drop_bad_connection(error)  # what broke is replaced before the next attempt
            raise
        self._done.clear()
        self._suspects.clear()

    def _parse(self, deliveries: Sequence[Delivery]) -> list[Report]:
        reports = []
        for delivery in deliveries:
            try:
                reports.append(Report(delivery.body, delivery.message_id, parse(delivery.body), delivery.redelivered))
            except MalformedMessage as error:
                # Killed after this commit, the message is delivered and found here again: it adds no second row.
                quarantine(
                    queue=self._queue,
                    message_id=delivery.message_id,
                    body=delivery.body,
                    code=error.code,
                    detail=error.detail,
                    message_type=error.msg_type,
                )
        return reports

    def _apply_part(self, part: list[Report]) -> None:
        try:
            self._apply(part)
        except Exception as error:
            if is_transient(error) or isinstance(error, OSError):
                self._count_failure(part, error)
            elif len(part) == 1:
                self._quarantine(part[0], error)
            else:
                for half in _halves(part):
                    self._apply_part(half)
                return
        # Killed here, the part is committed and is applied again: every report of it is known, and nothing happens.
        self._done.update(report.raw for report in part)

    def _count_failure(self, part: list[Report], error: Exception) -> None:
        """Count a transient failure and raise it, unless it was the last that a single report may cause."""
        suspect = self._suspects.get(part[0].raw) or _Suspect()
        is_single = len(part) == 1
        # An outage says nothing about a report that it met. A timeout may: a database that is slow for everybody
        # cannot be told from it here, but then writing to the quarantine times out, too, and the report is safe.
        suspect.failures = suspect.failures + 1 if is_timeout(error) or not is_single else 0
        if suspect.failures < self._max_attempts:
            self._suspect(part, suspect)
        elif is_single:
            drop_bad_connection(error)  # a transaction that stood still too long cost us the connection
            self._quarantine(part[0], error)
            return
        else:
            log.warning("batch_halved", queue=self._queue, size=len(part), error=str(error).strip())
            for half in _halves(part):
                # Splitting goes on at the first further failure: what failed so often is not given as many attempts at
                # each level again. A single report is given all of its own.
                self._suspect(half, _Suspect(self._max_attempts - 1 if len(half) > 1 else 0))
        raise error  # the consumer keeps its connection alive, waits a moment, and calls again

    def _suspect(self, part: list[Report], suspect: _Suspect) -> None:
        self._suspects |= dict.fromkeys((report.raw for report in part), suspect)

    def _quarantine(self, report: Report, error: Exception) -> None:
        # Killed before this commit, the report is delivered again and fails again; killed after it, it does so, too,
        # and adds no second row.
        quarantine(
            queue=self._queue,
            message_id=report.message_id,
            body=report.raw,
            code=Code.FAILED,
            detail=f"{type(error).__name__}: {error}",
            traceback="".join(traceback.format_exception(error)),
            message_type=report.message.msg_type,
        )


def _halves(part: list[Report]) -> list[list[Report]]:
    middle = len(part) // 2
    return [part[:middle], part[middle:]]
