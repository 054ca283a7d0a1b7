"""Sets a message that cannot be applied aside: whole, out of the way of the next one, and with an alarm."""

import hashlib
from functools import partial

import structlog
from django.db import transaction

from brokerage.observability import metrics
from exchange.models import Code, QuarantinedMessage

log = structlog.get_logger(__name__)

__all__ = ["Code", "quarantine"]


def quarantine(
    *,
    queue: str,
    message_id: str,
    body: bytes,
    code: str,
    detail: str,
    traceback: str = "",
    message_type: str = "",
) -> None:
    """Keep the message's bytes with the reason and log an error line.

    Safe to call again for a message that came again: the row is written, logged and counted once. Joins the caller's
    transaction, if any.
    """
    digest = hashlib.sha256(body).hexdigest()
    if QuarantinedMessage.objects.filter(queue=queue, code=code, digest=digest).exists():
        return
    QuarantinedMessage.objects.bulk_create(
        [
            QuarantinedMessage(
                queue=queue,
                message_id=_storable(message_id, limit=255),
                message_type=_storable(message_type, limit=32),
                body=body,
                digest=digest,
                code=Code(code),
                detail=_storable(detail, limit=10_000),
                traceback=_storable(traceback, limit=100_000),
            )
        ],
        ignore_conflicts=True,
    )
    record = partial(_record, queue=queue, message_id=_storable(message_id, limit=255), code=str(Code(code)))
    transaction.on_commit(record, robust=True)


def _record(*, queue: str, message_id: str, code: str) -> None:
    metrics.messages_quarantined.labels(code).inc()
    log.error("message_quarantined", queue=queue, message_id=message_id, code=code)


def _storable(text: str, *, limit: int) -> str:
    """Return what PostgreSQL can store as text: no NUL, no lone surrogate."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")[:limit]
