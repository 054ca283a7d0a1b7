"""Running a step on a batch so that one bad request harms no other, and no request is attempted for ever.

An attempt counts only when a step began the request and failed or died on it. Locks, restarts and servers that are
away are never attempts: the batch gives its leases back and is dispatched again. A batch that comes back again and
again is halved, so that what slows it down is found: a request on which the step alone times out, attempt by attempt,
is parked.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

import structlog
from django.conf import settings
from structlog.contextvars import bound_contextvars

from brokerage.db import clock
from brokerage.db.transactions import drop_bad_connection, is_outage, is_timeout, is_transient, opens_transaction
from brokerage.reasons import Code, Reason
from exchange.amqp import LinkDown
from trades.core import repository
from trades.core.instrumentation import ids
from trades.core.locked_trade import LockedTrade
from trades.core.parking import park
from trades.lifecycle import Stage
from trades.models import TradeRequest
from trades.steps import leases
from trades.steps.leases import Lease

log = structlog.get_logger(__name__)

HALVED_FROM = 4
"""The lease under which a batch that fails for a transient reason is halved: the three before it came to nothing.

Not while a server is away: each half would wait for it anew.
"""


class Step(Protocol):
    """One of validate, book, send."""

    def __call__(self, leases: Sequence[Lease], *, now: datetime) -> None: ...


def run_step(step: Step, leased: Sequence[Lease], *, redelivered: bool, stage: Stage | None = None) -> None:
    """Run `step` on a batch; what it cannot do is requeued or, when it failed alone too often, parked.

    A batch that failed, or that is redelivered and may have killed its worker: each request then runs alone, its
    attempt counted before it begins, so that the one to blame is found however the process dies. What is not at
    `stage`, where the step begins, it cannot have died on.
    """
    with bound_contextvars(step=getattr(step, "__name__", "")):
        if redelivered:
            _run_each(step, leased, stage)
        else:
            _run(step, leased, stage, counted=False)


def _run_each(step: Step, leased: Sequence[Lease], stage: Stage | None) -> None:
    for lease in leased:
        if _begin(lease, stage):
            _run(step, [lease], stage, counted=True)


def _run(step: Step, leased: Sequence[Lease], stage: Stage | None, *, counted: bool) -> None:
    try:
        step(leased, now=clock.now())
    except Exception as error:
        drop_bad_connection(error)  # what follows is written over one that works
        alone, transient = len(leased) == 1, is_transient(error) or isinstance(error, LinkDown)
        if alone and (not transient or is_timeout(error)):
            log.exception("step_failed", **_ids(leased[0]))
            if not counted:
                _change_attempts(leased[0], +1)
            _park_or_requeue(leased[0], error)
        elif not transient:
            _run_each(step, leased, stage)
        elif not alone and not is_outage(error) and max(number for _, number in leased) >= HALVED_FROM:
            middle = len(leased) // 2
            _run(step, leased[:middle], stage, counted=False)
            _run(step, leased[middle:], stage, counted=False)
        else:
            log.warning("step_requeued", requests=len(leased), error=str(error).strip())
            if counted:
                _change_attempts(leased[0], -1)
            leases.requeue(leased)


def _ids(lease: Lease) -> dict[str, Any]:
    """Return whose request it is, for the log."""
    row = TradeRequest.objects.select_related("trade").get(pk=lease[0])
    return ids(row.trade, row)


def _begin(lease: Lease, stage: Stage | None) -> bool:
    """Count the attempt before it begins. False when there is nothing to do, or it was the last: then it is parked."""

    def count_or_park(trade: LockedTrade, row: TradeRequest, now: datetime) -> bool:
        if row.attempts >= settings.PIPELINE["MAX_ATTEMPTS"]:
            park(trade, row, _step_failed(row, "the worker died on it"), at=now)
            return False
        row.attempts += 1
        row.unsent_lease -= 1  # what was begun under this lease before may be outside, as if under one more
        return True

    return _with_row(lease, count_or_park, stage=stage)


def _change_attempts(lease: Lease, change: int) -> None:
    def count(trade: LockedTrade, row: TradeRequest, now: datetime) -> bool:
        row.attempts = max(0, row.attempts + change)
        return True

    _with_row(lease, count)


def _park_or_requeue(lease: Lease, error: Exception) -> None:
    def park_if_spent(trade: LockedTrade, row: TradeRequest, now: datetime) -> bool:
        if row.attempts < settings.PIPELINE["MAX_ATTEMPTS"]:
            return False
        park(trade, row, _step_failed(row, type(error).__name__), at=now)
        return True

    if not _with_row(lease, park_if_spent):
        leases.requeue([lease])


def _step_failed(row: TradeRequest, cause: str) -> Reason:
    """Clients read the reason: an error's own words, which may be SQL and rows, stand in the log alone."""
    return Reason(Code.STEP_FAILED, f"After {row.stage} the next step failed {row.attempts} times: {cause}")


@opens_transaction
def _with_row(
    lease: Lease, change: Callable[[LockedTrade, TradeRequest, datetime], bool], *, stage: Stage | None = None
) -> bool:
    """Change one request that is still ours under its trade's lock. False when it is not ours any more."""
    found = repository.lock_leased([lease], stage=stage)
    if not found:
        return False
    [(trade, row)] = found
    now = clock.now()
    done = change(trade, row, now)
    repository.save([trade], at=now)
    return done
