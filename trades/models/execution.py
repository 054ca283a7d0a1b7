"""What the exchange executed, in all its versions.

An executed price and quantity are the exchange's word: no constraint relates them to ours.
"""

from django.db import models
from django.db.models import Q

from brokerage.money import plain
from trades.lifecycle import Side
from trades.models.fields import choices_of, price_field
from trades.models.trade import Trade


class Execution(models.Model):
    """One fill that the exchange reported, or a later version of it. Append-only.

    A correction is a version with other numbers, a bust one with none; what counts is the version that no other one
    replaces.
    """

    exec_id = models.CharField(primary_key=True, max_length=128)
    original = models.CharField(  # noqa: DJ001  (absent is not empty)
        max_length=128, null=True, blank=True, help_text="The ExecID of the fill that this is a later version of."
    )
    replaces = models.CharField(  # noqa: DJ001  (the same)
        max_length=128, null=True, blank=True, help_text="The ExecID of the version that does not count any more."
    )
    trade = models.ForeignKey(Trade, on_delete=models.PROTECT, related_name="executions")
    trader_id = models.BigIntegerField()
    symbol = models.CharField(max_length=24)
    side = models.CharField(max_length=4, choices=choices_of(Side))
    quantity = models.BigIntegerField()
    price = price_field()
    value = models.DecimalField(max_digits=32, decimal_places=2)
    executed_at = models.DateTimeField(null=True, blank=True, help_text="The exchange's TransactTime (60).")
    received_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["trade", "received_at"], name="execution_by_trade"),
            models.Index(fields=["original"], name="execution_versions", condition=Q(original__isnull=False)),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["replaces"], condition=Q(replaces__isnull=False), name="execution_replaced_once"
            ),
            models.CheckConstraint(
                condition=Q(original__isnull=True, replaces__isnull=True)
                | Q(original__isnull=False, replaces__isnull=False),
                name="execution_version_of_something",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} @ {plain(self.price)}"

    @property
    def origin(self) -> str:
        """The ExecID of the first version."""
        return self.original or self.exec_id
