"""What a report says of the order beside what it reports: compared with our own figures, and never obeyed."""

from typing import Any
from uuid import UUID

import pytest

from brokerage.models import Trader
from tests.trades import steps
from trades.models import Trade

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("share")]


@pytest.fixture
def trade(alice: Trader) -> UUID:
    """A buy of 10 at 100.00 that was sent."""
    placed = steps.place(alice)
    steps.run_to_sent()
    return placed


def oddities(trade: UUID) -> list[dict[str, Any]]:
    events = Trade.objects.get(pk=trade).events.filter(kind="ANOMALY").order_by("seq")
    return list(events.values_list("data", flat=True))


def stands(trade: UUID) -> tuple[str, int, int]:
    shown = steps.picture(trade)
    return shown["status"], shown["filled_quantity"], shown["leaves_quantity"]


def test_the_same_figures_are_not_odd(trade: UUID) -> None:
    steps.tell(
        steps.report(trade, "A", OrdStatus="A", OrderQty="10", CumQty="0", LeavesQty="10"),
        steps.report(trade, "0", OrdStatus="0", OrderQty="10", CumQty="0", LeavesQty="10"),
        steps.fill(trade, 4, "100.00", OrdStatus="1", CumQty="4", LeavesQty="6"),
    )
    steps.amend(trade, quantity=12)
    steps.run_to_sent()
    steps.tell(
        steps.report(trade, "E", seq=2, OrdStatus="E", OrderQty="10", CumQty="4", LeavesQty="6"),
        steps.report(trade, "E", seq=2, OrdStatus="E", OrderQty="12", CumQty="4", LeavesQty="6"),
        steps.cancel_reject(trade, seq=2, OrdStatus="1", CxlRejResponseTo="2"),
        steps.report(trade, "4", OrdStatus="4", CumQty="4", LeavesQty="0"),
    )
    assert oddities(trade) == []


def test_other_figures_are_noted_in_one_entry_and_ours_count(trade: UUID) -> None:
    steps.tell(steps.report(trade, "0"), steps.fill(trade, 4, "100.00", OrdStatus="2", CumQty="10", LeavesQty="0"))
    assert stands(trade) == ("PARTIALLY_FILLED", 4, 6)
    assert oddities(trade) == [
        {
            "code": "REPORT_DIFFERS",
            "status": "FILLED",
            "our_status": "PARTIALLY_FILLED",
            "filled_quantity": 10,
            "our_filled_quantity": 4,
            "leaves_quantity": 0,
            "our_leaves_quantity": 6,
        }
    ]


def test_a_status_that_nobody_knows_is_noted(trade: UUID) -> None:
    steps.tell(steps.report(trade, "0", OrdStatus="Z"))
    assert oddities(trade) == [{"code": "REPORT_DIFFERS", "status": "Z", "our_status": "NEW"}]


def test_a_pending_report_with_another_quantity_is_noted(trade: UUID) -> None:
    steps.tell(steps.report(trade, "A", OrderQty="11"))
    assert oddities(trade) == [{"code": "REPORT_DIFFERS", "quantity": 11, "our_quantity": 10}]
    assert steps.picture(trade)["quantity"] == 10


def test_a_cancel_reject_that_answers_something_else_is_noted_and_closes_its_request(trade: UUID) -> None:
    steps.tell(steps.report(trade, "0"))
    steps.cancel(trade)
    steps.run_to_sent()
    steps.tell(steps.cancel_reject(trade, seq=2, CxlRejResponseTo="2"))
    assert oddities(trade) == [{"code": "REPORT_DIFFERS", "answers": "AMEND", "our_answers": "CANCEL"}]
    assert steps.picture(trade)["requests"][1]["outcome"] == "REJECTED"


def test_what_is_sent_again_is_of_an_earlier_time(trade: UUID) -> None:
    steps.tell(steps.report(trade, "0"), steps.fill(trade, 6, "100.00", OrdStatus="1", CumQty="10", LeavesQty="0"))
    steps.tell(steps.fill(trade, 4, "100.00", OrdStatus="1", CumQty="4", LeavesQty="6", resend=True))
    assert len(oddities(trade)) == 1
    assert stands(trade) == ("FILLED", 10, 0)
