"""What is counted: that which was committed, once, whatever runs twice."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError, transaction
from django.utils import timezone
from prometheus_client import REGISTRY

from brokerage.models import Instrument, Trader
from exchange.quarantine import quarantine
from holdings import services as holdings
from tests.trades import steps
from trades.core import parking, repository
from trades.lifecycle import Stage
from trades.models import TradeRequest
from trades.queries import gauges
from trades.steps import leases
from wallets import services as wallets

pytestmark = pytest.mark.django_db(transaction=True)

BUY = {"side": "BUY", "channel": "API"}
NEW = {"kind": "NEW", **BUY}


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


class Counted:
    """By how much each sample rose since it was made."""

    def __init__(self) -> None:
        self._before: dict[tuple[str, frozenset[tuple[str, str]]], float] = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for metric in REGISTRY.collect()
            for sample in metric.samples
        }

    def __call__(self, name: str, **labels: str) -> float:
        full = f"brokerage_{name}"
        return value(full, **labels) - self._before.get((full, frozenset(labels.items())), 0.0)


@pytest.fixture
def counted() -> Counted:
    return Counted()


class TestOneTrade:
    def test_is_counted_once_at_each_station(self, alice: Trader, share: Instrument, counted: Counted) -> None:
        pk = steps.place(alice)
        steps.run_to_sent()
        steps.tell(steps.report(pk, "0"), steps.fill(pk, 4, "100.00"))
        assert counted("trades_filled_total", **BUY) == 0
        steps.tell(steps.fill(pk, 6, "100.00"))
        for station in ("accepted", "validated", "booked", "sent"):
            assert counted(f"requests_{station}_total", **NEW) == 1, station
        assert counted("executions_total", **BUY) == 2
        assert counted("trades_filled_total", **BUY) == 1

    def test_leaves_its_times(self, alice: Trader, share: Instrument, counted: Counted) -> None:
        pk = steps.place(alice)
        steps.run_to_sent()
        steps.tell(steps.report(pk, "0"), steps.fill(pk, 10, "100.00"))
        for stage in ("VALIDATED", "BOOKED", "SENT"):
            assert counted("stage_seconds_count", stage=stage) == 1, stage
        assert counted("accept_to_sent_seconds_count", kind="NEW") == 1
        assert counted("sent_to_answered_seconds_count", kind="NEW") == 1
        assert counted("accept_to_settled_seconds_count", side="BUY") == 1
        row = TradeRequest.objects.get()
        assert (row.sent_at - row.created_at).total_seconds() == pytest.approx(
            counted("accept_to_sent_seconds_sum", kind="NEW")
        )
        assert counted("accept_to_sent_seconds_sum", kind="NEW") == pytest.approx(
            sum(counted("stage_seconds_sum", stage=stage) for stage in ("VALIDATED", "BOOKED", "SENT"))
        )

    def test_that_the_exchange_was_told_of_is_sent_once_though_its_report_overtook_our_note(
        self, alice: Trader, share: Instrument, counted: Counted
    ) -> None:
        pk = steps.place(alice)
        taken = steps.run_to_booked()
        steps.tell(steps.report(pk, "0"))
        steps.send.note_sent([UUID(request_id) for request_id, _ in taken], now=timezone.now())
        assert counted("requests_sent_total", **NEW) == 1

    def test_filled_again_after_it_was_raised_counts_again(
        self, alice: Trader, share: Instrument, counted: Counted
    ) -> None:
        pk = steps.place(alice)
        steps.run_to_sent()
        steps.tell(steps.report(pk, "0"), steps.fill(pk, 10, "100.00"))
        steps.amend(pk, quantity=12)
        steps.run_to_sent()
        steps.tell(steps.report(pk, "5", seq=2, OrderQty="12", Price="100.00"))
        assert counted("trades_filled_total", **BUY) == 1
        steps.tell(steps.fill(pk, 2, "100.00"))
        assert counted("trades_filled_total", **BUY) == 2


class TestManyTrades:
    def test_n_trades_make_n(self, alice: Trader, bob: Trader, share: Instrument, counted: Counted) -> None:
        for channel in ("MOBILE", "WEB"):
            for _ in range(5):
                steps.place(alice, quantity=1, channel=channel)
        for _ in range(3):
            steps.place(bob, "SELL", 1, channel="CALL")
        steps.run_to_sent()
        for channel, side, many in (("MOBILE", "BUY", 5), ("WEB", "BUY", 5), ("CALL", "SELL", 3)):
            for station in ("accepted", "booked", "sent"):
                labels = {"kind": "NEW", "side": side, "channel": channel}
                assert counted(f"requests_{station}_total", **labels) == many
        assert counted("batch_size_count", step="validate") == 1
        assert counted("batch_size_sum", step="book") == 13


class TestRefusals:
    def test_by_the_broker_and_by_the_exchange_are_told_apart_by_their_reason(
        self, alice: Trader, share: Instrument, counted: Counted
    ) -> None:
        steps.place(alice, quantity=1_000_000)
        good = steps.place(alice)
        steps.run_to_sent()
        steps.tell(steps.report(good, "8", Text="no"))
        assert counted("requests_rejected_total", reason="INSUFFICIENT_FUNDS", **NEW) == 1
        assert counted("requests_rejected_total", reason="EXCHANGE_REJECTED", **NEW) == 1
        assert counted("requests_booked_total", **NEW) == 1

    def test_of_a_cancellation_is_one_too(self, alice: Trader, share: Instrument, counted: Counted) -> None:
        pk = steps.place(alice)
        steps.run_to_sent()
        steps.tell(steps.report(pk, "0"))
        steps.cancel(pk)
        steps.run_to_sent()
        steps.tell(steps.cancel_reject(pk, seq=2))
        assert counted("requests_accepted_total", kind="CANCEL", **BUY) == 1
        assert counted("requests_rejected_total", reason="TOO_LATE", kind="CANCEL", **BUY) == 1


class TestOnce:
    def test_when_a_step_runs_twice(self, alice: Trader, share: Instrument, counted: Counted) -> None:
        steps.place(alice)
        taken = steps.run_to_booked()
        for step in (steps.validate, steps.book, steps.validate):
            step(taken, now=timezone.now())
        for _ in range(2):
            steps.send.note_sent([UUID(request_id) for request_id, _ in taken], now=timezone.now())
        for station in ("validated", "booked", "sent"):
            assert counted(f"requests_{station}_total", **NEW) == 1, station
        assert counted("batch_size_count", step="book") == 1

    def test_when_the_whole_chain_is_delivered_again(self, alice: Trader, share: Instrument, counted: Counted) -> None:
        steps.place(alice)
        taken = steps.run_to_booked()
        for step, stage in ((steps.validate, Stage.RECEIVED), (steps.book, Stage.VALIDATED)):
            steps.run_step(step, taken, redelivered=True, stage=stage)
        assert counted("requests_validated_total", **NEW) == counted("requests_booked_total", **NEW) == 1

    def test_when_the_exchange_repeats_itself(self, alice: Trader, share: Instrument, counted: Counted) -> None:
        pk = steps.place(alice)
        steps.run_to_sent()
        fill = steps.fill(pk, 10, "100.00")
        steps.tell(fill, fill)
        steps.tell(fill)
        assert (counted("executions_total", **BUY), counted("trades_filled_total", **BUY)) == (1, 1)

    def test_when_a_transaction_is_rolled_back_and_run_again(
        self, alice: Trader, share: Instrument, counted: Counted, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The connection breaks when all is written but nothing committed."""
        steps.place(alice)
        monkeypatch.setattr(repository, "save", broken_once(repository.save))
        steps.run_to_booked()
        assert counted("requests_validated_total", **NEW) == 1
        assert counted("stage_seconds_count", stage="VALIDATED") == 1

    def test_when_the_same_call_comes_again(self, alice: Trader, share: Instrument, counted: Counted) -> None:
        for _ in range(3):
            steps.place(alice, key="k-1", fingerprint="f")
        assert counted("requests_accepted_total", **NEW) == 1

    def test_when_a_message_is_set_aside_again(self, counted: Counted) -> None:
        for _ in range(2):
            quarantine(queue="q", message_id="m", body=b"?", code="MALFORMED", detail="not JSON")
        with transaction.atomic():
            quarantine(queue="q", message_id="m", body=b"!", code="MALFORMED", detail="not JSON")
            transaction.set_rollback(True)
        assert counted("messages_quarantined_total", code="MALFORMED") == 1


def broken_once(write: Callable[..., None]) -> Callable[..., None]:
    tries: list[int] = []

    def broken(*args: Any, **kwargs: Any) -> None:
        write(*args, **kwargs)
        tries.append(1)
        if len(tries) == 1:
            raise OperationalError("the connection broke")

    return broken


class TestWhatWaits:
    def test_is_nothing_when_nothing_waits(self) -> None:
        assert set(gauges.read().values()) == {0.0}

    def test_is_seen_with_its_age(self, alice: Trader, share: Instrument) -> None:
        long_ago = timezone.now() - timezone.timedelta(seconds=100)
        for _ in range(3):
            steps.place(alice, quantity=1)
        TradeRequest.objects.update(due_at=long_ago, created_at=long_ago)
        seen = gauges.read()
        assert (seen["brokerage_due_requests"], seen["brokerage_unprocessed_requests"]) == (3, 3)
        assert seen["brokerage_oldest_due_seconds"] == pytest.approx(100, abs=5)
        assert seen["brokerage_oldest_unprocessed_seconds"] == pytest.approx(100, abs=5)
        steps.run_to_sent()
        TradeRequest.objects.update(sent_at=long_ago)
        seen = gauges.read()
        assert (seen["brokerage_due_requests"], seen["brokerage_unprocessed_requests"]) == (0, 0)
        assert seen["brokerage_unconfirmed_requests"] == 3
        assert seen["brokerage_oldest_unconfirmed_seconds"] == pytest.approx(100, abs=5)

    def test_counts_as_unprocessed_while_a_batch_has_it(self, alice: Trader, share: Instrument) -> None:
        steps.place(alice)
        leases.lease_due(10)
        seen = gauges.read()
        assert (seen["brokerage_due_requests"], seen["brokerage_unprocessed_requests"]) == (0, 1)

    def test_for_a_person_is_parked_and_counted(self, alice: Trader, share: Instrument, counted: Counted) -> None:
        steps.place(alice)
        parking.park_by_hand(TradeRequest.objects.get().pk, why="looked at")
        seen = gauges.read()
        assert (seen["brokerage_parked_requests"], seen["brokerage_unprocessed_requests"]) == (1, 0)
        assert counted("requests_parked_total", reason="PARKED_BY_STAFF") == 1

    def test_on_the_desk_is_what_was_quarantined(self) -> None:
        quarantine(queue="q", message_id="m", body=b"?", code="MALFORMED", detail="not JSON")
        assert gauges.read()["brokerage_quarantined_messages"] == 1

    @pytest.mark.breaks_the_books  # the trade exists in the journals only
    def test_at_the_house_is_who_owes_it(self, alice: Trader, bob: Trader, carol: Trader) -> None:
        fact: dict[str, Any] = {"trade_id": uuid4(), "execution": "E1"}
        with transaction.atomic():
            cash = wallets.open_ledger([alice.pk, bob.pk, carol.pk])
            for trader in (alice, bob, carol):  # Alice can pay
                cash.settle(trader.pk, amount=Decimal("-1.00"), hold_change=Decimal(0), **fact)
            cash.post()
            shares = holdings.open_ledger([(bob.pk, "ACME"), (carol.pk, "ACME")])
            for trader in (bob, carol):  # Bob can deliver
                shares.settle((trader.pk, "ACME"), amount=-1, hold_change=0, **fact)
            shares.post()
        seen = gauges.read()
        assert (seen["brokerage_traders_in_debt"], seen["brokerage_holdings_short"]) == (2, 1)
        wallets.deposit(trader_id=bob.pk, amount=Decimal("1.00"), key="k")
        assert gauges.read()["brokerage_traders_in_debt"] == 1
