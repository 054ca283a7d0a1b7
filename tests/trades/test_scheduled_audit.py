"""The scheduled audit: one at a time, of what changed since the last one, and now and then of everything."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from brokerage.models import Instrument, Trader
from tests.trades import steps
from trades.models import AuditRun, Trade
from trades.queries import audit
from trades.queries.audit import audit_everything, audit_on_schedule

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.breaks_the_books]

FULL, INCREMENTAL = AuditRun.Scope.FULL, AuditRun.Scope.INCREMENTAL


@pytest.fixture(autouse=True)
def _no_overlap(settings: Any) -> None:
    settings.AUDIT_OVERLAP_S = 0


@contextmanager
def somebody_else() -> Iterator[Any]:
    """A transaction of another process, committed at the end of the block."""
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            yield cursor
            cursor.execute("COMMIT")
    finally:
        other.close()


def run() -> tuple[str, int]:
    """Audit once, and return of what and how much was found."""
    done = audit_on_schedule()
    assert done
    return done.scope, done.discrepancies


def gauge(name: str, scope: str) -> float | None:
    return REGISTRY.get_sample_value(f"brokerage_audit_{name}", {"scope": scope})


class TestWhatIsAudited:
    def test_is_everything_first_and_then_what_changed(self, alice: Trader, share: Instrument) -> None:
        old = steps.place(alice)
        steps.run_to_sent()
        assert run() == (FULL, 0)
        Trade.objects.filter(pk=old).update(status="NEW")
        assert run() == (INCREMENTAL, 0), "nobody changed the trade but behind everybody's back"
        new = steps.place(alice)
        Trade.objects.filter(pk=new).update(status="NEW")
        assert run() == (INCREMENTAL, 1)

    def test_is_everything_again_after_a_day(self, alice: Trader, share: Instrument) -> None:
        steps.place(alice)
        steps.run_to_sent()
        assert run() == (FULL, 0)
        Trade.objects.update(status="NEW")
        long_ago = timezone.now() - timedelta(hours=23, minutes=59)
        AuditRun.objects.update(started_at=long_ago)
        assert run() == (INCREMENTAL, 0)
        AuditRun.objects.filter(scope=FULL).update(started_at=long_ago - timedelta(minutes=1))
        assert run() == (FULL, 1)

    def test_is_what_was_committed_after_the_last_snapshot_with_an_older_time(
        self, alice: Trader, share: Instrument, settings: Any
    ) -> None:
        settings.AUDIT_OVERLAP_S = 60
        pk = steps.place(alice)
        steps.run_to_sent()
        AuditRun.objects.create(
            scope=FULL,
            started_at=timezone.now(),
            finished_at=timezone.now(),
            mark_at=timezone.now(),
            discrepancies=0,
        )
        with somebody_else() as cursor:
            cursor.execute("UPDATE trades_trade SET revision = revision + 1, status = 'NEW' WHERE id = %s", [pk])
            cursor.execute(
                "INSERT INTO trades_tradeevent (trade_id, seq, kind, status, data, at)"
                " SELECT id, revision, 'NOTE', status, '{}', now() FROM trades_trade WHERE id = %s",
                [pk],
            )
            time.sleep(0.01)
            assert run() == (INCREMENTAL, 0)
        assert run() == (INCREMENTAL, 1)

    def test_is_what_is_wrong_until_it_is_mended(self, alice: Trader, share: Instrument) -> None:
        steps.place(alice)
        steps.run_to_sent()
        AuditRun.objects.create(
            scope=FULL,
            started_at=timezone.now(),
            finished_at=timezone.now(),
            mark_at=timezone.now() - timedelta(hours=1),
            discrepancies=0,
        )
        Trade.objects.update(status="NEW")
        assert [run() for _ in range(3)] == [(INCREMENTAL, 1)] * 3
        Trade.objects.update(status="PENDING_NEW")
        assert run() == (INCREMENTAL, 0)
        Trade.objects.update(status="NEW")
        assert run() == (INCREMENTAL, 0), "the mark has moved on"


class TestOneAtATime:
    def test_a_second_one_ends_at_once(self, alice: Trader, share: Instrument, monkeypatch: pytest.MonkeyPatch) -> None:
        steps.place(alice)
        begun, go_on = threading.Event(), threading.Event()

        def hold(ids: object) -> tuple[()]:
            begun.set()
            assert go_on.wait(30)
            return ()

        monkeypatch.setattr(audit, "check_trades", hold)
        runs: list[AuditRun | None] = []

        def first() -> None:
            try:
                runs.append(audit_on_schedule())
            finally:
                connection.close()

        thread = threading.Thread(target=first)
        thread.start()
        try:
            assert begun.wait(30)
            with capture_logs() as lines:
                assert audit_on_schedule() is None
            assert [line["event"] for line in lines] == ["audit_skipped"]
            assert not AuditRun.objects.exists()
        finally:
            go_on.set()
            thread.join()
        assert [each.scope for each in runs if each] == [FULL]
        assert run() == (INCREMENTAL, 0), "the lock is free again"

    def test_one_by_hand_waits_for_nobody(self, alice: Trader) -> None:
        with somebody_else() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(1)")
            assert audit_on_schedule() is None
            assert audit_everything(print).scope == FULL


class TestWhatItLeaves:
    def test_is_its_finding_its_time_and_its_length(self, alice: Trader, share: Instrument) -> None:
        before = timezone.now().timestamp()
        steps.place(alice)
        assert run() == (FULL, 0)
        assert gauge("discrepancies", "full") == 0
        Trade.objects.update(status="NEW")
        assert run() == (INCREMENTAL, 1)
        assert (gauge("discrepancies", "full"), gauge("discrepancies", "incremental")) == (0, 1)
        for scope in ("full", "incremental"):
            assert gauge("finished_timestamp_seconds", scope) >= before
            assert 0 < gauge("duration_seconds", scope) < 60

    def test_tells_after_a_restart_of_the_full_audit_before_it(self, alice: Trader) -> None:
        long_ago = timezone.now() - timedelta(hours=3)
        AuditRun.objects.create(
            scope=FULL,
            started_at=long_ago,
            finished_at=long_ago + timedelta(minutes=7),
            mark_at=long_ago,
            discrepancies=3,
        )
        assert run() == (INCREMENTAL, 0)
        assert gauge("discrepancies", "full") == 3
        assert gauge("duration_seconds", "full") == 7 * 60

    def test_counts_one_by_hand_as_a_full_one(self, alice: Trader, share: Instrument) -> None:
        steps.place(alice)
        Trade.objects.update(status="NEW")
        assert run() == (FULL, 1)
        Trade.objects.update(status="RECEIVED")
        assert audit_everything(print).discrepancies == 0
        assert run() == (INCREMENTAL, 0)
        assert gauge("discrepancies", "full") == 0

    def test_does_not_grow_for_ever(self, alice: Trader) -> None:
        assert run() == (FULL, 0)
        AuditRun.objects.update(started_at=timezone.now() - timedelta(days=31))
        assert run() == (FULL, 0)
        assert AuditRun.objects.count() == 1

    def test_is_a_line_for_each_discrepancy(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice)
        Trade.objects.update(status="NEW")
        with capture_logs() as lines:
            run()
        [wrong, done] = lines
        assert (wrong["event"], wrong["log_level"], wrong["code"]) == ("audit_discrepancy", "error", "I9_STATUS")
        assert wrong["subject"] == f"trade {pk}"
        assert (done["event"], done["scope"], done["discrepancies"]) == ("audit_done", FULL, 1)
