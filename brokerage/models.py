"""The firm's own data: users, traders and their fees, instruments, and the sessions of the market."""

from decimal import Decimal

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import F, Q

from brokerage.money import CURRENCY, PRICE_PLACES


class FeeSchedule(models.Model):
    """The fees of a trader: min(cap, max(minimum, rate of the value)) of each trade with an execution.

    A trade keeps the schedule that stood here when it was accepted.
    """

    name = models.CharField(max_length=60, unique=True)
    rate = models.DecimalField(
        max_digits=9, decimal_places=8, help_text="A part of the value: 0.001 is a tenth of a per cent."
    )
    minimum = models.DecimalField(
        max_digits=20, decimal_places=2, default=Decimal(0), help_text="The least for a trade that was executed."
    )
    cap = models.DecimalField(
        max_digits=20, decimal_places=2, null=True, blank=True, help_text="The most for a trade; empty: no limit."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(rate__gte=0, rate__lte=1, minimum__gte=0), name="fee_schedule_possible"),
            models.CheckConstraint(
                condition=Q(cap__isnull=True) | Q(cap__gte=F("minimum")), name="fee_schedule_cap_not_below_minimum"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Trader(models.Model):
    """An owner of cash and shares. FIX: Account (1)."""

    class Status(models.TextChoices):
        ACTIVE = "ACTIVE", "Active"
        REDUCING = "REDUCING", "Reducing: may sell and cancel, not buy"
        SUSPENDED = "SUSPENDED", "Suspended: may do nothing new"

    id = models.BigAutoField("number", primary_key=True)
    name = models.CharField(max_length=120)
    phone = models.CharField(max_length=32, blank=True, default="")
    status = models.CharField(max_length=16, choices=Status, default=Status.ACTIVE)
    fee_schedule = models.ForeignKey(
        FeeSchedule,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="traders",
        help_text="Empty: pays no fees. Counts for trades accepted from now on.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(status__in=["ACTIVE", "REDUCING", "SUSPENDED"]), name="trader_status")
        ]
        permissions = [
            ("restrict_trader", "Can change what a trader may do"),
            ("act_for_trader", "Can place, amend and cancel trades for a trader"),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.name}"


class User(AbstractUser):
    """A log-in: a trader's own, or one of staff (no trader)."""

    trader = models.OneToOneField(Trader, on_delete=models.PROTECT, null=True, blank=True, related_name="user")


class Instrument(models.Model):
    """A share that can be traded, with the exchange's rules for its orders. FIX: Symbol (55)."""

    symbol = models.CharField(max_length=24, primary_key=True)
    name = models.CharField(max_length=120)
    currency = models.CharField(max_length=3, default=CURRENCY)
    tick = models.DecimalField(
        max_digits=20, decimal_places=PRICE_PLACES, default=Decimal("0.05"), help_text="Prices are multiples of it."
    )
    lot = models.BigIntegerField(default=1, help_text="Quantities are multiples of it.")
    reference_price = models.DecimalField(
        max_digits=20, decimal_places=PRICE_PLACES, help_text="The middle of the price band: the last close, usually."
    )
    band_percent = models.DecimalField(
        max_digits=5,
        decimal_places=2,
        default=Decimal(20),
        help_text="How far a price may be from the reference price, ± %.",
    )
    max_quantity = models.BigIntegerField(
        null=True, blank=True, help_text="Largest quantity of one order; empty: no limit."
    )
    max_value = models.DecimalField(
        max_digits=20, decimal_places=2, null=True, blank=True, help_text="Largest value of one order; empty: no limit."
    )
    halted = models.BooleanField(
        default=False, help_text="Nothing new is accepted while the exchange has stopped trading in it."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(tick__gt=0, lot__gt=0, reference_price__gt=0, band_percent__gt=0),
                name="instrument_rules_positive",
            ),
        ]

    def __str__(self) -> str:
        return self.symbol


class TradingSession(models.Model):
    """One stretch of time in which the market is open.

    With no row at all the market is always open: the default in development. Once there is a row, it is open only
    inside one.
    """

    opens_at = models.DateTimeField()
    closes_at = models.DateTimeField()

    class Meta:
        ordering = ["opens_at"]
        constraints = [
            models.CheckConstraint(condition=Q(closes_at__gt=F("opens_at")), name="session_opens_before_it_closes")
        ]

    def __str__(self) -> str:
        return f"{self.opens_at:%Y-%m-%d %H:%M} to {self.closes_at:%H:%M}"
