"""Which requests are due, and which batch has them: `due_at` and `lease`, the only scheduler of the steps.

A claimed request is leased: due again when the lease runs out, whatever became of the batch. First dispatch and
recovery are the same code. Only request rows are touched here, without their trades' locks, and of them only these two
columns; `FOR UPDATE SKIP LOCKED` lets several dispatchers share the work.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Case, Count, F, Value, When

from brokerage.db.clock import DatabaseNow
from brokerage.db.locks import lock_skip_locked
from brokerage.db.transactions import opens_transaction
from trades.lifecycle import Stage
from trades.models import TradeRequest

Lease = tuple[str, int]
"""A request's id and the number of the lease it is handed out under."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Requests that have come equally far, leased together, in order of arrival."""

    stage: Stage
    leases: list[Lease]
    rows: list[TradeRequest] = field(default_factory=list, compare=False)
    """The same requests, with the trades they are about: for those who count and log them."""


def batches_in_flight() -> int:
    """Count the batches that workers still have: each lease's end is one moment of one leasing transaction."""
    leased = TradeRequest.objects.filter(due_at__gt=DatabaseNow(), lease__gt=0)
    in_flight: int = leased.aggregate(n=Count("due_at", distinct=True))["n"]
    return in_flight


@opens_transaction
def lease_due(limit: int) -> list[Batch]:
    """Lease up to `limit` requests that are due and that nobody else is leasing; one batch per stage."""
    config = settings.PIPELINE
    due = TradeRequest.objects.filter(due_at__lte=DatabaseNow()).order_by("due_at", "id").select_related("trade")
    rows = lock_skip_locked(due.only("id", "stage", "lease", "trade__trader_id"), limit)
    if not rows:
        return []
    first, later = timedelta(seconds=config["LEASE_S"]), timedelta(seconds=config["LEASE_MAX_S"])
    TradeRequest.objects.filter(pk__in=[row.pk for row in rows]).update(
        due_at=DatabaseNow() + Case(When(lease=0, then=Value(first)), default=Value(min(first * 2, later))),
        lease=F("lease") + 1,
    )
    by_stage: dict[Stage, list[TradeRequest]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.pk):
        row.lease += 1
        by_stage[Stage(row.stage)].append(row)
    return [Batch(stage, [(str(row.pk), row.lease) for row in rows], rows) for stage, rows in by_stage.items()]


@opens_transaction
def requeue(leases: Sequence[Lease]) -> None:
    """End leases early: what could not be done for want of a server is due again in a moment. Never an attempt."""
    later = timedelta(seconds=settings.PIPELINE["REQUEUE_DELAY_S"])
    numbers = {UUID(request_id): number for request_id, number in leases}
    leased = TradeRequest.objects.filter(pk__in=numbers, due_at__isnull=False).order_by("id")
    rows = lock_skip_locked(leased, len(numbers))
    mine = [row.pk for row in rows if row.lease == numbers[row.pk]]
    TradeRequest.objects.filter(pk__in=mine).update(due_at=DatabaseNow() + later)
