"""One instruction about a trade, and the client's own name for the call that gave it."""

from django.db import models
from django.db.models import Q

from trades.lifecycle import Kind, Outcome, Stage
from trades.models.fields import choices_of, price_field
from trades.models.trade import Channel, Trade


class TradeRequest(models.Model):
    """One instruction about a trade. `id` is the ClOrdID (11) that the exchange sees, the same in every resend."""

    id = models.UUIDField("request id", primary_key=True)
    trade = models.ForeignKey(Trade, on_delete=models.PROTECT, related_name="requests")
    seq = models.IntegerField(help_text="1, 2, … within the trade.")
    kind = models.CharField(max_length=8, choices=choices_of(Kind))
    quantity = models.BigIntegerField(help_text="The whole quantity wished, what is filled included.")
    price = price_field()
    stage = models.CharField(max_length=16, choices=choices_of(Stage), default=Stage.RECEIVED)
    outcome = models.CharField(max_length=16, choices=choices_of(Outcome), null=True, blank=True)  # noqa: DJ001
    pending = models.BooleanField(default=False, help_text="The exchange has said that it is working on it.")
    reason = models.JSONField(null=True, blank=True)
    parked = models.JSONField(null=True, blank=True, help_text="Since when and why it waits for a person.")
    message = models.JSONField(null=True, blank=True, help_text="The body for the exchange, frozen when it was booked.")
    channel = models.CharField(max_length=8, choices=Channel)
    placed_by = models.CharField(max_length=150)

    # The scheduler's: when the request's next step is due, the lease number of the batch that has it, failed tries.
    due_at = models.DateTimeField(null=True, blank=True)
    lease = models.IntegerField(default=0)
    attempts = models.IntegerField(default=0)
    unsent_lease = models.IntegerField(
        default=0, db_default=0, help_text="Nothing is outside of what leases up to this number may have sent."
    )

    # What was sent and not answered is asked about: when next, and how often that was done.
    check_at = models.DateTimeField(null=True, blank=True)
    checks = models.IntegerField(default=0, db_default=0)

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
            models.Index(fields=["check_at", "id"], name="request_check_due", condition=Q(check_at__isnull=False)),
            models.Index(fields=["id"], name="request_parked", condition=Q(parked__isnull=False)),
            models.Index(
                fields=["created_at"],
                name="request_unprocessed",
                condition=~Q(stage="SENT") & Q(outcome__isnull=True) & Q(parked__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.seq}"


class IdempotencyKey(models.Model):
    """A client's own name for a call (`client_reference` or `Idempotency-Key`): the same key is the same answer."""

    pk = models.CompositePrimaryKey("trader_id", "key")
    trader = models.ForeignKey("brokerage.Trader", on_delete=models.PROTECT, related_name="+")
    key = models.CharField(max_length=128)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of method, path and JSON body.")
    trade_id = models.UUIDField()
    response = models.BinaryField(help_text="The response of acceptance, byte for byte.")
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.key
