"""Trades as they are stored: facts, with the figures derived from them cached beside for queries.

Nothing here is written but by `trades.store` and `trades.services.accept`, in the transaction that holds the trade's
lock. An executed price and quantity are the exchange's word: no constraint relates them to ours.
"""

from decimal import Decimal

from django.db import models
from django.db.models import Q
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from brokerage.money import PRICE_PLACES, ZERO, plain
from trades.lifecycle import Kind, Outcome, Side, Stage, Status, TimeInForce


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


def _choices(enum: type[Side | Kind | Stage | Outcome | Status]) -> list[tuple[str, str]]:
    return [(member.value, member.value.replace("_", " ").capitalize()) for member in enum]


def _price() -> "models.DecimalField[Decimal | Combinable, Decimal]":
    return models.DecimalField(max_digits=24, decimal_places=PRICE_PLACES)


class Trade(models.Model):
    """What a client wants, and its whole life. FIX: the order; `id` is our OrderID (37) and never changes."""

    id = models.UUIDField("trade id", primary_key=True)
    reference = models.CharField(max_length=8, unique=True, help_text="The speakable form of the trade id.")
    trader = models.ForeignKey("brokerage.Trader", on_delete=models.PROTECT, related_name="trades")
    symbol = models.CharField(max_length=24)
    side = models.CharField(max_length=4, choices=_choices(Side))
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
    price = _price()
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
    status = models.CharField(max_length=16, choices=_choices(Status))
    hold_cash = models.DecimalField(max_digits=20, decimal_places=2, default=ZERO)
    hold_shares = models.BigIntegerField(default=0)
    revision = models.IntegerField(default=0, help_text="The number of entries in the trade's timeline.")

    ask_at = models.DateTimeField(
        null=True, blank=True, help_text="When the exchange is next asked what became of the order, answered or not."
    )
    desk = models.JSONField(
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
            models.Index(fields=["ask_at", "id"], name="trade_to_ask_about", condition=Q(ask_at__isnull=False)),
            models.Index(fields=["id"], name="trade_on_the_desk", condition=Q(desk__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.reference[:4]}-{self.reference[4:]}"


class TradeRequest(models.Model):
    """One instruction about a trade. `id` is the ClOrdID (11) that the exchange sees, the same in every resend."""

    id = models.UUIDField("request id", primary_key=True)
    trade = models.ForeignKey(Trade, on_delete=models.PROTECT, related_name="requests")
    seq = models.IntegerField(help_text="1, 2, … within the trade.")
    kind = models.CharField(max_length=8, choices=_choices(Kind))
    quantity = models.BigIntegerField(help_text="The whole quantity wished, what is filled included.")
    price = _price()
    stage = models.CharField(max_length=16, choices=_choices(Stage), default=Stage.RECEIVED)
    outcome = models.CharField(max_length=16, choices=_choices(Outcome), null=True, blank=True)  # noqa: DJ001
    pending = models.BooleanField(default=False, help_text="The exchange has said that it is working on it.")
    reason = models.JSONField(null=True, blank=True)
    parked = models.JSONField(null=True, blank=True, help_text="Since when and why it waits for a person.")
    message = models.JSONField(null=True, blank=True, help_text="The body for the exchange, frozen when it was booked.")
    channel = models.CharField(max_length=8, choices=Channel)
    placed_by = models.CharField(max_length=150)

    # The scheduler's: when the request's next step is due, the lease number of the batch that has it, failed tries.
    due_at = models.DateTimeField(null=True, blank=True)
    claim = models.IntegerField(default=0)
    tries = models.IntegerField(default=0)
    unsent_claim = models.IntegerField(
        default=0, db_default=0, help_text="Nothing is outside of what leases up to this number may have sent."
    )

    # What was sent and not answered is asked about: when next, and how often that was done.
    ask_at = models.DateTimeField(null=True, blank=True)
    asked = models.IntegerField(default=0, db_default=0)

    reached_at = models.DateTimeField(null=True, blank=True, help_text="When it came to its stage, RECEIVED excepted.")
    sent_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["trade", "seq"], name="request_seq_once"),
            models.CheckConstraint(condition=Q(quantity__gt=0, price__gt=0), name="request_terms_positive"),
            models.CheckConstraint(
                condition=Q(due_at__isnull=True)
                | (~Q(stage="SENT") & Q(outcome__isnull=True) & Q(parked__isnull=True)),
                name="request_due_only_if_unfinished",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at", "id"], name="request_due", condition=Q(due_at__isnull=False)),
            models.Index(
                fields=["sent_at"], name="request_unanswered", condition=Q(stage="SENT") & Q(outcome__isnull=True)
            ),
            models.Index(fields=["ask_at", "id"], name="request_to_ask_about", condition=Q(ask_at__isnull=False)),
            models.Index(fields=["id"], name="request_parked", condition=Q(parked__isnull=False)),
            models.Index(
                fields=["created_at"],
                name="request_unprocessed",
                condition=~Q(stage="SENT") & Q(outcome__isnull=True) & Q(parked__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.seq}"


class RequestKey(models.Model):
    """A client's own name for a call (`client_reference` or `Idempotency-Key`): the same key is the same answer."""

    pk = models.CompositePrimaryKey("trader_id", "key")
    trader = models.ForeignKey("brokerage.Trader", on_delete=models.PROTECT, related_name="+")
    key = models.CharField(max_length=128)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of method, path and JSON body.")
    trade_id = models.UUIDField()
    answer = models.BinaryField(help_text="The answer of acceptance, byte for byte.")
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.key


class ExchangeReport(models.Model):
    """Every execution report that was applied, by its ExecID (17): what makes the second delivery harmless."""

    exec_id = models.CharField(primary_key=True, max_length=128)
    trade_id = models.UUIDField()
    body = models.JSONField()
    received_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.exec_id


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
    side = models.CharField(max_length=4, choices=_choices(Side))
    quantity = models.BigIntegerField()
    price = _price()
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


class WaitingRevision(models.Model):
    """A bust or a correction of an execution that is not known yet: applied when that arrives."""

    exec_id = models.CharField(primary_key=True, max_length=128)
    trade_id = models.UUIDField(db_index=True)
    exec_ref_id = models.CharField(max_length=128, help_text="The ExecID it waits for.")
    message = models.BinaryField(help_text="The report as it came.")
    since = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.exec_id} waits for {self.exec_ref_id}"


class ReportsLost(models.Model):
    """A moment at which reports may have been lost: what was not asked about since is to be asked about now."""

    at = models.DateTimeField(db_default=Now(), db_index=True)

    def __str__(self) -> str:
        return self.at.isoformat()


class TradeEvent(models.Model):
    """One entry of a trade's timeline, `seq` being the revision it brought about. Append-only."""

    pk = models.CompositePrimaryKey("trade_id", "seq")
    trade = models.ForeignKey(Trade, on_delete=models.PROTECT, related_name="events")
    seq = models.IntegerField()
    kind = models.CharField(max_length=32)
    request_id = models.UUIDField(null=True, blank=True)
    status = models.CharField(max_length=16, choices=_choices(Status), help_text="The trade's status after it.")
    data = models.JSONField(default=dict)
    at = models.DateTimeField()

    class Meta:
        ordering = ["seq"]

    def __str__(self) -> str:
        return self.kind
