"""Messages of the exchange that could not be applied, stored whole for a person to look at."""

from django.db import models


class Code(models.TextChoices):
    """Why a message was quarantined."""

    MALFORMED = "MALFORMED", "Cannot be read"
    UNSUPPORTED = "UNSUPPORTED", "A message that the exchange does not send"
    UNKNOWN_ORDER = "UNKNOWN_ORDER", "No trade of ours"
    EXEC_ID_REUSED = "EXEC_ID_REUSED", "A known ExecID with other numbers"
    FAILED = "FAILED", "Applying it failed"


class QuarantinedMessage(models.Model):
    """One message with its bytes. The same bytes on the same queue for the same reason are one row."""

    queue = models.CharField(max_length=255)
    message_id = models.CharField(
        max_length=255, blank=True, help_text="As AMQP carried it: ExecID or ClOrdID, usually."
    )
    message_type = models.CharField(max_length=32, blank=True, help_text="MsgType, where it could be read.")
    body = models.BinaryField(help_text="The bytes as they came.")
    digest = models.CharField(max_length=64, editable=False, help_text="SHA-256 of the bytes.")
    code = models.CharField(max_length=32, choices=Code)
    detail = models.TextField(blank=True)
    traceback = models.TextField(blank=True)
    received_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["queue", "code", "digest"], name="quarantined_once"),
            models.CheckConstraint(condition=models.Q(code__in=Code.values), name="quarantine_code"),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.message_id} on {self.queue}"
