"""Fees on a real database: blocked with the price, charged with each execution, given back with what is taken back."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from brokerage.models import FeeSchedule, Trader
from holdings.selectors import holding_of
from tests.trades import steps
from trades.models import Trade
from trades.queries import timeline
from wallets import services as wallet_services
from wallets.selectors import entries_of, wallet_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("share")]

D = Decimal


@pytest.fixture
def schedule() -> FeeSchedule:
    """One per cent, at least 5.00, at most 20.00."""
    return FeeSchedule.objects.create(name="standard", rate=D("0.01"), minimum=D("5.00"), cap=D("20.00"))


@pytest.fixture
def dora(schedule: FeeSchedule) -> Trader:
    """Dora pays fees, and has exactly what ten shares at 100.00 cost her."""
    trader = Trader.objects.create(name="Dora", fee_schedule=schedule)
    steps.wallets_for(trader, "1010.00")
    return trader


@pytest.fixture
def emil(schedule: FeeSchedule) -> Trader:
    """Emil pays fees, and has shares and no money."""
    trader = Trader.objects.create(name="Emil", fee_schedule=schedule)
    steps.holdings_for(trader, ACME=1000)
    return trader


def working(trader: Trader, side: str = "BUY", quantity: int = 10, price: str = "100.00") -> UUID:
    """An order that the exchange has accepted."""
    trade = steps.place(trader, side, quantity, price)
    steps.run_to_sent()
    steps.tell(steps.report(trade, "0"))
    return trade


def fill(trade: UUID, exec_id: str, quantity: int, price: str = "100.00") -> Any:
    return steps.fill(trade, quantity, price, ExecID=exec_id)


def bust(trade: UUID, exec_id: str, ref: str) -> Any:
    return steps.report(trade, "H", ExecID=exec_id, ExecRefID=ref)


def correct(trade: UUID, exec_id: str, ref: str, quantity: int, price: str) -> Any:
    return steps.report(trade, "G", ExecID=exec_id, ExecRefID=ref, LastQty=str(quantity), LastPx=price)


def cash(trader: Trader) -> tuple[Decimal, Decimal, Decimal]:
    wallet = wallet_of(trader.pk)
    return wallet.balance, wallet.blocked, wallet.debt


def fees(trade: UUID) -> str:
    return steps.picture(trade)["fees"]


def told(trader: Trader) -> list[tuple[str, str, str]]:
    """The journal, oldest first: kind, change of the balance, change of what is blocked."""
    return [(e.kind, f"{e.amount:+}", f"{e.blocked_change:+}") for e in entries_of(trader.pk).reverse()]


class TestAccepting:
    def test_freezes_the_schedule_on_the_trade(self, dora: Trader, schedule: FeeSchedule) -> None:
        trade = steps.place(dora)
        FeeSchedule.objects.update(rate=D("0.5"), minimum=D("50.00"), cap=None)
        Trader.objects.update(fee_schedule=None)
        row = Trade.objects.get(pk=trade)
        assert (row.fee_rate, row.fee_minimum, row.fee_cap) == (D("0.01"), D("5.00"), D("20.00"))
        steps.run_to_sent()
        steps.tell(fill(trade, "X1", 10))
        assert fees(trade) == "10.00"

    def test_a_trader_without_a_schedule_pays_nothing(self, alice: Trader) -> None:
        trade = working(alice)
        assert wallet_of(alice.pk).blocked == D("1000.00")
        steps.tell(fill(trade, "X1", 10))
        assert (fees(trade), cash(alice)) == ("0.00", (D("99000.00"), 0, 0))
        assert not entries_of(alice.pk).filter(kind="FEE").exists()


class TestBuying:
    def test_blocks_price_and_fee_and_is_refused_for_want_of_the_fee(self, dora: Trader) -> None:
        wallet_services.withdraw(trader_id=dora.pk, amount=D("0.01"), key="a paisa")
        trade = steps.place(dora)
        steps.run_to_booked()
        reason = Trade.objects.get(pk=trade).reason
        numbers = {"needed": "1010.00", "available": "1009.99", "short": "0.01"}
        assert (reason["code"], reason["details"]) == ("INSUFFICIENT_FUNDS", numbers)
        assert cash(dora) == (D("1009.99"), 0, 0)

    def test_at_the_limit_what_is_blocked_pays_for_both_and_nothing_is_lent(self, dora: Trader) -> None:
        trade = working(dora)
        assert cash(dora) == (D("1010.00"), D("1010.00"), 0)
        steps.tell(fill(trade, "X1", 4), fill(trade, "X2", 6))
        assert (fees(trade), cash(dora)) == ("10.00", (0, 0, 0))
        assert told(dora)[1:] == [
            ("BLOCK", "+0.00", "+1010.00"),
            ("SETTLE", "-400.00", "-405.00"),
            ("FEE", "-5.00", "+0.00"),
            ("SETTLE", "-600.00", "-605.00"),
            ("FEE", "-5.00", "+0.00"),
        ]

    def test_below_the_limit_the_fee_is_less_too(self, dora: Trader) -> None:
        trade = working(dora)
        steps.tell(fill(trade, "X1", 10, "90.00"))
        assert (fees(trade), cash(dora)) == ("9.00", (D("101.00"), 0, 0))

    def test_many_small_fills_cost_what_one_would(self, dora: Trader) -> None:
        trade = working(dora)
        steps.tell(*(fill(trade, f"X{n}", 1) for n in range(10)))
        assert (fees(trade), cash(dora)) == ("10.00", (0, 0, 0))
        charged = [entry.amount for entry in entries_of(dora.pk).filter(kind="FEE").reverse()]
        assert charged == [D("-5.00")] + [D("-1.00")] * 5  # nothing while the minimum covers it

    def test_never_costs_more_than_the_cap(self, dora: Trader) -> None:
        steps.wallets_for(dora, "9010.00")
        trade = working(dora, quantity=100)
        assert cash(dora) == (D("10020.00"), D("10020.00"), 0)
        steps.tell(fill(trade, "X1", 30), fill(trade, "X2", 70))
        assert (fees(trade), cash(dora)) == ("20.00", (0, 0, 0))

    def test_above_the_limit_the_house_lends_what_price_and_fee_lack(self, dora: Trader) -> None:
        trade = working(dora)
        steps.tell(fill(trade, "X1", 10, "110.00"))
        assert (fees(trade), cash(dora)) == ("11.00", (0, 0, D("101.00")))
        assert [kind for kind, *_ in told(dora)[2:]] == ["LOAN", "SETTLE", "FEE"]

    def test_a_fill_that_comes_twice_is_charged_once(self, dora: Trader) -> None:
        trade = working(dora)
        report = fill(trade, "X1", 4)
        steps.tell(report, report)
        steps.tell(report)
        assert (fees(trade), cash(dora)) == ("5.00", (D("605.00"), D("605.00"), 0))

    def test_a_cancellation_leaves_nothing_blocked(self, dora: Trader) -> None:
        trade = working(dora)
        steps.tell(fill(trade, "X1", 4))
        steps.cancel(trade)
        steps.run_to_sent()
        steps.tell(steps.report(trade, "4", seq=2))
        assert (fees(trade), cash(dora)) == ("5.00", (D("605.00"), 0, 0))


class TestAmending:
    def test_upwards_blocks_the_fee_of_the_increase_before_it_is_sent(self, dora: Trader) -> None:
        steps.wallets_for(dora, "505.00")
        trade = working(dora)
        steps.amend(trade, quantity=15)
        steps.run_to_sent()
        assert cash(dora) == (D("1515.00"), D("1515.00"), 0)
        steps.tell(steps.report(trade, "5", seq=2), fill(trade, "X1", 15))
        assert (fees(trade), cash(dora)) == ("15.00", (0, 0, 0))

    def test_upwards_is_refused_alone_for_want_of_the_fee(self, dora: Trader) -> None:
        steps.wallets_for(dora, "504.99")
        trade = working(dora)
        steps.amend(trade, quantity=15)
        steps.run_to_booked()
        amendment = Trade.objects.get(pk=trade).requests.get(seq=2)
        assert amendment.reason["details"] == {"needed": "505.00", "available": "504.99", "short": "0.01"}
        assert cash(dora) == (D("1514.99"), D("1010.00"), 0)

    def test_downwards_frees_its_fee_when_the_exchange_says_so(self, dora: Trader) -> None:
        trade = working(dora)
        steps.amend(trade, quantity=4)
        steps.run_to_sent()
        assert cash(dora)[1] == D("1010.00")
        steps.tell(steps.report(trade, "5", seq=2))
        assert cash(dora)[1] == D("405.00")

    def test_below_what_is_filled_blocks_nothing_any_more(self, dora: Trader) -> None:
        trade = working(dora)
        steps.tell(fill(trade, "X1", 8))
        steps.amend(trade, quantity=5)
        steps.run_to_sent()
        steps.tell(steps.report(trade, "5", seq=2))
        assert (fees(trade), cash(dora)) == ("8.00", (D("202.00"), 0, 0))


class TestBustsAndCorrections:
    def test_a_bust_gives_the_fee_back_and_blocks_it_again_without_a_loan(self, dora: Trader) -> None:
        trade = working(dora)
        steps.tell(fill(trade, "X1", 10))
        steps.tell(bust(trade, "B1", "X1"))
        assert (fees(trade), cash(dora)) == ("0.00", (D("1010.00"), D("1010.00"), 0))
        assert told(dora)[-2:] == [("FEE", "+10.00", "+0.00"), ("SETTLE", "+1000.00", "+1010.00")]

    def test_a_bust_after_the_end_gives_it_back_for_good(self, dora: Trader) -> None:
        trade = working(dora)
        steps.tell(fill(trade, "X1", 6), steps.report(trade, "4"), bust(trade, "B1", "X1"))
        assert (fees(trade), cash(dora)) == ("0.00", (D("1010.00"), 0, 0))

    def test_a_correction_charges_or_gives_back_the_difference(self, dora: Trader) -> None:
        trade = working(dora)
        steps.tell(fill(trade, "X1", 10, "90.00"), correct(trade, "C1", "X1", 10, "95.00"))
        assert (fees(trade), cash(dora)) == ("9.50", (D("50.50"), 0, 0))
        steps.tell(correct(trade, "C2", "C1", 6, "95.00"))
        assert (fees(trade), cash(dora)) == ("5.70", (D("434.30"), D("404.00"), 0))
        charged = [entry.amount for entry in entries_of(dora.pk).filter(kind="FEE").reverse()]
        assert charged == [D("-9.00"), D("-0.50"), D("3.80")]

    def test_the_bust_of_a_sale_lends_no_more_than_is_missing(self, emil: Trader) -> None:
        trade = working(emil, "SELL")
        steps.tell(fill(trade, "X1", 10))
        wallet_services.withdraw(trader_id=emil.pk, amount=D("990.00"), key="spent")
        steps.tell(bust(trade, "B1", "X1"))
        assert (fees(trade), cash(emil)) == ("0.00", (0, 0, D("990.00")))
        assert told(emil)[-3:] == [
            ("LOAN", "+990.00", "+0.00"),
            ("FEE", "+10.00", "+0.00"),
            ("SETTLE", "-1000.00", "+0.00"),
        ]


class TestSelling:
    def test_takes_the_fee_out_of_what_comes_in(self, emil: Trader) -> None:
        trade = working(emil, "SELL", 30)
        assert (cash(emil), holding_of(emil.pk, "ACME").blocked) == ((0, 0, 0), 30)
        steps.tell(fill(trade, "X1", 10))
        assert (fees(trade), cash(emil)) == ("10.00", (D("990.00"), 0, 0))
        steps.tell(fill(trade, "X2", 20))
        assert (fees(trade), cash(emil)) == ("20.00", (D("2980.00"), 0, 0))
        assert told(emil)[:2] == [("SETTLE", "+1000.00", "+0.00"), ("FEE", "-10.00", "+0.00")]

    def test_a_cheap_sale_costs_no_more_than_it_brings_in(self, emil: Trader) -> None:
        trade = working(emil, "SELL", 10, "50.00")
        steps.tell(steps.fill(trade, 4, "1.00"))
        assert (fees(trade), cash(emil)) == ("4.00", (0, 0, 0))
        steps.tell(steps.fill(trade, 6, "1.00"))
        assert (fees(trade), cash(emil)) == ("5.00", (D("5.00"), 0, 0))

    def test_repays_the_house_what_is_left_after_the_fee(self, emil: Trader) -> None:
        trade = working(emil, "SELL")
        steps.tell(fill(trade, "X1", 10))
        wallet_services.withdraw(trader_id=emil.pk, amount=D("990.00"), key="spent")
        steps.tell(bust(trade, "B1", "X1"), fill(trade, "X2", 10))
        assert cash(emil) == (0, 0, 0)
        assert [kind for kind, *_ in told(emil)[-3:]] == ["SETTLE", "FEE", "REPAY"]


class TestTheTimeline:
    def test_tells_the_fee_beside_what_was_paid(self, dora: Trader) -> None:
        trade = working(dora)
        steps.tell(fill(trade, "X1", 10))
        last = timeline.read(trade).entries[-1]
        assert [(entry.kind, entry.amount) for entry in last.cash] == [("SETTLE", D("-1000.00")), ("FEE", D("-10.00"))]


class TestTheDatabase:
    @pytest.mark.parametrize(
        "terms",
        [
            {"rate": D("-0.01")},
            {"rate": D("1.01")},
            {"minimum": D("-0.01")},
            {"cap": D("4.99")},
        ],
    )
    def test_refuses_an_impossible_schedule(self, terms: dict[str, Decimal]) -> None:
        possible = {"name": "x", "rate": D("0.01"), "minimum": D("5.00")}
        with pytest.raises(IntegrityError, match="fee_schedule_"), transaction.atomic():
            FeeSchedule.objects.create(**(possible | terms))

    @pytest.mark.parametrize("terms", [{"fee_rate": 2}, {"fee_minimum": -1}, {"fee_cap": -1}])
    def test_refuses_it_on_a_trade(self, alice: Trader, terms: dict[str, int]) -> None:
        trade = steps.place(alice)
        with pytest.raises(IntegrityError, match="trade_fees_possible"), transaction.atomic():
            Trade.objects.filter(pk=trade).update(**terms)


def test_charging_takes_no_statement_more(dora: Trader, alice: Trader) -> None:
    free, paying = fill(working(alice), "X1", 1), fill(working(dora), "X2", 1)
    with CaptureQueriesContext(connection) as without:
        steps.tell(free)
    with CaptureQueriesContext(connection) as charging:
        steps.tell(paying)
    assert len(charging) == len(without)
