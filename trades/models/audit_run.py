"""What was audited, when, and how it went: where the next audit begins, and what the metrics say after a restart."""

from datetime import datetime, timedelta

from django.db import models


class AuditRun(models.Model):
    """One finished audit of the books. Written after its read-only snapshot; old ones are deleted."""

    class Scope(models.TextChoices):
        FULL = "FULL"
        INCREMENTAL = "INCREMENTAL"

    scope = models.CharField(max_length=16, choices=Scope)
    started_at = models.DateTimeField(help_text="By the database's clock, not later than the snapshot.")
    finished_at = models.DateTimeField()
    mark_at = models.DateTimeField(help_text="What changed from here on is for the next incremental audit.")
    discrepancies = models.IntegerField()

    def __str__(self) -> str:
        return f"{self.scope} {self.started_at.isoformat()}"

    @property
    def duration(self) -> timedelta:
        return self.finished_at - self.started_at

    @classmethod
    def latest(cls, scope: "AuditRun.Scope") -> "AuditRun | None":
        """Return the audit of this scope that started last; None if there never was one."""
        return cls.objects.filter(scope=scope).order_by("-started_at").first()

    @classmethod
    def high_water_mark(cls) -> datetime | None:
        """Return the time up to which everything has been audited; None if nothing has."""
        mark: datetime | None = cls.objects.aggregate(mark=models.Max("mark_at"))["mark"]
        return mark
