"""The reports of the exchange: those that were applied, those that wait, and when some may have been lost."""

from django.db import models
from django.db.models.functions import Now


class ExchangeReport(models.Model):
    """Every execution report that was applied, by its ExecID (17): what makes the second delivery harmless."""

    exec_id = models.CharField(primary_key=True, max_length=128)
    trade_id = models.UUIDField()
    body = models.JSONField()
    received_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.exec_id


class PendingRevision(models.Model):
    """A bust or a correction of an execution that is not known yet: applied when that arrives."""

    exec_id = models.CharField(primary_key=True, max_length=128)
    trade_id = models.UUIDField(db_index=True)
    exec_ref_id = models.CharField(max_length=128, help_text="The ExecID it waits for.")
    message = models.BinaryField(help_text="The report as it came.")
    since = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.exec_id} waits for {self.exec_ref_id}"


class LinkGap(models.Model):
    """A moment at which reports may have been lost: what was not asked about since is to be asked about now."""

    at = models.DateTimeField(db_default=Now(), db_index=True)

    def __str__(self) -> str:
        return self.at.isoformat()
