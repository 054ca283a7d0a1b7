"""Which trades the exchange is to be asked about now: `check_at`, the only scheduler of status queries.

On a request that was sent and not answered: after 15 seconds, then after 15, 30, 60 … 300 more. On a trade that is
open: every ten minutes, answered or not, and at once when reports may have been lost. Taking up what is due plans the
next check of it; so a query that is lost on its way is made again, and one that is made twice harms nobody.
"""

from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import Case, F, Func, Value, When
from django.db.models.functions import Greatest

from brokerage.db.clock import DatabaseNow
from brokerage.db.locks import lock_skip_locked
from brokerage.db.transactions import opens_transaction
from trades.core.schedule import patience, sweep_interval
from trades.models import LinkGap, Trade, TradeRequest


def take_due(limit: int) -> list[UUID]:
    """Take up to `limit` trades that the exchange is to be asked about now, unanswered requests first."""
    requests = _take_requests(limit)
    return list(dict.fromkeys([*requests, *_take_trades(limit - len(requests))]))


@opens_transaction
def _take_requests(limit: int) -> list[UUID]:
    due = TradeRequest.objects.filter(check_at__lte=DatabaseNow(), outcome__isnull=True)
    rows = lock_skip_locked(due.order_by("check_at", "id").only("id", "trade_id"), limit)
    TradeRequest.objects.filter(pk__in=[row.pk for row in rows]).update(check_at=DatabaseNow() + _interval())
    return [row.trade_id for row in rows]


@opens_transaction
def _take_trades(limit: int) -> list[UUID]:
    due = Trade.objects.filter(check_at__lte=_due_until()).order_by("check_at", "id")
    rows = lock_skip_locked(due.only("id"), limit)
    Trade.objects.filter(pk__in=[row.pk for row in rows]).update(check_at=DatabaseNow() + sweep_interval())
    return [row.pk for row in rows]


def _due_until() -> Func:
    """Return up to which `check_at` trades are due: now, or all that nobody asked about since reports may be lost."""
    gap = LinkGap.objects.order_by("-at").values_list(F("at") + sweep_interval(), flat=True).first()
    return Greatest(DatabaseNow(), Value(gap)) if gap else DatabaseNow()


def _interval() -> Case:
    """Return how long to wait after a check, by how many there were before it: twice as long each time."""
    longest = timedelta(seconds=settings.PIPELINE["STATUS_CHECK_MAX_INTERVAL_S"])
    waits = [min(patience() * 2**checks, longest) for checks in range(10)]
    steps = (When(checks=checks, then=Value(wait)) for checks, wait in enumerate(waits))
    return Case(*steps, default=Value(longest), output_field=models.DurationField())
