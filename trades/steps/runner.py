"""Running a step on a batch so that one bad request harms no other, and no request is tried for ever.

A try counts only when a step began the request and failed or died on it. Locks, restarts and servers that are away
are never tries: the batch gives its leases back and is dispatched again.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from structlog.contextvars import bound_contextvars

from brokerage.db.transactions import is_transient, retrying
from brokerage.reasons import Code, Reason
from exchange.amqp import LinkDown
from trades.core import repository
from trades.core.instrumentation import ids
from trades.core.locked_trade import Docket
from trades.lifecycle import Stage
from trades.models import TradeRequest
from trades.steps import leases
from trades.steps.leases import Claim

log = structlog.get_logger(__name__)


class Step(Protocol):
    __name__: str

    def __call__(self, claims: Sequence[Claim], *, now: datetime) -> None: ...


def attempt(step: Step, claims: Sequence[Claim], *, redelivered: bool, stage: Stage | None = None) -> None:
    """Run `step` on `claims`; what it cannot do is given back or, when it failed alone too often, parked.

    A batch that failed, or that is redelivered and may have killed its worker: each request then runs alone, its try
    counted before it begins, so that the one to blame is found however the process dies. What is not at `stage`, where
    the step begins, it cannot have died on.
    """
    with bound_contextvars(step=step.__name__):
        if redelivered:
            _run_each(step, claims, stage)
        else:
            _run(step, claims, stage, counted=False)


def _run_each(step: Step, claims: Sequence[Claim], stage: Stage | None) -> None:
    for claim in claims:
        if _begin(claim, stage):
            _run(step, [claim], stage, counted=True)


def _run(step: Step, claims: Sequence[Claim], stage: Stage | None, *, counted: bool) -> None:
    try:
        step(claims, now=timezone.now())
    except Exception as error:
        if is_transient(error) or isinstance(error, LinkDown):
            log.warning("step_requeued", requests=len(claims), error=str(error).strip())
            if counted:
                _change_tries(claims[0], -1)
            leases.give_back(claims)
        elif len(claims) > 1:
            _run_each(step, claims, stage)
        else:
            log.exception("step_failed", **_ids(claims[0]))
            if not counted:
                _change_tries(claims[0], +1)
            _give_up_or_back(claims[0], error)


def _ids(claim: Claim) -> dict[str, Any]:
    """Whose request it is, for the log."""
    row = TradeRequest.objects.select_related("trade").get(pk=claim[0])
    return ids(row.trade, row)


def _begin(claim: Claim, stage: Stage | None) -> bool:
    """Count the try before it begins. False when there is nothing to do, or too many tries: then it is parked."""
    return _with_row(claim, _count_or_park, stage=stage)


def _count_or_park(docket: Docket, row: TradeRequest) -> bool:
    if row.attempts >= settings.PIPELINE["MAX_ATTEMPTS"]:
        _park(docket, row, "the worker died on it")
        return False
    row.attempts += 1
    row.unsent_lease -= 1  # what was begun under this lease before may be outside, as if under one more
    docket.touch(row)
    return True


def _change_tries(claim: Claim, change: int) -> None:
    def count(docket: Docket, row: TradeRequest) -> bool:
        row.attempts = max(0, row.attempts + change)
        docket.touch(row)
        return True

    _with_row(claim, count)


def _give_up_or_back(claim: Claim, error: Exception) -> None:
    def park_if_spent(docket: Docket, row: TradeRequest) -> bool:
        if row.attempts < settings.PIPELINE["MAX_ATTEMPTS"]:
            return False
        _park(docket, row, type(error).__name__)
        return True

    if not _with_row(claim, park_if_spent):
        leases.give_back([claim])


def _park(docket: Docket, row: TradeRequest, cause: str) -> None:
    """Clients read the reason: an error's own words, which may be SQL and rows, stand in the log alone."""
    reason = Reason(Code.STEP_FAILED, f"After {row.stage} the next step failed {row.attempts} times: {cause}")
    docket.park(row, reason, at=timezone.now())


@retrying
def _with_row(claim: Claim, change: Callable[[Docket, TradeRequest], bool], *, stage: Stage | None = None) -> bool:
    """Change one request that is still ours under its trade's lock. False when it is not ours any more."""
    with transaction.atomic(durable=True):
        found = repository.open_claimed([claim], stage=stage)
        if not found:
            return False
        [(docket, row)] = found
        done = change(docket, row)
        repository.write([docket], at=timezone.now())
        return done
