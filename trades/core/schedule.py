"""Which request of a trade has the next step and when, and when the exchange is to be asked about it.

Pure functions of the facts: they return what is to be written, and `trades.core.repository` writes it. The dispatcher
takes up what is due (`trades.steps.leases`, `trades.reconciliation.due`).
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings

from brokerage.reasons import Code, Reason
from trades.lifecycle import Kind, Outcome, Request, Stage, State, is_open_outside
from trades.models import TradeRequest

TOO_LATE = Reason(Code.TOO_LATE, "The trade was over before this could be done.")


def next_step(requests: Iterable[TradeRequest]) -> TradeRequest | None:
    """Return the request of a trade that has the next step: the first unfinished one; `requests` in order of `seq`.

    Behind one that is parked before it was sent only a CANCEL goes on: an amendment that overtook its order would be
    refused by the exchange. One parked for want of an answer holds nobody up.
    """
    held_up = False
    for row in requests:
        if row.outcome is not None or row.stage == Stage.SENT:
            continue
        if row.parked is not None:
            held_up = True
        elif not held_up or row.kind == Kind.CANCEL:
            return row
    return None


def step_changes(
    requests: Sequence[TradeRequest], *, urgent: Collection[UUID], at: datetime
) -> Iterator[tuple[TradeRequest, dict[str, Any]]]:
    """Yield the columns to write so that the trade's next step, and nothing else of it, is due.

    A request that is due already, or leased to a batch, keeps its time, unless it is urgent. A CANCEL behind a request
    that may be outside, or not, waits until the exchange has said what it knows, but not for ever.
    """
    first = next_step(requests)
    for row in requests:
        if row.due_at is not None and row is not first:
            yield row, {"due_at": None}
    if first is None:
        return
    if first.seq == 1 or not (doubtful := in_doubt(requests[: first.seq - 1])):
        waited = first.due_at is not None and first.lease == 0 and first.due_at > at
        if first.due_at is None or waited or first.pk in urgent:
            yield first, {"due_at": at}
    elif first.due_at is None:
        check_at = max(at, *map(unsent_from, doubtful))
        for row in doubtful:
            yield row, {"check_at": check_at, "checks": 0}
        wait = timedelta(seconds=settings.PIPELINE["CANCEL_WAIT_S"])  # for word of the order before it
        yield first, {"due_at": check_at + wait}


def request_changes(
    row: TradeRequest, before: Request, after: Request, *, reason: Reason | None, at: datetime
) -> dict[str, Any]:
    """Return the columns to write when the facts of a request became `after`; `reason` is why it was refused."""
    changes: dict[str, Any] = {"stage": str(after.stage), "outcome": after.outcome, "pending": after.pending}
    is_sent, was_sent = after.stage is Stage.SENT, before.stage is Stage.SENT
    if is_sent is not was_sent or after.stage is not before.stage:
        changes |= {"attempts": 0, "checks": 0, "reached_at": at, "sent_at": None, "check_at": None}
        if is_sent:
            changes |= {"sent_at": at, "check_at": at + patience()}
        if was_sent:  # the exchange has not got it: nothing is outside of what its leases sent so far
            changes["unsent_lease"] = row.lease
    if after.outcome is not before.outcome:
        refused = after.outcome is Outcome.REJECTED
        changes["reason"] = (reason or TOO_LATE).as_json() if refused else None
    if after.outcome is not None:
        changes["check_at"] = None
    if after.outcome is not None or is_sent or was_sent:
        changes["parked"] = None
    return changes


def in_doubt(requests: Iterable[TradeRequest]) -> list[TradeRequest]:
    """Return the requests that are parked at BOOKED: nobody knows whether they are outside."""
    return [row for row in requests if row.parked is not None and row.outcome is None and row.stage == Stage.BOOKED]


def unsent_from(row: TradeRequest) -> datetime:
    """Return from when on nobody can be sending a parked request: the lease that it was parked under has run out."""
    since = datetime.fromisoformat((row.parked or {})["since"])
    return since + timedelta(seconds=settings.PIPELINE["LEASE_MAX_S"])


# --- Asking the exchange ---------------------------------------------------------------------------------------------


def next_check(
    *, before: State, after: State, planned: datetime | None, has_break: bool, at: datetime
) -> datetime | None:
    """Return when the exchange is next asked about a trade whose facts became `after`; None for never.

    Open trades are asked about from time to time; one that ends, only if more is to be learned soon.
    """
    soon = at + patience()
    if is_open_outside(after):
        return planned or at + timedelta(seconds=settings.PIPELINE["STATUS_CHECK_SWEEP_S"])
    if planned and planned > soon and not has_break and is_open_outside(before):
        return None
    return planned


def sooner(planned: datetime | None, moment: datetime) -> datetime:
    """Return `moment`, or what is planned if that is earlier."""
    return moment if planned is None else min(planned, moment)


def patience() -> timedelta:
    """Return how long the exchange may take to answer before a request counts as unconfirmed, and it is asked."""
    return timedelta(seconds=settings.PIPELINE["UNCONFIRMED_AFTER_S"])


def sweep_interval() -> timedelta:
    """Return how long an open trade goes on before the exchange is asked about it although nothing seems wrong."""
    return timedelta(seconds=settings.PIPELINE["STATUS_CHECK_SWEEP_S"])
