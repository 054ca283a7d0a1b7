"""A trade: its facts, with the figures derived from them cached beside for queries.

Nothing here is written but by `trades.core.repository` and `trades.intake.accept`, in the transaction that holds the
trade's lock.
"""

from django.db import models
from django.db.models import Q

from brokerage.money import PRICE_PLACES, ZERO
from trades.lifecycle import Side, Status, TimeInForce
from trades.models.fields import choices_of, price_field


class Channel(models.TextChoices):
    MOBILE = "MOBILE"
    WEB = "WEB"
    CALL = "CALL", "Phone call"
    PARTNER = "PARTNER"
    API = "API", "API"


TERMS_OF_TIME = [
    (TimeInForce.DAY.value, "Day"),
    (TimeInForce.GTC.value, "Good till cancelled"),
    (TimeInForce.IOC.value, "Immediate or cancel"),
    (TimeInForce.FOK.value, "Fill or kill"),
]


class Trade(models.Model):
    """What a client wants, and its whole life. FIX: the order; `id` is our OrderID (37) and never changes."""

    id = models.UUIDField("trade id", primary_key=True)
    reference = models.CharField(max_length=8, unique=True, help_text="The speakable form of the trade id.")
    trader = models.ForeignKey("brokerage.Trader", on_delete=models.PROTECT, related_name="trades")
    symbol = models.CharField(max_length=24)
    side = models.CharField(max_length=4, choices=choices_of(Side))
    time_in_force = models.CharField(max_length=3, choices=TERMS_OF_TIME)
    currency = models.CharField(max_length=3)
    channel = models.CharField(max_length=8, choices=Channel)
    client_reference = models.CharField(max_length=128, null=True, blank=True)  # noqa: DJ001  (absent is not empty)

    # The fee schedule as it was when the trade was accepted.
    # The database knows the defaults, too: during a rollout a version without these columns still places trades.
    fee_rate = models.DecimalField(max_digits=9, decimal_places=8, default=ZERO, db_default=ZERO)
    fee_minimum = models.DecimalField(max_digits=20, decimal_places=2, default=ZERO, db_default=ZERO)
    fee_cap = models.DecimalField(max_digits=20, decimal_places=2, null=True, blank=True, help_text="Empty: no limit.")

    # Facts: the live terms and the request they came from, what was executed, what the exchange declared.
    quantity = models.BigIntegerField()
    price = price_field()
    terms_seq = models.IntegerField(default=1)
    terms_quantity = models.BigIntegerField(null=True, blank=True)
    quantity_restated_seq = models.IntegerField(default=0, db_default=0)
    price_restated_seq = models.IntegerField(default=0, db_default=0)
    filled_quantity = models.BigIntegerField(default=0)
    filled_value = models.DecimalField(max_digits=32, decimal_places=2, default=ZERO)
    filled_notional = models.DecimalField(max_digits=44, decimal_places=PRICE_PLACES, default=ZERO)
    acked = models.BooleanField(default=False)
    rejected = models.BooleanField(default=False)
    cancelled = models.BooleanField(default=False)
    expired = models.BooleanField(default=False)
    done_for_day = models.BooleanField(default=False)
    suspended = models.BooleanField(default=False)
    declared_at = models.DateTimeField(null=True, blank=True)
    reason = models.JSONField(null=True, blank=True)

    # Derived from the facts in the same transaction; the auditor compares.
    status = models.CharField(max_length=16, choices=choices_of(Status))
    hold_cash = models.DecimalField(max_digits=20, decimal_places=2, default=ZERO)
    hold_shares = models.BigIntegerField(default=0)
    revision = models.IntegerField(default=0, help_text="The number of entries in the trade's timeline.")

    check_at = models.DateTimeField(
        null=True, blank=True, help_text="When the exchange is next asked what became of the order, answered or not."
    )
    recon_break = models.JSONField(
        null=True, blank=True, help_text="Since when and why a person has to compare the exchange's word and ours."
    )

    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gt=0), name="trade_quantity_positive"),
            models.CheckConstraint(condition=Q(price__gt=0), name="trade_price_positive"),
            models.CheckConstraint(condition=Q(side__in=list(Side)), name="trade_side"),
            models.CheckConstraint(condition=Q(hold_cash__gte=0, hold_shares__gte=0), name="trade_hold_not_negative"),
            models.CheckConstraint(
                condition=Q(side="BUY", hold_shares=0) | Q(side="SELL", hold_cash=0), name="trade_holds_one_kind"
            ),
            models.CheckConstraint(
                condition=Q(fee_rate__gte=0, fee_rate__lte=1, fee_minimum__gte=0)
                & (Q(fee_cap__isnull=True) | Q(fee_cap__gte=0)),
                name="trade_fees_possible",
            ),
        ]
        indexes = [
            models.Index(fields=["trader", "-id"], name="trade_by_trader"),
            models.Index(fields=["symbol", "-id"], name="trade_by_symbol"),
            models.Index(
                fields=["client_reference", "trader"],
                name="trade_by_reference_of_client",
                condition=Q(client_reference__isnull=False),
            ),
            models.Index(
                fields=["id"],
                name="trade_holding",
                condition=Q(hold_cash__gt=0) | Q(hold_shares__gt=0),
            ),
            models.Index(fields=["check_at", "id"], name="trade_check_due", condition=Q(check_at__isnull=False)),
            models.Index(fields=["id"], name="trade_recon_break", condition=Q(recon_break__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.reference[:4]}-{self.reference[4:]}"
