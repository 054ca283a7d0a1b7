"""What a report says otherwise than we know it: found by a table, noted in the timeline, and never obeyed."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from brokerage.models import Trader
from exchange.fix.messages import encode, parse
from tests.trades import steps
from trades import lifecycle
from trades.core.consistency import differences, misses_execution
from trades.lifecycle import Kind, Outcome, Request, Side, Stage, State, Status, TimeInForce
from trades.models import Trade, TradeEvent
from trades.queries import descriptions, timeline

NOW = datetime(2026, 11, 22, 10, 15, 30, tzinfo=UTC)
HUNDRED = Decimal(100)
X = Request("X", 1, Kind.NEW, 10, HUNDRED, Stage.SENT, Outcome.ACCEPTED)
AMEND = Request("Y", 2, Kind.AMEND, 15, HUNDRED, Stage.SENT)
CANCEL = Request("Z", 3, Kind.CANCEL, 10, HUNDRED, Stage.SENT)
CODES = {  # OrdStatus (39), and a trade that has it
    "A": lambda: unanswered(),
    "0": lambda: state(),
    "1": lambda: state(filled_quantity=4),
    "2": lambda: state(filled_quantity=10),
    "3": lambda: state(filled_quantity=4, done_for_day=True),
    "4": lambda: state(filled_quantity=4, cancelled=True),
    "6": lambda: state(X, AMEND, replace(CANCEL, pending=True)),
    "8": lambda: state(acked=False, rejected=True),
    "9": lambda: state(suspended=True),
    "C": lambda: state(expired=True),
    "E": lambda: state(X, replace(AMEND, pending=True)),
}


def state(*requests: Request, **facts: Any) -> State:
    """A buy of 10 that the exchange has accepted."""
    return State(Side.BUY, TimeInForce.DAY, 10, HUNDRED, requests or (X,), **{"acked": True} | facts)


def unanswered(stage: Stage = Stage.SENT) -> State:
    return state(Request("X", 1, Kind.NEW, 10, HUNDRED, stage), acked=False)


def told(facts: State, exec_type: str, **fields: str) -> dict[str, Any]:
    body = {"ExecID": "E1", "ExecType": exec_type, "ClOrdID": "X"} | fields
    return differences(facts, parse(encode("8", body, sending_time=NOW)), "X")


def refused(facts: State, request: str, **fields: str) -> dict[str, Any]:
    named = request if facts.request(request) else None
    return differences(facts, parse(encode("9", {"ClOrdID": request} | fields, sending_time=NOW)), named)


def differ(ours: Any, theirs: Any) -> dict[str, Any]:
    return {"ours": ours, "theirs": theirs}


class TestAnExecutionReport:
    @pytest.mark.parametrize("code", CODES)
    def test_has_our_status_under_the_code_of_fix(self, code: str) -> None:
        facts = CODES[code]()
        assert told(facts, "0", OrdStatus=code) == {}
        for other in CODES.keys() - {code}:
            theirs = lifecycle.status(CODES[other]())
            assert told(facts, "0", OrdStatus=other) == {"status": differ(lifecycle.status(facts), theirs)}

    def test_may_have_any_status_that_an_order_has_at_an_exchange(self) -> None:
        named = {lifecycle.status(facts()) for facts in CODES.values()}
        assert named == set(Status) - {Status.RECEIVED, Status.VALIDATED, Status.BOOKED}

    def test_with_a_code_that_we_have_no_name_for_is_told_by_it(self) -> None:
        assert told(state(), "0", OrdStatus="7") == {"status": differ("NEW", "7")}

    @pytest.mark.parametrize("stage", list(Stage))
    def test_of_an_order_that_is_not_noted_as_sent_proves_that_it_was(self, stage: Stage) -> None:
        assert told(unanswered(stage), "A", OrdStatus="A") == {}

    def test_differs_by_each_of_its_quantities(self) -> None:
        facts = state(filled_quantity=4)
        assert told(facts, "F", LastQty="4", LastPx="100", OrdStatus="1", CumQty="4", LeavesQty="6") == {}
        assert told(facts, "F", LastQty="4", LastPx="100", OrdStatus="2", CumQty="10", LeavesQty="0") == {
            "status": differ("PARTIALLY_FILLED", "FILLED"),
            "filled_quantity": differ(4, 10),
            "leaves_quantity": differ(6, 0),
        }

    def test_leaves_nothing_to_a_trade_that_ended(self) -> None:
        facts = state(filled_quantity=4, cancelled=True)
        assert told(facts, "4", CumQty="4", LeavesQty="0") == {}
        assert told(facts, "4", LeavesQty="6") == {"leaves_quantity": differ(0, 6)}

    def test_says_nothing_by_what_it_leaves_out_or_nobody_can_read(self) -> None:
        assert told(state(filled_quantity=4), "0") == {}
        assert told(state(filled_quantity=4), "0", CumQty="-4", LeavesQty="six", OrdStatus="") == {}

    @pytest.mark.parametrize("exec_type", ["A", "E", "6"])
    def test_that_it_works_on_a_request_has_the_live_quantity(self, exec_type: str) -> None:
        facts = state(X, AMEND)
        assert told(facts, exec_type, OrderQty="10") == {}
        assert told(facts, exec_type, OrderQty="15") == {"quantity": differ(10, 15)}

    @pytest.mark.parametrize("exec_type", ["0", "F", "4"])
    def test_of_anything_else_is_not_asked_for_its_order_quantity(self, exec_type: str) -> None:
        assert told(state(), exec_type, LastQty="1", LastPx="100", OrderQty="15") == {}

    def test_while_a_cancellation_is_under_way_is_as_always_until_the_exchange_says_that_it_works_on_it(self) -> None:
        assert told(state(X, CANCEL, filled_quantity=4), "F", LastQty="4", LastPx="100", OrdStatus="1") == {}


class TestACancelReject:
    def test_answers_the_kind_of_its_request(self) -> None:
        facts = state(X, AMEND, CANCEL)
        assert refused(facts, "Y", CxlRejResponseTo="2") == refused(facts, "Z", CxlRejResponseTo="1") == {}
        assert refused(facts, "Y", CxlRejResponseTo="1") == {"kind": differ("AMEND", "CANCEL")}
        assert refused(facts, "Z", CxlRejResponseTo="2") == {"kind": differ("CANCEL", "AMEND")}

    def test_has_the_status_that_is_left(self) -> None:
        assert refused(state(filled_quantity=10), "Z", OrdStatus="2") == {}
        assert refused(state(), "Z", OrdStatus="2") == {"status": differ("NEW", "FILLED")}

    def test_of_an_order_that_the_exchange_does_not_know_says_rejected_as_fix_will_have_it(self) -> None:
        assert refused(unanswered(), "Z", CxlRejReason="1", OrdStatus="8") == {}

    def test_that_names_no_request_of_the_trade_answers_none(self) -> None:
        assert refused(state(), "W", CxlRejResponseTo="1") == {}


class TestAMissedExecution:
    @pytest.mark.parametrize(("theirs", "missed"), [("3", False), ("4", False), ("5", True)])
    def test_is_one_that_the_exchange_counts_and_we_do_not(self, theirs: str, missed: bool) -> None:
        assert misses_execution(told(state(filled_quantity=4), "0", CumQty=theirs)) is missed

    def test_is_not_told_by_anything_else(self) -> None:
        assert not misses_execution(told(state(), "0", OrdStatus="2", LeavesQty="0"))


@pytest.mark.django_db
@pytest.mark.usefixtures("share")
class TestIsNotedAndNotObeyed:
    @pytest.fixture
    def trade(self, alice: Trader) -> UUID:
        """A buy of 10 at 100.00, of which 4 are filled."""
        trade = steps.place(alice)
        steps.run_to_sent()
        steps.tell(steps.report(trade, "0"), steps.fill(trade, 4, "100.00"))
        return trade

    @pytest.mark.parametrize(
        ("exec_type", "fields", "found"),
        [
            ("0", {"OrdStatus": "4"}, {"status": differ("PARTIALLY_FILLED", "CANCELED")}),
            ("0", {"CumQty": "9"}, {"filled_quantity": differ(4, 9)}),
            ("0", {"LeavesQty": "0"}, {"leaves_quantity": differ(6, 0)}),
            ("A", {"OrderQty": "4", "Price": "1.00"}, {"quantity": differ(10, 4)}),
        ],
    )
    def test_in_a_report(self, trade: UUID, exec_type: str, fields: dict[str, str], found: dict[str, Any]) -> None:
        before = steps.picture(trade)
        steps.tell(steps.report(trade, exec_type, **fields))
        assert noted(trade) == [found]
        assert without_revision(steps.picture(trade)) == without_revision(before)

    def test_in_a_fill(self, trade: UUID) -> None:
        steps.tell(steps.fill(trade, 1, "100.00", OrdStatus="2", CumQty="10", LeavesQty="0"))
        (found,) = noted(trade)
        assert found["filled_quantity"] == differ(5, 10)
        assert steps.picture(trade)["leaves_quantity"] == 5

    def test_in_a_cancel_reject(self, trade: UUID) -> None:
        steps.cancel(trade)
        steps.run_to_sent()
        steps.tell(steps.cancel_reject(trade, seq=2, OrdStatus="2", CxlRejResponseTo="2"))
        assert noted(trade) == [{"status": differ("PARTIALLY_FILLED", "FILLED"), "kind": differ("CANCEL", "AMEND")}]
        assert steps.picture(trade)["status"] == "PARTIALLY_FILLED"
        assert steps.picture(trade)["requests"][1]["outcome"] == "REJECTED"

    def test_once_however_often_the_report_comes(self, trade: UUID) -> None:
        steps.cancel(trade)
        steps.run_to_sent()
        wrong = steps.report(trade, "6", seq=2, CumQty="5"), steps.cancel_reject(trade, seq=2, OrdStatus="0")
        steps.tell(*wrong, *wrong)
        steps.tell(*wrong)
        assert len(noted(trade)) == 2

    def test_not_of_what_is_sent_again_which_tells_of_an_earlier_time(self, trade: UUID) -> None:
        steps.tell(steps.fill(trade, 2, "100.00", CumQty="2", OrdStatus="1", resend=True))
        assert noted(trade) == []
        assert steps.picture(trade)["filled_quantity"] == 6

    def test_of_a_bust_when_it_is_applied_and_not_while_it_waits(self, trade: UUID) -> None:
        steps.tell(steps.report(trade, "H", ExecRefID="X2", CumQty="4", LeavesQty="6", OrdStatus="1"))
        assert noted(trade) == []
        steps.tell(steps.fill(trade, 2, "100.00", ExecID="X2", CumQty="6", LeavesQty="4", OrdStatus="1"))
        assert noted(trade) == []
        assert steps.picture(trade)["filled_quantity"] == 4

    def test_in_words(self, trade: UUID) -> None:
        steps.tell(steps.report(trade, "0", CumQty="9", OrdStatus="2"))
        entry = timeline.read(trade).entries[-1]
        assert descriptions.describe_event(Trade.objects.get(pk=trade), entry.event, entry.request) == (
            "Odd: the exchange's last report has other figures than we have; ours count"
            " (status PARTIALLY_FILLED, the exchange says FILLED; filled quantity 4, the exchange says 9)"
        )


def noted(trade: UUID) -> list[dict[str, Any]]:
    events = TradeEvent.objects.filter(trade_id=trade, kind="ANOMALY", data__code="REPORT_DIFFERS").order_by("seq")
    return [data["differences"] for data in events.values_list("data", flat=True)]


def without_revision(shown: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in shown.items() if name not in ("revision", "updated_at")}
