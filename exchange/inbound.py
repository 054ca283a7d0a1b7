"""From the bytes of a batch to applied facts: what cannot be read or applied is set aside and stops nothing."""

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.db import DatabaseError, InterfaceError

from brokerage.db.transactions import drop_bad_connection, is_transient
from exchange.amqp import Delivery
from exchange.fix.messages import CancelReject, ExecutionReport, MalformedMessage, parse
from exchange.quarantine import Code, quarantine


@dataclass(frozen=True, slots=True)
class Report:
    """One message of the exchange, read, with the bytes it came in."""

    raw: bytes
    message_id: str
    message: ExecutionReport | CancelReject
    redelivered: bool = False
    """The broker handed it out before; nobody knows how far it came then."""


class Intake:
    """A consumer's `handle`: reads each message of a batch and has the good ones applied, in order.

    `apply` takes a list of reports and commits them in one transaction, or raises and commits nothing; it must be safe
    to run again. When it raises for a passing reason (a lock, a lost connection), so does the intake, and the whole
    batch is tried again. When it raises anything else, the batch is applied in halves, down to single reports: one
    that fails alone is quarantined whole with its traceback, and the others are applied.
    """

    def __init__(self, queue: str, apply: Callable[[list[Report]], None]) -> None:
        self._queue = queue
        self._apply = apply

    def __call__(self, deliveries: Sequence[Delivery]) -> None:
        try:
            self._apply_all(self._read(deliveries))
        except (DatabaseError, InterfaceError) as error:
            drop_bad_connection(error)  # what broke is replaced before the next try
            raise

    def _read(self, deliveries: Sequence[Delivery]) -> list[Report]:
        reports = []
        for delivery in deliveries:
            try:
                reports.append(Report(delivery.body, delivery.message_id, parse(delivery.body), delivery.redelivered))
            except MalformedMessage as error:
                quarantine(
                    queue=self._queue,
                    message_id=delivery.message_id,
                    body=delivery.body,
                    code=error.code,
                    detail=error.detail,
                    message_type=error.msg_type,
                )
        return reports

    def _apply_all(self, reports: list[Report]) -> None:
        if not reports:
            return
        try:
            self._apply(reports)
        except Exception as error:
            if is_transient(error) or isinstance(error, OSError):
                raise
            if len(reports) == 1:
                self._set_aside(reports[0], error)
                return
            middle = len(reports) // 2
            self._apply_all(reports[:middle])
            self._apply_all(reports[middle:])

    def _set_aside(self, report: Report, error: Exception) -> None:
        quarantine(
            queue=self._queue,
            message_id=report.message_id,
            body=report.raw,
            code=Code.FAILED,
            detail=f"{type(error).__name__}: {error}",
            traceback="".join(traceback.format_exception(error)),
            message_type=report.message.msg_type,
        )
