"""When the exchange is asked what became of an order: `check_at`, the only scheduler of askings.

On a request that was sent and not answered: after 15 seconds, then after 15, 30, 60 … 300 more. On a trade that is
open: every ten minutes, answered or not, and at once when reports may have been lost. Taking up what is due plans the
next asking of it; so an asking that is lost on its way is made again, and one that is made twice harms nobody.
"""

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import models, transaction
from django.db.models import Case, F, Func, Q, QuerySet, Value, When
from django.db.models.functions import Greatest, Now
from uuid_utils.compat import uuid7

from brokerage.db.locks import lock_rows, lock_skip_locked
from brokerage.db.transactions import retrying
from trades.core.schedule import patience, sweep
from trades.lifecycle import Stage
from trades.models import LinkGap, Trade, TradeRequest
from trades.queries.selectors import smallest_id_at

CHUNK = 1_000
ROOM = 128
"""Characters of an OrdStatusReqID, as of any id on the link."""


@dataclass(frozen=True, slots=True)
class Asking:
    """One asking, as its OrdStatusReqID (790) carries it to the exchange and back: so nothing of it is stored.

    The answer may be that a request never arrived. It may be so old that the request was sent meanwhile. So the id
    says about which requests the answer means anything, those which nobody was sending when it was asked, each with
    the number of its last lease: whoever sends a request takes another lease first.
    """

    id: UUID
    leases: Mapping[int, int]
    """The lease by the number of the request within its trade."""

    @classmethod
    def about(cls, rows: Iterable[TradeRequest]) -> "Asking":
        """A fresh asking that covers these requests, which nobody is sending; the next one has room for more."""
        asking = cls(uuid7(), {})
        for row in rows:
            longer = cls(asking.id, {**asking.leases, row.seq: row.lease})
            if len(str(longer)) > ROOM:
                break
            asking = longer
        return asking

    @classmethod
    def read(cls, text: str | None) -> "Asking | None":
        """Read an OrdStatusReqID that came back; None if it is none of ours."""
        found = _SHAPE.fullmatch(text or "")
        if not found:
            return None
        pairs = (pair.split(".") for pair in found["leases"].split("-") if pair)
        return cls(UUID(found["id"]), {int(seq): int(lease) for seq, lease in pairs})

    def __str__(self) -> str:
        return "-".join((self.id.hex, *(f"{seq}.{lease}" for seq, lease in self.leases.items())))

    def covers(self, row: TradeRequest) -> bool:
        """Whether nothing was sent for the request since this was asked."""
        return self.leases.get(row.seq) == row.lease


_SHAPE = re.compile(r"(?P<id>[0-9a-f]{32})(?P<leases>(-[0-9]{1,9}\.[0-9]{1,9})*)", re.ASCII)


# --- What is due -----------------------------------------------------------------------------------------------------


def unanswered() -> QuerySet[TradeRequest]:
    """Requests that were sent and have no answer."""
    return TradeRequest.objects.filter(stage=Stage.SENT, outcome__isnull=True)


def take_due(limit: int) -> list[UUID]:
    """Take up to `limit` trades that the exchange is to be asked about now, unanswered requests first."""
    requests = _take_requests(limit)
    return list(dict.fromkeys([*requests, *_take_trades(limit - len(requests))]))


@retrying
def _take_requests(limit: int) -> list[UUID]:
    with transaction.atomic(durable=True):
        due = TradeRequest.objects.filter(check_at__lte=Now(), outcome__isnull=True).order_by("check_at", "id")
        rows = lock_skip_locked(due.only("id", "trade_id"), limit)
        TradeRequest.objects.filter(pk__in=[row.pk for row in rows]).update(check_at=Now() + _interval())
    return [row.trade_id for row in rows]


@retrying
def _take_trades(limit: int) -> list[UUID]:
    with transaction.atomic(durable=True):
        rows = lock_skip_locked(
            Trade.objects.filter(check_at__lte=_due_until()).order_by("check_at", "id").only("id"), limit
        )
        Trade.objects.filter(pk__in=[row.pk for row in rows]).update(check_at=Now() + sweep())
    return [row.pk for row in rows]


def _due_until() -> Func:
    """Up to which `check_at` trades are due: now, or all of those that nobody asked about since reports may be lost."""
    lost = LinkGap.objects.order_by("-at").values_list(F("at") + sweep(), flat=True).first()
    return Greatest(Now(), Value(lost)) if lost else Now()


def _interval() -> Case:
    """How long to wait after an asking, by how many there were before it: twice as long each time."""
    longest = timedelta(seconds=settings.PIPELINE["STATUS_CHECK_MAX_INTERVAL_S"])
    waits = [min(patience() * 2**asked, longest) for asked in range(10)]
    steps = (When(checks=asked, then=Value(wait)) for asked, wait in enumerate(waits))
    return Case(*steps, default=Value(longest), output_field=models.DurationField())


# --- When reports may have been lost ---------------------------------------------------------------------------------


def ask_about_all() -> None:
    """Have the exchange asked about everything now, and the intervals begin anew: reports may have been lost.

    That is each request without an answer, each open trade, and each trade so young that it may have ended in between.
    Of the open trades, which may be a million, not one is written: see `_due_until`.
    """
    LinkGap.objects.create()
    later = Q(check_at__gt=Now()) | Q(check_at__isnull=True) | Q(checks__gt=0)  # begun again, it goes on where it was
    _plan(unanswered().filter(later), check_at=Now(), checks=0)
    young = smallest_id_at(time.time() - sweep().total_seconds())
    _plan(Trade.objects.filter(id__gte=young, acked=True, check_at__isnull=True), check_at=Now())


def plan_forgotten() -> None:
    """Plan the askings of what an earlier version of this software left without any."""
    _plan(unanswered().filter(check_at__isnull=True), check_at=Now() + patience())
    holding = Q(hold_cash__gt=0) | Q(hold_shares__gt=0)
    _plan(Trade.objects.filter(holding, check_at__isnull=True), check_at=Now() + patience())


def _plan(rows: QuerySet[TradeRequest] | QuerySet[Trade], **changes: object) -> None:
    """Write `changes` to these rows: in chunks, each locked in the order of its keys, so that nobody waits for long."""
    for keys in _chunks(list(rows.order_by("pk").values_list("pk", flat=True))):
        _plan_chunk(rows.filter(pk__in=keys), changes)


@retrying
def _plan_chunk(rows: QuerySet[TradeRequest] | QuerySet[Trade], changes: Mapping[str, object]) -> None:
    with transaction.atomic(durable=True):
        locked = [row.pk for row in lock_rows(rows.only("pk"))]
        rows.model.objects.filter(pk__in=locked).update(**changes)


def _chunks(keys: list[UUID]) -> Iterator[list[UUID]]:
    return (keys[start : start + CHUNK] for start in range(0, len(keys), CHUNK))
