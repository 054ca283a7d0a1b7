"""Anything may come twice, late, or after its process died. Each rule here has a test that fails without it."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import DatabaseError, IntegrityError, OperationalError, connection, connections, transaction
from django.utils import timezone

from brokerage.models import Instrument, Trader
from exchange.amqp import LinkDown
from exchange.models import QuarantinedMessage
from tests.trades import steps
from trades.core import parking
from trades.lifecycle import Stage
from trades.models import ExchangeReport, Execution, Trade, TradeEvent, TradeRequest
from trades.steps import leases, send
from wallets.selectors import wallet_of

pytestmark = pytest.mark.django_db


class TestTheStageGuard:
    def test_a_step_that_runs_twice_blocks_once(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice)
        taken = steps.run_to_booked()
        steps.book(taken, now=timezone.now())
        assert wallet_of(alice.pk).blocked == Decimal("1000.00")
        assert list(TradeEvent.objects.filter(trade_id=pk).values_list("kind", flat=True)).count("BOOKED") == 1

    def test_a_batch_whose_lease_was_taken_over_does_nothing(self, alice: Trader, share: Instrument) -> None:
        steps.place(alice)
        [(request_id, claim)] = steps.lease_all(Stage.RECEIVED)
        TradeRequest.objects.update(lease=claim + 1)
        steps.validate([(request_id, claim)], now=timezone.now())
        assert TradeRequest.objects.get().stage == "RECEIVED"

    def test_sent_is_not_noted_over_an_outcome(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice)
        [(request_id, _)] = steps.run_to_booked()
        steps.tell(steps.report(pk, "8"))
        send.note_sent([UUID(request_id)], now=timezone.now())
        assert Trade.objects.get().status == "REJECTED"


class TestExecIds:
    def test_a_report_that_comes_twice_settles_once(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice)
        steps.run_to_sent()
        fill = steps.fill(pk, 4, "100.00")
        steps.tell(steps.report(pk, "0"), fill, fill)
        steps.tell(fill)
        assert Execution.objects.count() == 1
        assert (Trade.objects.get().filled_quantity, wallet_of(alice.pk).balance) == (4, Decimal("99600.00"))
        odd = [event.data["code"] for event in TradeEvent.objects.filter(kind="ANOMALY")]
        assert odd == ["DUPLICATE_EXECUTION"] * 2

    def test_a_resend_of_the_exchange_is_not_odd(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice)
        steps.run_to_sent()
        steps.tell(steps.report(pk, "0"), steps.fill(pk, 4, "100.00", ExecID="X1"))
        steps.tell(steps.fill(pk, 4, "100.00", ExecID="X1", resend=True))
        assert not TradeEvent.objects.filter(kind="ANOMALY").exists()

    def test_what_the_broker_hands_out_again_is_not_odd(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice)
        steps.run_to_sent()
        fill = steps.fill(pk, 4, "100.00")
        steps.tell(steps.report(pk, "0"), fill)
        steps.tell(replace(fill, redelivered=True))
        assert Trade.objects.get().filled_quantity == 4
        assert not TradeEvent.objects.filter(kind="ANOMALY").exists()

    def test_other_numbers_under_a_known_id_are_quarantined(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice)
        steps.run_to_sent()
        steps.tell(steps.fill(pk, 4, "100.00", ExecID="X1"))
        steps.tell(steps.fill(pk, 5, "100.00", ExecID="X1"))
        assert Trade.objects.get().filled_quantity == 4
        assert QuarantinedMessage.objects.get().code == "EXEC_ID_REUSED"

    def test_so_are_other_terms_under_a_known_id(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice)
        steps.run_to_sent()
        steps.tell(steps.report(pk, "D", ExecID="X1", OrderQty="11"), steps.report(pk, "D", ExecID="X1", OrderQty="12"))
        assert Trade.objects.get().quantity == 11
        assert QuarantinedMessage.objects.get().code == "EXEC_ID_REUSED"

    @pytest.mark.parametrize("exec_type", ["F", "0"])
    def test_the_database_takes_an_exec_id_once(
        self, alice: Trader, share: Instrument, monkeypatch: pytest.MonkeyPatch, exec_type: str
    ) -> None:
        """Also when the look-up of known reports fails to see it: the second batch raises, and nothing happens."""
        pk = steps.place(alice)
        steps.run_to_sent()
        report = steps.report(pk, exec_type, LastQty="4", LastPx="100.00")
        steps.tell(steps.report(pk, "0"), report)
        monkeypatch.setattr(ExchangeReport.objects, "in_bulk", lambda ids: {})
        with pytest.raises(IntegrityError, match="duplicate key"):
            steps.tell(report)
        assert Trade.objects.get().revision == 6

    def test_the_database_settles_an_execution_once(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice)
        steps.run_to_sent()
        steps.tell(steps.fill(pk, 4, "100.00"))
        execution = Execution.objects.get()
        with pytest.raises(IntegrityError, match="trades_execution_pkey"), transaction.atomic():
            execution.save(force_insert=True)

    def test_another_trade_under_a_known_id_is_quarantined(self, alice: Trader, share: Instrument) -> None:
        """Not taken for a repetition: then its fill would be lost without a word."""
        first, second = steps.place(alice), steps.place(alice)
        steps.run_to_sent()
        steps.tell(steps.fill(first, 4, "100.00", ExecID="X1"))
        steps.tell(steps.fill(second, 4, "100.00", ExecID="X1"))
        assert QuarantinedMessage.objects.get().code == "EXEC_ID_REUSED"


@pytest.mark.django_db(transaction=True)
class TestACommitNobodyHeardTheEndOf:
    """The connection is lost after the commit and before its answer: the transaction runs again."""

    @pytest.fixture
    def lost(self, monkeypatch) -> Callable[[], None]:
        """Lets the next commit happen and fail."""
        commit = connection.commit
        left = []

        def commit_and_fail() -> None:
            commit()
            if left:
                left.pop()
                raise OperationalError("the connection is lost")

        monkeypatch.setattr(connections["default"], "commit", commit_and_fail)
        return lambda: left.append(1)

    @pytest.mark.parametrize("key", [None, "k"])
    def test_a_trade_is_placed_once(self, alice: Trader, share: Instrument, lost, key: str | None) -> None:
        lost()
        pk = steps.place(alice, key=key)
        assert list(Trade.objects.values_list("pk", flat=True)) == [pk]

    def test_an_amendment_is_accepted_once(self, alice: Trader, share: Instrument, lost) -> None:
        pk = steps.place(alice)
        lost()
        steps.amend(pk, quantity=12)
        assert [row.kind for row in TradeRequest.objects.order_by("seq")] == ["NEW", "AMEND"]

    def test_a_withdrawal_is_accepted_once(self, alice: Trader, share: Instrument, lost) -> None:
        pk = steps.place(alice)
        lost()
        steps.cancel(pk)
        assert Trade.objects.get().status == "CANCELED"

    def test_a_fill_settles_once(self, alice: Trader, share: Instrument, lost) -> None:
        pk = steps.place(alice)
        steps.run_to_sent()
        lost()
        report = steps.fill(pk, 4, "100.00")
        with pytest.raises(OperationalError):
            steps.tell(report)
        steps.tell(report)  # as the consumer does, which hands the same batch on again
        assert wallet_of(alice.pk).balance == Decimal("99600.00")


class TestABatch:
    def test_sums_the_movements_of_one_wallet(self, alice: Trader, share: Instrument) -> None:
        trades = [steps.place(alice, quantity=q) for q in (1, 2, 3)]
        steps.run_to_sent()
        assert wallet_of(alice.pk).blocked == Decimal("600.00")
        steps.tell(*(steps.fill(pk, 1, "99.00") for pk in trades))
        wallet = wallet_of(alice.pk)
        assert (wallet.balance, wallet.blocked) == (Decimal("99703.00"), Decimal("300.00"))

    def test_decides_in_the_order_of_arrival(self, alice: Trader, share: Instrument) -> None:
        for _ in range(12):
            steps.place(alice, quantity=100)
        steps.run_to_booked()
        statuses = list(Trade.objects.order_by("id").values_list("status", flat=True))
        assert statuses == ["BOOKED"] * 10 + ["REJECTED"] * 2

    def test_costs_a_constant_number_of_statements(
        self, alice: Trader, share: Instrument, django_assert_max_num_queries
    ) -> None:
        for _ in range(50):
            steps.place(alice, quantity=1)
        taken = steps.lease_all(Stage.RECEIVED)
        with django_assert_max_num_queries(45):
            steps.run_step(steps.validate, taken, redelivered=False)
            steps.run_step(steps.book, taken, redelivered=False)
        assert set(Trade.objects.values_list("status", flat=True)) == {"BOOKED"}

    def test_sets_aside_what_belongs_to_nobody_and_goes_on(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice)
        steps.run_to_sent()
        stranger = steps.report(pk, "0", ClOrdID="nobody's", SecondaryClOrdID="nobody's")
        steps.tell(stranger, steps.report(pk, "0"))
        kept = QuarantinedMessage.objects.get()
        assert (kept.code, bytes(kept.body)) == ("UNKNOWN_ORDER", stranger.raw)
        assert Trade.objects.get().status == "NEW"


class TestLeases:
    def test_what_is_claimed_is_not_claimed_again_until_the_lease_ends(self, alice: Trader, share: Instrument) -> None:
        steps.place(alice)
        assert len(leases.lease_due(10)) == 1
        assert leases.lease_due(10) == []
        assert leases.batches_in_flight() == 1
        TradeRequest.objects.update(due_at=timezone.now())
        [batch] = leases.lease_due(10)
        assert batch.leases[0][1] == 2

    def test_giving_back_is_for_the_holder_only(self, alice: Trader, share: Instrument) -> None:
        steps.place(alice)
        [batch] = leases.lease_due(10)
        [(request_id, claim)] = batch.leases
        before = TradeRequest.objects.get().due_at
        leases.requeue([(request_id, claim - 1)])
        assert TradeRequest.objects.get().due_at == before
        leases.requeue([(request_id, claim)])
        assert TradeRequest.objects.get().due_at < before

    def test_giving_back_what_is_finished_changes_nothing(self, alice: Trader, share: Instrument) -> None:
        steps.place(alice)
        taken = steps.run_to_booked()
        send.note_sent([UUID(request_id) for request_id, _ in taken], now=timezone.now())
        leases.requeue(taken)
        assert TradeRequest.objects.get().due_at is None


class TestTries:
    def broken(self, claims, *, now) -> None:
        if any(request_id == self.culprit for request_id, _ in claims):
            raise ValueError("this one cannot be done")
        steps.validate(claims, now=now)

    def test_one_bad_request_harms_no_other_and_is_parked_in_the_end(self, alice: Trader, share: Instrument) -> None:
        for _ in range(5):
            steps.place(alice, quantity=1)
        self.culprit = str(TradeRequest.objects.order_by("id")[2].pk)
        for _ in range(3):
            TradeRequest.objects.filter(due_at__isnull=False).update(due_at=timezone.now())
            due = [c for batch in leases.lease_due(10) if batch.stage == Stage.RECEIVED for c in batch.leases]
            steps.run_step(self.broken, due, redelivered=False)
        assert TradeRequest.objects.filter(stage="VALIDATED").count() == 4
        bad = TradeRequest.objects.get(stage="RECEIVED")
        assert (str(bad.pk), bad.parked["code"], bad.due_at) == (self.culprit, "STEP_FAILED", None)
        # The client reads this: what the error says, SQL and rows perhaps, is for the log.
        assert bad.parked["message"] == "After RECEIVED the next step failed 3 times: ValueError"

    def test_a_passing_failure_is_no_try(self, alice: Trader, share: Instrument) -> None:
        def away(claims, *, now) -> None:
            raise LinkDown("away")

        steps.place(alice)
        taken = steps.lease_all(Stage.RECEIVED)
        for redelivered in (False, True):
            steps.run_step(away, taken, redelivered=redelivered)
        row = TradeRequest.objects.get()
        assert (row.attempts, row.parked) == (0, None)
        assert row.due_at < timezone.now() + timedelta(seconds=2)

    def test_what_kills_its_worker_is_found_alone(self, alice: Trader, share: Instrument) -> None:
        """Death leaves no exception; only the try that was committed before it."""

        def dies(claims, *, now) -> None:
            raise KeyboardInterrupt

        steps.place(alice)
        taken = steps.lease_all(Stage.RECEIVED)
        for _ in range(3):
            with pytest.raises(KeyboardInterrupt):
                steps.run_step(dies, taken, redelivered=True)
        steps.run_step(dies, taken, redelivered=True)
        assert TradeRequest.objects.get().parked["code"] == "STEP_FAILED"

    def test_a_step_that_was_done_before_is_no_try(self, alice: Trader, share: Instrument) -> None:
        """Its message comes again after every lost connection; the request is somewhere else by then."""
        steps.place(alice)
        taken = steps.run_to_booked()
        for _ in range(4):
            steps.run_step(steps.validate, taken, redelivered=True, stage=Stage.RECEIVED)
        row = TradeRequest.objects.get()
        assert (row.attempts, row.parked) == (0, None)

    def test_an_amendment_waits_behind_a_parked_order(self, alice: Trader, share: Instrument) -> None:
        """Sent before it, the exchange would refuse it. A cancellation goes on."""
        pk = steps.place(alice)
        [(request_id, _)] = steps.run_to_booked()
        parking.park_by_hand(UUID(request_id), why="looked at")
        steps.amend(pk, quantity=12)
        assert leases.lease_due(10) == []
        steps.cancel(pk)
        assert [row.kind for row in TradeRequest.objects.filter(due_at__isnull=False)] == ["CANCEL"]

    def test_a_cancellation_does_not_wait_behind_a_parked_request(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice)
        TradeRequest.objects.update(parked={"since": "", "code": "STEP_FAILED", "message": ""}, due_at=None)
        steps.cancel(pk)
        assert Trade.objects.get().status == "CANCELED"


class TestAppendOnly:
    @pytest.mark.parametrize(
        "table", ["trades_execution", "trades_exchangereport", "trades_tradeevent", "trades_idempotencykey"]
    )
    @pytest.mark.parametrize(
        "statement", ["TRUNCATE {} CASCADE", "DELETE FROM {}", "UPDATE {} SET trade_id = trade_id"]
    )
    def test_nothing_is_changed_afterwards(self, alice: Trader, share: Instrument, table: str, statement: str) -> None:
        pk = steps.place(alice, key="k", fingerprint="f")
        steps.run_to_sent()
        steps.tell(steps.fill(pk, 10, "100.00"))
        connection.check_constraints()  # a table with deferred checks waiting could not be truncated anyway
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            connection.cursor().execute(statement.format(table))


@pytest.mark.django_db(transaction=True)
class TestManyAtOnce:
    def test_two_consumers_with_the_same_fill_settle_it_once(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice)
        steps.run_to_sent()
        fill = steps.fill(pk, 4, "100.00")
        _at_once(lambda: steps.tell(fill), times=6)
        assert (Execution.objects.count(), Trade.objects.get().filled_quantity) == (1, 4)

    def test_the_same_key_is_one_trade_and_one_answer(self, alice: Trader, share: Instrument) -> None:
        order = steps.Order("ACME", "BUY", 1, Decimal(100), "DAY", "mine")
        context = steps.context(alice, key="mine", fingerprint="f")
        answers = _at_once(lambda: steps.accept.place(order, context=context), times=8)
        assert Trade.objects.count() == 1
        assert len({answer.body for answer in answers}) == 1
        assert sum(not answer.replayed for answer in answers) == 1

    def test_batches_of_one_wallet_never_block_more_than_there_is(self, alice: Trader, share: Instrument) -> None:
        for _ in range(30):
            steps.place(alice, quantity=50)
        taken = steps.lease_all(Stage.RECEIVED)
        steps.validate(taken, now=timezone.now())
        slices = [taken[start::6] for start in range(6)]
        _at_once(lambda: steps.book(slices.pop(), now=timezone.now()), times=6)
        assert Trade.objects.filter(status="BOOKED").count() == 20
        assert Trade.objects.filter(reason__code="INSUFFICIENT_FUNDS").count() == 10
        assert wallet_of(alice.pk).blocked == Decimal("100000.00")

    def test_dispatchers_share_the_work(self, alice: Trader, share: Instrument) -> None:
        for _ in range(40):
            steps.place(alice, quantity=1)
        batches = _at_once(lambda: leases.lease_due(10), times=6)
        claimed = [claim for several in batches for batch in several for claim in batch.leases]
        assert len(claimed) == len(set(claimed)) == 40


def _at_once(work, *, times: int) -> list:
    """Run `work` in so many threads that start together, each with a connection of its own."""
    barrier, results, errors = threading.Barrier(times), [], []

    def run() -> None:
        try:
            barrier.wait()
            results.append(work())
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors
    return results
