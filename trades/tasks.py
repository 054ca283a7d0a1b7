"""The doors Celery comes through: ids in, one call to a service. `**_` lets an older worker take a newer message."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from celery import Task, shared_task
from django.conf import settings

from trades.lifecycle import Stage
from trades.queries import audit
from trades.reconciliation.query import ask as ask_exchange
from trades.steps.book import book as book_step
from trades.steps.leases import Claim
from trades.steps.runner import attempt
from trades.steps.send import send as send_step
from trades.steps.validate import validate as validate_step

log = structlog.get_logger(__name__)


def _redelivered(task: Task[Any, Any]) -> bool:
    return bool((task.request.delivery_info or {}).get("redelivered"))


@shared_task(name="trades.tasks.validate", bind=True)
def validate(self: Task[Any, Any], /, *, claims: Sequence[Claim], **_: Any) -> None:
    attempt(validate_step, _claims(claims), redelivered=_redelivered(self), stage=Stage.RECEIVED)


@shared_task(name="trades.tasks.book", bind=True)
def book(self: Task[Any, Any], /, *, claims: Sequence[Claim], **_: Any) -> None:
    attempt(book_step, _claims(claims), redelivered=_redelivered(self), stage=Stage.VALIDATED)


@shared_task(name="trades.tasks.send", bind=True)
def send(self: Task[Any, Any], /, *, claims: Sequence[Claim], **_: Any) -> None:
    attempt(send_step, _claims(claims), redelivered=_redelivered(self), stage=Stage.BOOKED)


@shared_task(name="trades.tasks.ask")
def ask(*, trade_ids: Sequence[str], until: str, **_: Any) -> None:
    ask_exchange([UUID(trade_id) for trade_id in trade_ids], until=datetime.fromisoformat(until))


# Acknowledged before it begins: one that is killed is asked for again by beat, and RabbitMQ takes back whatever is not
# acknowledged within its `consumer_timeout`, so that a long one would be begun again and again and never end.
@shared_task(name="trades.tasks.audit_books", acks_late=False, time_limit=settings.AUDIT_TIME_LIMIT_S)
def audit_books(**_: Any) -> None:
    audit.audit_on_schedule()


def _claims(claims: Sequence[Sequence[Any]]) -> list[Claim]:
    """JSON knows no tuples."""
    return [(request_id, number) for request_id, number in claims]
