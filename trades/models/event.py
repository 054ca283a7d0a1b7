"""The timeline of a trade."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import models

from trades.lifecycle import Status
from trades.models.fields import choices_of
from trades.models.trade import Trade


class TradeEvent(models.Model):
    """One entry of a trade's timeline, `seq` being the revision it brought about. Append-only."""

    pk = models.CompositePrimaryKey("trade_id", "seq")
    trade = models.ForeignKey(Trade, on_delete=models.PROTECT, related_name="events")
    seq = models.IntegerField()
    kind = models.CharField(max_length=32)
    request_id = models.UUIDField(null=True, blank=True)
    status = models.CharField(max_length=16, choices=choices_of(Status), help_text="The trade's status after it.")
    data = models.JSONField(default=dict)
    at = models.DateTimeField()

    class Meta:
        ordering = ["seq"]
        # Which trades changed since the last audit. Entries come in the order of time, so a summary of each megabyte
        # finds them; an entry costs nothing, where a B-tree would be one more write for each.
        indexes = [BrinIndex(fields=["at"], autosummarize=True, name="event_by_time")]

    def __str__(self) -> str:
        return self.kind
