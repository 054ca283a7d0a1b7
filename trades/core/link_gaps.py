"""When reports may have been lost: everything that may be outside is to be asked about.

Noted by whoever finds a queue of the exchange link missing or its connection lost; `trades.reconciliation.due` takes up
what is due.
"""

import time
from collections.abc import Mapping
from datetime import timedelta

from django.db.models import Q, QuerySet

from brokerage.db.clock import DatabaseNow
from brokerage.db.locks import lock_rows
from brokerage.db.transactions import opens_transaction
from trades.core.schedule import patience, sweep_interval
from trades.lifecycle import Stage
from trades.models import LinkGap, Trade, TradeRequest
from trades.models.fields import first_id

CHUNK = 1_000
CLOCK_TOLERANCE = timedelta(hours=2)
"""By how much the clock of the host that made a trade's id may have been wrong."""


def unanswered() -> QuerySet[TradeRequest]:
    """Return the requests that were sent and have no answer."""
    return TradeRequest.objects.filter(stage=Stage.SENT, outcome__isnull=True)


def check_everything() -> None:
    """Have the exchange asked about everything now, and the intervals begin anew: reports may have been lost.

    That is each request without an answer, each open trade, and each trade so young that it may have ended in between.
    Of the open trades, which may be a million, not one is written: the gap itself makes them due.
    """
    LinkGap.objects.create(at=DatabaseNow())
    later = Q(check_at__gt=DatabaseNow()) | Q(check_at__isnull=True) | Q(checks__gt=0)  # run again, it goes on
    _plan(unanswered().filter(later), check_at=DatabaseNow(), checks=0)
    young = first_id(time.time() - (sweep_interval() + CLOCK_TOLERANCE).total_seconds())
    ended = Trade.objects.filter(id__gte=young, acked=True, check_at__isnull=True)
    _plan(ended.filter(updated_at__gte=DatabaseNow() - sweep_interval()), check_at=DatabaseNow())


def plan_missing_checks() -> None:
    """Plan the checks of what an earlier version of this software left without any."""
    _plan(unanswered().filter(check_at__isnull=True), check_at=DatabaseNow() + patience())
    holding = Q(hold_cash__gt=0) | Q(hold_shares__gt=0)
    _plan(Trade.objects.filter(holding, check_at__isnull=True), check_at=DatabaseNow() + patience())


def _plan(rows: QuerySet[TradeRequest] | QuerySet[Trade], **changes: object) -> None:
    """Write `changes` to these rows: in chunks, each locked in the order of its keys, so that nobody waits for long."""
    keys = list(rows.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(keys), CHUNK):
        _plan_chunk(rows.filter(pk__in=keys[start : start + CHUNK]), changes)


@opens_transaction
def _plan_chunk(rows: QuerySet[TradeRequest] | QuerySet[Trade], changes: Mapping[str, object]) -> None:
    locked = [row.pk for row in lock_rows(rows.only("pk"))]
    rows.model.objects.filter(pk__in=locked).update(**changes)
