"""The timeline of a trade: every entry with its movements of cash and shares, and its description."""

import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

import trades
from brokerage.models import Trader
from tests.trades import steps
from trades.core import parking
from trades.core.locked_trade import TIMELINE
from trades.core.status_query import StatusQuery
from trades.lifecycle import Kind, Reported, Stage
from trades.models import Trade, TradeEvent
from trades.queries import descriptions, timeline
from trades.steps import send

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("share")]


def movements(trade_id: UUID) -> list[tuple[str, list[Any], list[Any]]]:
    """Return each entry as its kind, and its ledger entries of cash and of shares: kind, changes, balances after."""
    return [
        (
            entry.event.kind,
            [(e.kind, e.amount, e.blocked_change, e.balance_after, e.blocked_after) for e in entry.cash],
            [(e.kind, e.amount, e.blocked_change, e.quantity_after, e.blocked_after) for e in entry.shares],
        )
        for entry in timeline.read(trade_id).entries
    ]


def described(trade_id: UUID) -> list[str]:
    trade = Trade.objects.get(pk=trade_id)
    return [descriptions.describe_event(trade, entry.event, entry.request) for entry in timeline.read(trade_id).entries]


class TestMovements:
    def test_are_with_the_entry_that_caused_them(self, alice: Trader) -> None:
        trade = steps.place(alice, quantity=10, price="100.00")
        steps.run_to_sent()
        steps.tell(steps.report(trade, "0"), steps.fill(trade, 4, "99.50"), steps.report(trade, "4"))
        assert movements(trade) == [
            ("NEW_RECEIVED", [], []),
            ("VALIDATED", [], []),
            ("BOOKED", [("BLOCK", 0, 1000, 100_000, 1000)], []),
            ("SENT", [], []),
            ("EXCHANGE_NEW", [], []),
            ("EXCHANGE_FILL", [("SETTLE", -398, -400, 99_602, 600)], [("SETTLE", 4, 0, 4, 0)]),
            ("EXCHANGE_CANCELED", [("RELEASE", 0, -600, 99_602, 0)], []),
        ]

    def test_of_several_reports_in_one_batch_are_with_the_right_one(self, alice: Trader) -> None:
        """A replacement that moves nothing, then a cancellation that frees everything, at one and the same moment."""
        trade = steps.place(alice, quantity=10, price="100.00")
        steps.run_to_sent()
        steps.tell(steps.report(trade, "0"))
        steps.amend(trade, price=Decimal("90.00"))
        steps.run_to_sent()
        replaced = steps.report(trade, "5", seq=2, OrderQty="10", Price="100.00")
        steps.tell(replaced, steps.report(trade, "4"))
        by_kind = {kind: cash for kind, cash, _ in movements(trade)}
        assert by_kind["EXCHANGE_REPLACED"] == []
        assert by_kind["EXCHANGE_CANCELED"] == [("RELEASE", 0, -1000, 100_000, 0)]

    def test_of_a_sale_are_in_shares_and_then_in_cash(self, bob: Trader) -> None:
        trade = steps.place(bob, "SELL", 10)
        steps.run_to_sent()
        steps.tell(steps.fill(trade, 10, "101.00"))
        by_kind = {kind: (cash, shares) for kind, cash, shares in movements(trade)}
        assert by_kind["BOOKED"] == ([], [("BLOCK", 0, 10, 1000, 10)])
        assert by_kind["EXCHANGE_FILL"] == ([("SETTLE", 1010, 0, 1010, 0)], [("SETTLE", -10, -10, 990, 0)])

    def test_with_an_anomaly_are_with_the_execution(self, alice: Trader) -> None:
        trade = steps.place(alice, quantity=10, price="100.00")
        steps.run_to_sent()
        steps.tell(steps.fill(trade, 10, "100.05"))
        by_kind = {kind: cash for kind, cash, _ in movements(trade)}
        assert by_kind["EXCHANGE_FILL"] == [("SETTLE", Decimal("-1000.50"), -1000, Decimal("98999.50"), 0)]
        assert by_kind["ANOMALY"] == []


class TestReading:
    def test_has_as_many_entries_as_the_revision_says(self, alice: Trader) -> None:
        trade = steps.place(alice)
        steps.run_to_sent()
        entries = timeline.read(trade).entries
        assert [entry.event.seq for entry in entries] == [1, 2, 3, 4]
        assert Trade.objects.get(pk=trade).revision == 4

    def test_goes_on_behind_a_revision(self, alice: Trader) -> None:
        trade = steps.place(alice)
        steps.run_to_sent()
        assert [entry.event.seq for entry in timeline.read(trade, after=1, limit=2).entries] == [2, 3]
        assert timeline.read(trade, after=4).entries == []

    def test_takes_four_queries_however_long(self, alice: Trader, django_assert_num_queries: Any) -> None:
        trade = steps.place(alice, quantity=100)
        steps.run_to_sent()
        steps.tell(steps.report(trade, "0"), *(steps.fill(trade, 1, "100.00") for _ in range(20)))
        with django_assert_num_queries(4):
            assert len(timeline.read(trade).entries) == 25

    def test_is_in_the_order_of_time_whoever_read_the_clock_first(self, alice: Trader) -> None:
        """A report's time is read before its trade's lock is had; meanwhile somebody else enters something."""
        trade = steps.place(alice)
        taken = steps.run_to_booked()
        early = timezone.now() - timedelta(seconds=1)
        send.note_sent([UUID(request_id) for request_id, _ in taken], now=early)
        times = [entry.event.at for entry in timeline.read(trade).entries]
        assert times == sorted(times)
        assert times[-1] > early

    def test_measures_the_time_since_the_entry_before_about_the_same_request(self, alice: Trader) -> None:
        trade = steps.place(alice)
        steps.run_to_sent()
        steps.tell(steps.report(trade, "0"))
        steps.amend(trade, quantity=11)
        entries = timeline.read(trade).entries
        assert entries[0].elapsed is None
        assert entries[1].elapsed == entries[1].event.at - entries[0].event.at
        assert entries[-1].elapsed is None  # the first about the amendment

    def test_measures_the_same_in_whatever_pieces_it_is_read(self, alice: Trader) -> None:
        trade = steps.place(alice)
        steps.run_to_sent()
        steps.tell(steps.report(trade, "0"), steps.fill(trade, 1, "100.00"))
        whole = [entry.elapsed for entry in timeline.read(trade).entries]
        in_pieces = [timeline.read(trade, after=after, limit=1).entries[0].elapsed for after in range(len(whole))]
        assert in_pieces == whole


class TestRequestHistories:
    def test_say_when_each_request_reached_what(self, alice: Trader) -> None:
        trade = steps.place(alice)
        steps.run_to_sent()
        steps.tell(steps.report(trade, "A"), steps.report(trade, "0"))
        steps.amend(trade, quantity=11)
        steps.run_to_booked()
        new, amend = timeline.read(trade).request_histories()
        assert list(new.reached) == ["RECEIVED", "VALIDATED", "BOOKED", "SENT", "ANSWERED"]
        assert new.reached["ANSWERED"] == TradeEvent.objects.get(trade=trade, kind="EXCHANGE_NEW").at
        assert list(amend.reached) == ["RECEIVED", "VALIDATED", "BOOKED"]
        assert new.elapsed("RECEIVED") is None
        assert new.elapsed("VALIDATED") == new.reached["VALIDATED"] - new.reached["RECEIVED"]
        assert amend.elapsed("SENT") is None

    def test_say_the_same_when_only_the_end_is_read(self, alice: Trader) -> None:
        """What was answered long ago is not answered by the latest fill."""
        trade = steps.place(alice)
        steps.run_to_sent()
        steps.tell(steps.report(trade, "A"), steps.report(trade, "0"))
        steps.tell(steps.fill(trade, 1, "100.00"))
        steps.amend(trade, quantity=11)
        steps.run_to_sent()
        steps.tell(steps.fill(trade, 1, "100.00"))
        whole = [history.reached for history in timeline.read(trade).request_histories()]
        for after in range(1, Trade.objects.get(pk=trade).revision + 1):
            histories = timeline.read(trade, after=after).request_histories()
            assert [list(history.reached.items()) for history in histories] == [
                list(reached.items()) for reached in whole
            ]

    def test_take_a_fill_as_the_answer_to_a_new_order_only(self, alice: Trader) -> None:
        trade = steps.place(alice)
        steps.run_to_sent()
        steps.amend(trade, quantity=11)
        steps.run_to_sent()
        steps.tell(steps.fill(trade, 1, "100.00"), steps.fill(trade, 1, "100.00", seq=2))
        new, amend = timeline.read(trade).request_histories()
        assert "ANSWERED" in new.reached
        assert "ANSWERED" not in amend.reached

    def test_do_not_take_a_status_for_an_answer(self, alice: Trader) -> None:
        trade = steps.place(alice)
        steps.run_to_booked()
        steps.tell(steps.report(trade, "I", ExecID="0", OrdStatus="0", CumQty="0"))
        [new] = timeline.read(trade).request_histories()
        assert new.request.stage == "SENT"
        assert "ANSWERED" not in new.reached

    def test_take_the_end_of_a_change_that_was_dropped_for_an_answer(self, alice: Trader) -> None:
        trade = steps.place(alice)
        steps.run_to_sent()
        steps.amend(trade, quantity=11)
        parking.park_by_hand(Trade.objects.get().requests.get(seq=2).pk, why="try")
        steps.cancel(trade)
        _, amend, _ = timeline.read(trade).request_histories()
        assert list(amend.reached) == ["RECEIVED", "ANSWERED"]


class TestDescriptions:
    def test_of_a_buy(self, alice: Trader) -> None:
        trade = steps.place(alice, quantity=1000, price="99.50", channel="CALL", username="agent")
        steps.run_to_sent()
        steps.tell(steps.report(trade, "0"), steps.fill(trade, 1000, "99.25"))
        assert described(trade) == [
            "Order received by phone, by agent: buy 1,000 ACME at 99.50 or better, good for the day.",
            "Checked: nothing speaks against it.",
            "Booked: 99,500.00 blocked.",
            "The order was sent to the exchange.",
            "The exchange accepted the order.",
            "Executed: bought 1,000 at 99.25.",
        ]

    def test_of_an_amendment_and_a_cancellation(self, bob: Trader) -> None:
        trade = steps.place(bob, "SELL", 20)
        steps.run_to_sent()
        steps.tell(steps.report(trade, "0"))
        steps.amend(trade, quantity=15)
        steps.run_to_sent()
        steps.tell(steps.report(trade, "E", seq=2), steps.report(trade, "5", seq=2, OrderQty="15", Price="100.00"))
        steps.cancel(trade)
        steps.run_to_sent()
        steps.tell(steps.cancel_reject(trade, seq=3), steps.report(trade, "C"))
        assert described(trade)[2:] == [
            "Booked: 20 ACME blocked.",
            "The order was sent to the exchange.",
            "The exchange accepted the order.",
            "Change asked for over the API, by tester: 15 at 100.00.",
            "Checked: nothing speaks against it.",
            "Booked: nothing more has to be blocked.",
            "The change was sent to the exchange.",
            "The exchange is working on the change.",
            "The exchange made the change: 15 at 100.00 now.",
            "Cancellation asked for over the API, by tester.",
            "Checked: nothing speaks against it.",
            "The cancellation is ready to be sent.",
            "The cancellation was sent to the exchange.",
            "The exchange refused the cancellation: The exchange refused it.",
            "The order expired at the exchange.",
        ]

    def test_of_a_refusal_have_its_numbers(self, carol: Trader) -> None:
        short, wrong = steps.place(carol, quantity=1, price="100.05"), steps.place(carol, quantity=1, price="500.01")
        steps.run_to_booked()
        assert described(short)[-1] == "The order was refused: Needs 100.05, but only 0.00 is available."
        assert described(wrong)[-1] == (
            "The order was refused: The price must be a multiple of 0.05. (also PRICE_OUT_OF_BAND, INSUFFICIENT_FUNDS)"
        )

    def test_of_an_anomaly(self, alice: Trader) -> None:
        trade = steps.place(alice, quantity=10)
        steps.run_to_sent()
        steps.tell(steps.fill(trade, 12, "100.00"))
        assert described(trade)[-1] == "Odd: more was executed than was asked for (quantity 2)"

    def test_of_a_status_query(self, alice: Trader) -> None:
        trade = steps.place(alice, quantity=10)
        steps.run_to_sent()
        name = str(StatusQuery.about(Trade.objects.get().requests.all()))
        status = {"ExecID": "0", "OrdStatusReqID": name, "CumQty": "0"}
        steps.tell(steps.report(trade, "I", OrdStatus="8", OrdRejReason="5", **status))
        steps.tell(steps.report(trade, "I", OrdStatus="0", **status))
        steps.tell(steps.report(trade, "I", OrdStatus="1", **(status | {"CumQty": "4"})))
        steps.tell(steps.report(trade, "I", OrdStatus="0", **status))
        assert described(trade)[-4:] == [
            "The exchange was asked, and has not got the order: it is to be sent again.",
            "The exchange was asked, and has it.",
            "Odd: the exchange says that another quantity was executed; a person has to look at it (ours 0; theirs 4)",
            "The exchange was asked again, and agrees with what is written here.",
        ]

    def test_of_a_kind_that_is_not_listed_go_by_its_name(self, alice: Trader) -> None:
        trade = Trade.objects.get(pk=steps.place(alice))
        event = TradeEvent(kind="EXCHANGE_SOMETHING_NEW", data={"exec_id": "E1"})
        assert descriptions.describe_event(trade, event, None) == "Exchange something new (exec id E1)"


def test_every_kind_that_is_recorded_has_a_description() -> None:
    source = "".join(file.read_text() for file in Path(trades.__file__).parent.rglob("*.py"))
    recorded = set(re.findall(r'\.record\(\s*"([A-Z_]+)"', source))
    assert {"ANOMALY", "PARKED"} <= recorded
    constant = {kind for kind in TIMELINE.values() if kind.isidentifier()}
    stages = set(Stage) - {Stage.RECEIVED}
    derived = {f"EXCHANGE_{reported}" for reported in Reported} | {f"{kind}_RECEIVED" for kind in Kind}
    assert recorded | constant | stages | derived == descriptions.EVENT_KINDS
