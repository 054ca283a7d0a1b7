"""A trader's shares and the journal of every change to them. Amounts are whole shares."""

from django.db import models
from django.db.models import F, Q

from brokerage.models import Trader

LIMIT = 2**63
"""Every amount kept is below this: what BIGINT holds."""


class Holding(models.Model):
    """The shares of one symbol that a trader has. Written by `holdings.ledger` only, together with the journal.

    Trader and symbol are its identity; the number is there for the admin.
    """

    id = models.BigAutoField(primary_key=True)
    trader = models.ForeignKey(Trader, on_delete=models.PROTECT, related_name="+", db_index=False)
    symbol = models.CharField(max_length=24)
    quantity = models.BigIntegerField(default=0)
    blocked = models.BigIntegerField(default=0, help_text="The part of the quantity that open trades hold.")
    short = models.BigIntegerField(default=0, help_text="What the house has lent; part of the quantity.")
    updated_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["trader", "symbol"], condition=Q(short__gt=0), name="holding_short")]
        constraints = [
            models.UniqueConstraint(fields=["trader", "symbol"], name="holding_once_per_trader_and_symbol"),
            models.CheckConstraint(
                condition=Q(blocked__gte=0, blocked__lte=F("quantity")), name="holding_blocked_within_quantity"
            ),
            models.CheckConstraint(condition=Q(short__gte=0), name="holding_short_not_negative"),
            models.CheckConstraint(
                condition=Q(short=0) | Q(blocked=F("quantity")), name="holding_short_has_nothing_available"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} of trader {self.trader_id}"

    @property
    def available(self) -> int:
        """Return what may be blocked or withdrawn."""
        return self.quantity - self.blocked


class Kind(models.TextChoices):
    """Why shares moved. Each kind has one contra account: where they came from, or went."""

    DEPOSIT = "DEPOSIT", "Deposit"
    WITHDRAWAL = "WITHDRAWAL", "Withdrawal"
    BLOCK = "BLOCK", "Blocked for a trade"
    RELEASE = "RELEASE", "Released from a trade"
    SETTLE = "SETTLE", "Delivered or received for an execution"
    LOAN = "LOAN", "Lent by the house"
    REPAY = "REPAY", "Given back to the house"


CONTRA = {
    Kind.DEPOSIT: "depository",
    Kind.WITHDRAWAL: "depository",
    Kind.BLOCK: "own",  # from the available to the blocked part of the same holding
    Kind.RELEASE: "own",
    Kind.SETTLE: "clearing",
    Kind.LOAN: "house",
    Kind.REPAY: "house",
}
"""The account on the other side of each kind of movement."""

_MOVES_QUANTITY = Q(blocked_change=0, short_change=0)
_MOVES_HOLD = Q(amount=0, short_change=0, trade_id__isnull=False)
_MOVES_SHORT = Q(blocked_change=0, short_change=F("amount"))
_ENTRY_FITS_ITS_KIND = (
    Q(_MOVES_QUANTITY, kind="DEPOSIT", contra="depository", amount__gt=0, key__isnull=False)
    | Q(_MOVES_QUANTITY, kind="WITHDRAWAL", contra="depository", amount__lt=0, key__isnull=False)
    | Q(_MOVES_HOLD, kind="BLOCK", contra="own", blocked_change__gt=0)
    | Q(_MOVES_HOLD, kind="RELEASE", contra="own", blocked_change__lt=0)
    | Q(kind="SETTLE", contra="clearing", short_change=0, trade_id__isnull=False, execution__isnull=False)
    | Q(_MOVES_SHORT, kind="LOAN", contra="house", amount__gt=0)
    | Q(_MOVES_SHORT, kind="REPAY", contra="house", amount__lt=0)
)

_OCCASIONAL = ["DEPOSIT", "WITHDRAWAL", "RELEASE", "LOAN", "REPAY"]


class HoldingEntry(models.Model):
    """One movement of one holding. Append-only: triggers refuse UPDATE, DELETE and TRUNCATE.

    The ids of one holding rise in the order of its movements, because they are drawn under the holding's lock.
    """

    id = models.BigAutoField(primary_key=True)
    trader_id = models.BigIntegerField()
    symbol = models.CharField(max_length=24)
    kind = models.CharField(max_length=16, choices=Kind)
    contra = models.CharField(max_length=16, help_text="The account on the other side, which moves by the opposite.")
    amount = models.BigIntegerField(help_text="Change of the quantity.")
    blocked_change = models.BigIntegerField()
    short_change = models.BigIntegerField()
    quantity_after = models.BigIntegerField()
    blocked_after = models.BigIntegerField()
    short_after = models.BigIntegerField()
    trade_id = models.UUIDField(null=True, blank=True)
    trade_revision = models.IntegerField(
        null=True, blank=True, help_text="The entry of the trade's timeline that it belongs to."
    )
    execution = models.TextField(null=True, blank=True, help_text="The execution version it settles.")  # noqa: DJ001  (unique where there is one)
    key = models.TextField(null=True, blank=True, help_text="The caller's idempotency key.")  # noqa: DJ001  (the same)
    note = models.TextField(blank=True, default="")
    at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "holding entries"
        indexes = [
            models.Index(F("trader_id"), F("id").desc(), name="holding_entry_newest_first"),
            models.Index(fields=["trade_id"], condition=Q(trade_id__isnull=False), name="holding_entry_by_trade"),
            # For those who look. The kinds left out stand on every page of the journal anyway.
            models.Index(fields=["kind", "-id"], condition=Q(kind__in=_OCCASIONAL), name="holding_entry_by_kind"),
            models.Index(fields=["at"], name="holding_entry_by_time"),
            models.Index(fields=["execution"], condition=Q(execution__isnull=False), name="holding_entry_by_execution"),
            models.Index(fields=["key"], condition=Q(key__isnull=False), name="holding_entry_by_key"),
        ]
        constraints = [
            models.CheckConstraint(condition=_ENTRY_FITS_ITS_KIND, name="holding_entry_fits_its_kind"),
            models.CheckConstraint(
                condition=Q(blocked_after__gte=0, blocked_after__lte=F("quantity_after")),
                name="holding_entry_leaves_blocked_within_quantity",
            ),
            models.UniqueConstraint(
                fields=["trader_id", "trade_id", "execution"],
                condition=Q(kind="SETTLE"),
                name="holding_entry_settles_an_execution_once",
            ),
            models.UniqueConstraint(
                fields=["trader_id", "key"], condition=Q(key__isnull=False), name="holding_entry_key_once_per_trader"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount} {self.symbol} of trader {self.trader_id}"

    @property
    def available_after(self) -> int:
        """Return what could be blocked or withdrawn right after the movement."""
        return self.quantity_after - self.blocked_after
