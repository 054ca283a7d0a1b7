"""Where a message goes that cannot be applied: out of the way of the next one, whole, and with an alarm."""

import hashlib

import structlog

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

    Safe to call again for a message that came again: the row is written once. Joins the caller's transaction, if any.
    """
    QuarantinedMessage.objects.bulk_create(
        [
            QuarantinedMessage(
                queue=queue,
                message_id=_storable(message_id, limit=255),
                message_type=_storable(message_type, limit=32),
                body=body,
                digest=hashlib.sha256(body).hexdigest(),
                code=Code(code),
                detail=_storable(detail, limit=10_000),
                traceback=_storable(traceback, limit=100_000),
            )
        ],
        ignore_conflicts=True,
    )
    log.error("message_quarantined", queue=queue, message_id=message_id, code=str(code))


def _storable(text: str, *, limit: int) -> str:
    """What PostgreSQL can keep as text: no NUL, no lone surrogate."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")[:limit]
