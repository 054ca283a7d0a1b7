"""A trader's cash and the journal of every change to it. Amounts are in the currency's scale (paisa)."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import F, Q
from django.db.models.expressions import Combinable

from brokerage.models import Trader
from brokerage.money import CURRENCY, SCALE

LIMIT = Decimal(10) ** 18
"""Every amount kept is below this: what NUMERIC(20, 2) holds. PostgreSQL sorts NaN above it: the CHECK keeps it out."""

NOTHING = Decimal(0).quantize(SCALE)


if TYPE_CHECKING:
    _DecimalField = models.DecimalField[Decimal | int | Combinable, Decimal]  # what it takes, what it gives
else:
    _DecimalField = models.DecimalField  # generic in the stubs only


class AmountField(_DecimalField):
    """NUMERIC(20, 2): an amount of money, never finer than a paisa."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "max_digits": 20, "decimal_places": 2})


class Wallet(models.Model):
    """The cash of a trader. Written by `wallets.ledger` only, together with the journal."""

    trader = models.OneToOneField(Trader, on_delete=models.PROTECT, primary_key=True, related_name="+")
    currency = models.CharField(max_length=3, default=CURRENCY)
    balance = AmountField(default=NOTHING)
    blocked = AmountField(default=NOTHING, help_text="The part of the balance that open trades hold.")
    debt = AmountField(default=NOTHING, help_text="What the house has lent; part of the balance.")
    updated_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["trader"], condition=Q(debt__gt=0), name="wallet_in_debt")]
        constraints = [
            models.CheckConstraint(
                condition=Q(blocked__gte=0, blocked__lte=F("balance"), balance__lt=LIMIT),
                name="wallet_blocked_within_balance",
            ),
            models.CheckConstraint(condition=Q(debt__gte=0, debt__lt=LIMIT), name="wallet_debt_not_negative"),
            models.CheckConstraint(
                condition=Q(debt=0) | Q(blocked=F("balance")), name="wallet_in_debt_has_nothing_available"
            ),
        ]

    def __str__(self) -> str:
        return f"wallet of trader {self.trader_id}"

    @property
    def available(self) -> Decimal:
        """Return what may be blocked or withdrawn."""
        return self.balance - self.blocked


class Kind(models.TextChoices):
    """Why cash moved. Each kind has one contra account (CONTRA): where it came from, or went."""

    DEPOSIT = "DEPOSIT", "Deposit"
    WITHDRAWAL = "WITHDRAWAL", "Withdrawal"
    BLOCK = "BLOCK", "Blocked for a trade"
    RELEASE = "RELEASE", "Released from a trade"
    SETTLE = "SETTLE", "Paid or received for an execution"
    FEE = "FEE", "Fee"
    LOAN = "LOAN", "Lent by the house"
    REPAY = "REPAY", "Repaid to the house"


CONTRA = {
    Kind.DEPOSIT: "bank",
    Kind.WITHDRAWAL: "bank",
    Kind.BLOCK: "own",  # from the available to the blocked part of the same wallet
    Kind.RELEASE: "own",
    Kind.SETTLE: "clearing",
    Kind.FEE: "fees",
    Kind.LOAN: "house",
    Kind.REPAY: "house",
}
"""The account on the other side of each kind of movement."""

_MOVES_BALANCE = Q(blocked_change=0, debt_change=0)
_MOVES_HOLD = Q(amount=0, debt_change=0, trade_id__isnull=False)
_MOVES_DEBT = Q(blocked_change=0, debt_change=F("amount"))
_ENTRY_FITS_ITS_KIND = (
    Q(_MOVES_BALANCE, kind="DEPOSIT", contra="bank", amount__gt=0, key__isnull=False)
    | Q(_MOVES_BALANCE, kind="WITHDRAWAL", contra="bank", amount__lt=0, key__isnull=False)
    | Q(_MOVES_HOLD, kind="BLOCK", contra="own", blocked_change__gt=0)
    | Q(_MOVES_HOLD, kind="RELEASE", contra="own", blocked_change__lt=0)
    | Q(kind="SETTLE", contra="clearing", debt_change=0, trade_id__isnull=False, execution__isnull=False)
    | Q(_MOVES_BALANCE, kind="FEE", contra="fees", trade_id__isnull=False)
    | Q(_MOVES_DEBT, kind="LOAN", contra="house", amount__gt=0)
    | Q(_MOVES_DEBT, kind="REPAY", contra="house", amount__lt=0)
)

_OCCASIONAL = ["DEPOSIT", "WITHDRAWAL", "RELEASE", "FEE", "LOAN", "REPAY"]


class WalletEntry(models.Model):
    """One movement of one wallet. Append-only: triggers refuse UPDATE, DELETE and TRUNCATE.

    The ids of one wallet rise in the order of its movements, because they are drawn under the wallet's lock.
    """

    id = models.BigAutoField(primary_key=True)
    trader_id = models.BigIntegerField()
    kind = models.CharField(max_length=16, choices=Kind)
    contra = models.CharField(max_length=16, help_text="The account on the other side, which moves by the opposite.")
    amount = AmountField(help_text="Change of the balance.")
    blocked_change = AmountField()
    debt_change = AmountField()
    balance_after = AmountField()
    blocked_after = AmountField()
    debt_after = AmountField()
    trade_id = models.UUIDField(null=True, blank=True)
    trade_revision = models.IntegerField(
        null=True, blank=True, help_text="The entry of the trade's timeline that it belongs to."
    )
    execution = models.TextField(null=True, blank=True, help_text="The execution version it settles.")  # noqa: DJ001  (unique where there is one)
    key = models.TextField(null=True, blank=True, help_text="The caller's idempotency key.")  # noqa: DJ001  (the same)
    note = models.TextField(blank=True, default="")
    at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "wallet entries"
        indexes = [
            models.Index(F("trader_id"), F("id").desc(), name="wallet_entry_newest_first"),
            models.Index(fields=["trade_id"], condition=Q(trade_id__isnull=False), name="wallet_entry_by_trade"),
            # For those who look. The kinds left out stand on every page of the journal anyway.
            models.Index(fields=["kind", "-id"], condition=Q(kind__in=_OCCASIONAL), name="wallet_entry_by_kind"),
            models.Index(fields=["at"], name="wallet_entry_by_time"),
            models.Index(fields=["execution"], condition=Q(execution__isnull=False), name="wallet_entry_by_execution"),
            models.Index(fields=["key"], condition=Q(key__isnull=False), name="wallet_entry_by_key"),
        ]
        constraints = [
            models.CheckConstraint(condition=_ENTRY_FITS_ITS_KIND, name="wallet_entry_fits_its_kind"),
            models.CheckConstraint(
                condition=Q(blocked_after__gte=0, blocked_after__lte=F("balance_after"), balance_after__lt=LIMIT),
                name="wallet_entry_leaves_blocked_within_balance",
            ),
            models.UniqueConstraint(
                fields=["trader_id", "trade_id", "execution"],
                condition=Q(kind="SETTLE"),
                name="wallet_entry_settles_an_execution_once",
            ),
            models.UniqueConstraint(
                fields=["trader_id", "key"], condition=Q(key__isnull=False), name="wallet_entry_key_once_per_trader"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount} of trader {self.trader_id}"

    @property
    def available_after(self) -> Decimal:
        """Return what could be blocked or withdrawn right after the movement."""
        return self.balance_after - self.blocked_after
