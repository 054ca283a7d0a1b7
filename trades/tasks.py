"""The doors Celery comes through: ids in, one call out. `**_` lets an older worker take a newer message."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from celery import Task, shared_task
from django.conf import settings

from trades.lifecycle import Stage
from trades.queries import audit
from trades.reconciliation.query import query_trades
from trades.steps.book import book as book_step
from trades.steps.leases import Lease
from trades.steps.runner import Step, run_step
from trades.steps.send import send as send_step
from trades.steps.validate import validate as validate_step


@shared_task(name="trades.tasks.validate", bind=True)
def validate(self: Task[Any, Any], /, *, leases: Sequence[Lease], **_: Any) -> None:
    _run(self, validate_step, leases, Stage.RECEIVED)


@shared_task(name="trades.tasks.book", bind=True)
def book(self: Task[Any, Any], /, *, leases: Sequence[Lease], **_: Any) -> None:
    _run(self, book_step, leases, Stage.VALIDATED)


@shared_task(name="trades.tasks.send", bind=True)
def send(self: Task[Any, Any], /, *, leases: Sequence[Lease], **_: Any) -> None:
    _run(self, send_step, leases, Stage.BOOKED)


@shared_task(name="trades.tasks.query_status")
def query_status(*, trade_ids: Sequence[str], until: str, **_: Any) -> None:
    query_trades([UUID(trade_id) for trade_id in trade_ids], until=datetime.fromisoformat(until))


# Acknowledged before it begins: one that is killed is asked for again by beat, and RabbitMQ takes back whatever is not
# acknowledged within its `consumer_timeout`, so that a long one would be begun again and again and never end.
@shared_task(name="trades.tasks.audit_books", acks_late=False, time_limit=settings.AUDIT_TIME_LIMIT_S)
def audit_books(**_: Any) -> None:
    audit.audit_on_schedule()


def _run(task: Task[Any, Any], step: Step, leases: Sequence[Lease], stage: Stage) -> None:
    """Run a step on a batch, whose leases JSON has made lists of."""
    redelivered = bool((task.request.delivery_info or {}).get("redelivered"))
    run_step(step, [(request_id, number) for request_id, number in leases], redelivered=redelivered, stage=stage)
