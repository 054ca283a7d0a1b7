"""One trade cannot hold up the others, however many instructions it is given."""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from threading import Event, Thread
from uuid import UUID

import psycopg
import pytest
from django.db import OperationalError, connection, transaction

from brokerage.db import clock
from brokerage.db.locks import lock_many
from brokerage.models import Instrument, Trader
from tests.trades import steps
from trades.intake import change
from trades.intake.accept import new_id
from trades.intake.change import MAX_OPEN, MAX_REQUESTS, ConflictError, TradeBusyError
from trades.lifecycle import Stage
from trades.models import Trade, TradeEvent, TradeRequest
from trades.steps.leases import Lease, lease_due
from trades.steps.runner import HALVED_FROM

pytestmark = pytest.mark.django_db


def outcomes(trade_id: UUID) -> list[str | None]:
    return list(TradeRequest.objects.filter(trade=trade_id).order_by("seq").values_list("outcome", flat=True))


class TestAmendmentsThatWereNotBooked:
    def test_only_the_newest_goes_on(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice)
        steps.run_to_sent()
        for quantity in (11, 12, 13):
            steps.amend(pk, quantity=quantity)
        assert outcomes(pk) == [None, "CANCELED", "CANCELED", None]
        steps.run_to_sent()
        assert TradeRequest.objects.get(trade=pk, seq=4).stage == "SENT"

    def test_what_is_left_out_keeps_what_a_dropped_one_asked_for(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice, quantity=10, price="100.00")
        steps.run_to_sent()
        steps.amend(pk, quantity=12)
        steps.amend(pk, price=Decimal("99.00"))
        newest = TradeRequest.objects.get(trade=pk, seq=3)
        assert (newest.quantity, newest.price) == (12, Decimal("99.00"))

    def test_a_cancellation_ends_them_and_goes_next(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice)
        steps.run_to_sent()
        steps.tell(steps.report(pk, "0"))
        steps.amend(pk, quantity=12)
        steps.cancel(pk)
        assert outcomes(pk) == ["ACCEPTED", "CANCELED", None]
        [(request_id, _)] = steps.lease_all(Stage.RECEIVED)
        assert TradeRequest.objects.get(pk=request_id).kind == "CANCEL"

    def test_one_that_was_booked_is_not_dropped(self, alice: Trader, share: Instrument) -> None:
        """It may be outside: only the exchange says what becomes of it."""
        pk = steps.place(alice)
        steps.run_to_sent()
        steps.amend(pk, quantity=12)
        steps.run_to_booked()
        steps.amend(pk, quantity=13)
        assert outcomes(pk) == [None, None, None]

    def test_the_timeline_says_what_became_of_them(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice)
        steps.run_to_sent()
        steps.amend(pk, quantity=12)
        steps.amend(pk, quantity=13)
        kinds = list(TradeEvent.objects.filter(trade=pk).order_by("seq").values_list("kind", flat=True))
        assert kinds[-2:] == ["AMEND_DROPPED", "AMEND_RECEIVED"]


class TestTooManyChanges:
    def test_refuses_the_twenty_first_on_its_way_but_takes_a_cancellation(
        self, alice: Trader, share: Instrument
    ) -> None:
        pk = steps.place(alice)
        steps.run_to_sent()
        for number in range(1, MAX_OPEN):  # the order itself waits for its answer, too
            steps.amend(pk, quantity=10 + number)
            steps.run_to_sent()
        with pytest.raises(ConflictError) as refused:
            steps.amend(pk, quantity=900)
        assert refused.value.reason.code == "TOO_MANY_CHANGES"
        assert refused.value.reason.details == {"open": MAX_OPEN, "all": MAX_OPEN}
        steps.cancel(pk)
        assert TradeRequest.objects.filter(trade=pk, kind="CANCEL").exists()

    def test_refuses_more_than_five_hundred_in_all(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice)
        steps.run_to_sent()
        add_ended_amendments(pk, up_to=MAX_REQUESTS)
        with pytest.raises(ConflictError) as refused:
            steps.amend(pk, quantity=14)
        assert refused.value.reason.details == {"open": 1, "all": 500}

    def test_a_stored_answer_stays_small_however_long_the_chain(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice)
        add_ended_amendments(pk, up_to=400)
        stored = change.amend(pk, context=steps.context(alice, key="long", fingerprint="f"), quantity=12)
        assert len(stored.body) < 12_000
        assert len(steps.picture(pk)["requests"]) == 401, "whoever looks sees all of them"


def add_ended_amendments(trade_id: UUID, *, up_to: int) -> None:
    """Have the trade go on to so many instructions, those that are new long ended."""
    row = TradeRequest.objects.get(trade=trade_id)
    row.kind, row.outcome, row.due_at = "AMEND", "CANCELED", None
    for seq in range(2, up_to + 1):
        row.pk, row.seq = new_id(row.created_at), seq
        row.save(force_insert=True)


@pytest.mark.django_db(transaction=True)
def test_a_busy_trade_is_not_waited_for(alice: Trader, share: Instrument) -> None:
    """A web thread that waited would be missing for everybody else."""
    pk = steps.place(alice)
    locked, done = Event(), Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                lock_many(Trade, [pk])
                locked.set()
                done.wait(20)
        finally:
            connection.close()

    holder = Thread(target=hold)
    holder.start()
    try:
        assert locked.wait(10)
        with pytest.raises(TradeBusyError):
            steps.amend(pk, quantity=12)
        with pytest.raises(TradeBusyError):
            steps.cancel(pk)
    finally:
        done.set()
        holder.join()
    steps.amend(pk, quantity=12)


class TestAStepThatTimesOut:
    """57014: the database ended a statement that took too long."""

    def timing_out_on(self, culprit: str) -> tuple[Callable[..., None], list[int]]:
        sizes: list[int] = []

        def validate(leased: Sequence[Lease], *, now: datetime) -> None:
            sizes.append(len(leased))
            if any(request_id == culprit for request_id, _ in leased):
                raise OperationalError("canceling statement") from psycopg.errors.QueryCanceled("statement timeout")
            steps.validate(leased, now=now)

        return validate, sizes

    def lease_again(self) -> list[Lease]:
        TradeRequest.objects.filter(due_at__isnull=False).update(due_at=clock.now())
        return [one for batch in lease_due(100) if batch.stage == Stage.RECEIVED for one in batch.leases]

    def test_in_a_batch_is_halved_until_only_the_one_to_blame_is_left(self, alice: Trader, share: Instrument) -> None:
        for _ in range(8):
            steps.place(alice, quantity=1)
        culprit = str(TradeRequest.objects.order_by("id")[5].pk)
        step, sizes = self.timing_out_on(culprit)
        for number in range(1, HALVED_FROM):
            steps.run_step(step, self.lease_again(), redelivered=False, stage=Stage.RECEIVED)
            assert sizes == [8] * number, "an outage may look the same: it is waited for first"
        steps.run_step(step, self.lease_again(), redelivered=False, stage=Stage.RECEIVED)
        assert TradeRequest.objects.filter(stage="VALIDATED").count() == 7
        assert TradeRequest.objects.get(pk=culprit).attempts == 1

    def test_alone_counts_as_an_attempt_and_is_parked_in_the_end(self, alice: Trader, share: Instrument) -> None:
        steps.place(alice)
        request = TradeRequest.objects.get()
        step, _ = self.timing_out_on(str(request.pk))
        for _ in range(3):
            steps.run_step(step, self.lease_again(), redelivered=False, stage=Stage.RECEIVED)
        request.refresh_from_db()
        assert request.parked["code"] == "STEP_FAILED"

    def test_that_waits_for_a_lock_never_counts(self, alice: Trader, share: Instrument) -> None:
        def waits(leased: Sequence[Lease], *, now: datetime) -> None:
            raise OperationalError("lock timeout") from psycopg.errors.LockNotAvailable("lock timeout")

        steps.place(alice)
        for _ in range(8):
            steps.run_step(waits, self.lease_again(), redelivered=False, stage=Stage.RECEIVED)
        request = TradeRequest.objects.get()
        assert (request.attempts, request.parked) == (0, None)
