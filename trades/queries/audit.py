"""The auditor: do trades, wallets and holdings tell one story? One read-only snapshot of what is compared.

A *full* audit compares everything with everything: after every database test, by `manage.py audit_books`, and once a
day on a schedule. In between, an *incremental* one looks every few minutes at what changed since the last audit:

- trades with a new entry in their timeline or in a journal, and all that wait for a step: every invariant of a trade
- wallets and holdings with a new entry in their journal: each entry follows the one before it, and the last one is
  what stands in the wallet

What leaves neither an entry in the timeline nor one in a journal (a row changed by hand, an execution that nothing was
booked for and no entry tells of) and what can only be seen over the whole history (the trial balance, I5) is for the
next full audit.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from heapq import merge
from itertools import groupby, islice
from uuid import UUID

import structlog
from django.conf import settings
from django.db import connection, transaction

from brokerage.auditing import Discrepancy
from brokerage.db import clock
from brokerage.db.locks import AdvisoryLock, try_advisory_lock
from brokerage.db.transactions import opens_transaction
from brokerage.observability import metrics
from holdings import audit as holdings_audit
from holdings import selectors as holdings
from trades.models import AuditRun, Trade, TradeEvent, TradeRequest
from trades.queries.invariants import check_trades
from wallets import audit as wallets_audit
from wallets import selectors as wallets

log = structlog.get_logger(__name__)

CHUNK = 2_000
"""Trades that are compared at once."""

KEPT = timedelta(days=30)
"""How long runs are kept; by then the next full audit is long overdue."""


def discrepancies(since: datetime | None = None) -> Iterator[Discrepancy]:
    """Yield what does not agree within the caller's snapshot: of everything, or of what changed since a time."""
    if since is None:
        yield from wallets_audit.audit()
        yield from holdings_audit.audit()
        ids = _all_trades()
    else:
        yield from wallets_audit.audit_since(since)
        yield from holdings_audit.audit_since(since)
        ids = _trades_changed(since)
    while chunk := list(islice(ids, CHUNK)):
        yield from check_trades(chunk)


def audit_everything(report: Callable[[Discrepancy], object]) -> AuditRun:
    """Audit all there is, whoever else does so, call `report` with each discrepancy, and return the recorded run."""
    with _snapshot() as started_at:
        run = _audit(started_at, None, report)
    _record(run)
    return run


def audit_on_schedule() -> AuditRun | None:
    """Audit what changed, or everything when that is due; log each discrepancy and set the metrics.

    Returns the recorded run; None, at once, while another scheduled audit is running.
    """
    with _snapshot() as started_at:
        if not try_advisory_lock(AdvisoryLock.AUDIT):
            log.info("audit_skipped")
            return None
        run = _audit(started_at, _begin(started_at), _log)
    # Somebody may start another one here and not see this run yet: it begins at the older mark, and finds the same.
    _record(run)
    _set_metrics()
    log.info("audit_done", scope=run.scope, discrepancies=run.discrepancies, seconds=run.duration.total_seconds())
    return run


@contextmanager
def _snapshot() -> Iterator[datetime]:
    """Read as of one moment, for as long as it takes; the value is a time just before it, by the database's clock."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        yield clock.now()


def _begin(now: datetime) -> datetime | None:
    """Return from when on changes are to be audited; None if everything is to be."""
    full = AuditRun.latest(AuditRun.Scope.FULL)
    if full is None or now - full.started_at >= timedelta(seconds=settings.AUDIT_FULL_INTERVAL_S):
        return None
    return AuditRun.high_water_mark()


def _audit(started_at: datetime, since: datetime | None, report: Callable[[Discrepancy], object]) -> AuditRun:
    begun = time.monotonic()
    count = 0
    for count, discrepancy in enumerate(discrepancies(since), start=1):  # noqa: B007  (the last one is the count)
        report(discrepancy)
    # A transaction writes its time before it commits. One that is under way now will show entries older than this
    # snapshot to the next audit, which therefore begins as much earlier as a transaction may last.
    mark_at = started_at - timedelta(seconds=settings.AUDIT_OVERLAP_S)
    return AuditRun(
        scope=AuditRun.Scope.FULL if since is None else AuditRun.Scope.INCREMENTAL,
        started_at=started_at,
        finished_at=started_at + timedelta(seconds=time.monotonic() - begun),
        # What is wrong is found again until it is mended: until then the next audit begins where this one did.
        mark_at=since if since and count else mark_at,
        discrepancies=count,
    )


def _all_trades() -> Iterator[UUID]:
    """Yield the id of each trade, and of what the journals take for one, in order and once."""
    ids = Trade.objects.order_by("pk").values_list("pk", flat=True).iterator(chunk_size=CHUNK)
    return _merged(ids, wallets.trades_in_journal(), holdings.trades_in_journal())


def _trades_changed(since: datetime) -> Iterator[UUID]:
    """Yield the id of each trade that changed at `since` or later, or that waits for a step, in order and once."""
    noted = TradeEvent.objects.filter(at__gte=since)
    unfinished = TradeRequest.objects.exclude(stage="SENT").filter(outcome__isnull=True, parked__isnull=True)
    sources = [
        rows.order_by("trade_id").values_list("trade_id", flat=True).distinct().iterator(chunk_size=CHUNK)
        for rows in (noted, unfinished)
    ]
    return _merged(*sources, wallets.trades_in_journal(since=since), holdings.trades_in_journal(since=since))


def _merged(*sources: Iterator[UUID]) -> Iterator[UUID]:
    """Each source is read through a cursor of the server, in its order: none is ever in memory as a whole."""
    return (trade_id for trade_id, _ in groupby(merge(*sources)))


def _log(discrepancy: Discrepancy) -> None:
    log.error("audit_discrepancy", code=discrepancy.code, subject=discrepancy.subject, detail=str(discrepancy))


@opens_transaction
def _record(run: AuditRun) -> None:
    run.pk = None  # it has one if the transaction before this one failed after the insert
    run.save(force_insert=True)
    AuditRun.objects.filter(started_at__lt=run.started_at - KEPT).delete()


def _set_metrics() -> None:
    """Set the gauges of both scopes from what was recorded: a process just started knows of no earlier audit."""
    for scope in AuditRun.Scope:
        if run := AuditRun.latest(scope):
            label = scope.lower()
            metrics.audit_discrepancies.labels(label).set(run.discrepancies)
            metrics.audit_finished.labels(label).set(run.finished_at.timestamp())
            metrics.audit_duration.labels(label).set(run.duration.total_seconds())
