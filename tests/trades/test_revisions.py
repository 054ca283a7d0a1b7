"""Busts and corrections: an execution never was, or was another one."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from brokerage.models import Trader
from exchange.models import QuarantinedMessage
from holdings import selectors as holdings
from tests.trades import steps
from trades.models import Execution, PendingRevision, Trade
from wallets import selectors as wallets
from wallets import services as wallet_services

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("share")]


def working(trader: Trader, side: str = "BUY", quantity: int = 10) -> UUID:
    """An order at 100.00 that the exchange has accepted."""
    trade = steps.place(trader, side, quantity)
    steps.run_to_sent()
    steps.tell(steps.report(trade, "0"))
    return trade


def fill(trade: UUID, exec_id: str, quantity: int, price: str = "100.00") -> Any:
    return steps.fill(trade, quantity, price, ExecID=exec_id)


def bust(trade: UUID, exec_id: str, ref: str) -> Any:
    return steps.report(trade, "H", ExecID=exec_id, ExecRefID=ref)


def correct(trade: UUID, exec_id: str, ref: str, quantity: int, price: str) -> Any:
    return steps.report(trade, "G", ExecID=exec_id, ExecRefID=ref, LastQty=str(quantity), LastPx=price)


def stands(trade: UUID) -> tuple[str, int, str, str | None]:
    shown = steps.picture(trade)
    return shown["status"], shown["filled_quantity"], shown["reserved"]["cash"], shown["average_price"]


def cash(trader: Trader) -> tuple[Decimal, Decimal, Decimal]:
    wallet = wallets.wallet_of(trader.pk)
    return wallet.balance, wallet.blocked, wallet.debt


def shares(trader: Trader) -> tuple[int, int, int]:
    holding = holdings.holding_of(trader.pk, "ACME")
    return holding.quantity, holding.blocked, holding.short


def oddities(trade: UUID) -> list[str]:
    events = Trade.objects.get(pk=trade).events.filter(kind="ANOMALY").order_by("seq")
    return [data["code"] for data in events.values_list("data", flat=True)]


class TestBusts:
    def test_a_bust_gives_back_money_and_shares_and_opens_the_order_again(self, alice: Trader) -> None:
        trade = working(alice)
        steps.tell(fill(trade, "X1", 4, "99.00"), fill(trade, "X2", 6))
        assert stands(trade) == ("FILLED", 10, "0.00", "99.6000")
        steps.tell(bust(trade, "B1", "X1"))
        assert stands(trade) == ("PARTIALLY_FILLED", 6, "400.00", "100.0000")
        assert cash(alice) == (Decimal("99400.00"), Decimal("400.00"), 0)
        assert shares(alice) == (6, 0, 0)

    def test_a_bust_of_everything_leaves_a_working_order(self, alice: Trader) -> None:
        trade = working(alice)
        steps.tell(fill(trade, "X1", 4), bust(trade, "B1", "X1"))
        assert stands(trade) == ("NEW", 0, "1000.00", None)

    def test_a_bust_after_the_end_opens_nothing(self, alice: Trader) -> None:
        trade = working(alice)
        steps.tell(fill(trade, "X1", 4), steps.report(trade, "4"), bust(trade, "B1", "X1"))
        assert stands(trade) == ("CANCELED", 0, "0.00", None)
        assert cash(alice) == (Decimal("100000.00"), 0, 0)

    def test_a_bust_after_an_amendment_below_what_was_filled_opens_up_to_its_terms(self, alice: Trader) -> None:
        trade = working(alice)
        steps.tell(fill(trade, "X1", 4), fill(trade, "X2", 3))
        steps.amend(trade, quantity=5)
        steps.run_to_sent()
        steps.tell(steps.report(trade, "5", seq=2, OrderQty="5", Price="100.00"))
        assert stands(trade) == ("FILLED", 7, "0.00", "100.0000")
        steps.tell(bust(trade, "B1", "X1"))
        assert stands(trade) == ("PARTIALLY_FILLED", 3, "200.00", "100.0000")
        assert steps.picture(trade)["quantity"] == 5

    def test_the_bust_of_a_sale_takes_the_money_back_even_if_it_is_gone(self, bob: Trader) -> None:
        trade = working(bob, "SELL")
        steps.tell(fill(trade, "X1", 10))
        wallet_services.withdraw(trader_id=bob.pk, amount=Decimal("900.00"), key="spent")
        steps.tell(bust(trade, "B1", "X1"))
        assert cash(bob) == (0, 0, Decimal("900.00"))
        assert shares(bob) == (1000, 10, 0)
        steps.wallets_for(bob, "1000.00")
        assert cash(bob) == (Decimal("100.00"), 0, 0)

    def test_a_second_bust_of_the_same_changes_nothing(self, alice: Trader) -> None:
        trade = working(alice)
        steps.tell(fill(trade, "X1", 4), bust(trade, "B1", "X1"))
        before = cash(alice)
        steps.tell(bust(trade, "B2", "X1"), bust(trade, "B1", "X1"))
        assert cash(alice) == before
        assert oddities(trade) == ["REVISES_AN_OLD_VERSION", "BUSTED_ALREADY"]


class TestCorrections:
    def test_a_correction_settles_the_difference(self, alice: Trader) -> None:
        trade = working(alice)
        steps.tell(fill(trade, "X1", 4, "99.00"))
        steps.tell(correct(trade, "C1", "X1", 3, "98.50"))
        assert stands(trade) == ("PARTIALLY_FILLED", 3, "700.00", "98.5000")
        assert cash(alice) == (Decimal("99704.50"), Decimal("700.00"), 0)
        assert shares(alice) == (3, 0, 0)

    def test_corrections_follow_each_other_and_a_bust_ends_them(self, alice: Trader) -> None:
        trade = working(alice)
        steps.tell(fill(trade, "X1", 4), correct(trade, "C1", "X1", 5, "99.00"), correct(trade, "C2", "C1", 6, "98.00"))
        assert stands(trade) == ("PARTIALLY_FILLED", 6, "400.00", "98.0000")
        steps.tell(bust(trade, "B1", "C2"))
        assert stands(trade) == ("NEW", 0, "1000.00", None)
        versions = Execution.objects.order_by("received_at", "exec_id").values_list("exec_id", "original", "replaces")
        assert set(versions) == {("X1", None, None), ("C1", "X1", "X1"), ("C2", "X1", "C1"), ("B1", "X1", "C2")}
        assert oddities(trade) == []

    def test_one_that_names_an_old_version_revises_the_latest(self, alice: Trader) -> None:
        trade = working(alice)
        steps.tell(fill(trade, "X1", 4), correct(trade, "C1", "X1", 5, "99.00"))
        steps.tell(correct(trade, "C2", "X1", 6, "98.00"))
        assert stands(trade)[1] == 6
        assert oddities(trade) == ["REVISES_AN_OLD_VERSION"]

    def test_beyond_the_limit_it_counts_and_the_house_lends(self, carol: Trader) -> None:
        steps.wallets_for(carol, "1000.00")
        trade = working(carol)
        steps.tell(fill(trade, "X1", 10), correct(trade, "C1", "X1", 10, "101.00"))
        assert cash(carol) == (0, 0, Decimal("10.00"))
        assert oddities(trade) == ["REVISED_AFTER_FILLED", "FILL_BEYOND_LIMIT"]

    def test_that_comes_twice_counts_once(self, alice: Trader) -> None:
        trade = working(alice)
        again = correct(trade, "C1", "X1", 3, "99.00")
        steps.tell(fill(trade, "X1", 4), again, again)
        steps.tell(again)
        assert stands(trade)[1] == 3

    def test_under_a_known_id_with_other_numbers_is_set_aside(self, alice: Trader) -> None:
        trade = working(alice)
        steps.tell(fill(trade, "X1", 4), correct(trade, "C1", "X1", 3, "99.00"))
        steps.tell(correct(trade, "C1", "X1", 2, "99.00"))
        assert stands(trade)[1] == 3
        assert QuarantinedMessage.objects.get().code == "EXEC_ID_REUSED"

    def test_of_an_execution_of_another_trade_is_set_aside(self, alice: Trader) -> None:
        trade, other = working(alice), working(alice)
        steps.tell(fill(trade, "X1", 4))
        steps.tell(bust(other, "B1", "X1"))
        assert stands(trade)[1] == 4
        assert "another trade" in QuarantinedMessage.objects.get().detail


class TestBeforeTheirExecution:
    def test_a_bust_waits_for_its_execution(self, alice: Trader) -> None:
        trade = working(alice)
        steps.tell(bust(trade, "B1", "X1"))
        assert PendingRevision.objects.get().exec_ref_id == "X1"
        assert oddities(trade) == ["EXECUTION_NOT_KNOWN"]
        steps.tell(fill(trade, "X1", 4))
        assert stands(trade) == ("NEW", 0, "1000.00", None)
        assert not PendingRevision.objects.exists()

    def test_a_correction_waits_for_the_bust_it_corrects(self, alice: Trader) -> None:
        trade = working(alice)
        steps.tell(fill(trade, "X1", 4), correct(trade, "C1", "B1", 3, "99.00"))
        steps.tell(bust(trade, "B1", "X1"))
        assert stands(trade)[1] == 3
        assert not PendingRevision.objects.exists()

    def test_in_one_batch_nothing_is_left_waiting(self, alice: Trader) -> None:
        trade = working(alice)
        steps.tell(correct(trade, "C1", "X1", 3, "99.00"), fill(trade, "X1", 4))
        assert stands(trade)[1] == 3
        assert not PendingRevision.objects.exists()

    def test_a_whole_chain_may_come_backwards(self, alice: Trader) -> None:
        trade = working(alice)
        steps.tell(bust(trade, "B1", "C1"))
        steps.tell(correct(trade, "C1", "X1", 3, "99.00"))
        assert PendingRevision.objects.count() == 2
        steps.tell(fill(trade, "X1", 4))
        assert stands(trade) == ("NEW", 0, "1000.00", None)
        assert not PendingRevision.objects.exists()

    def test_one_that_waits_and_comes_again_is_not_kept_twice(self, alice: Trader) -> None:
        trade = working(alice)
        steps.tell(bust(trade, "B1", "X1"), bust(trade, "B1", "X1"))
        steps.tell(bust(trade, "B1", "X1"))
        assert PendingRevision.objects.count() == 1

    def test_what_waits_for_an_execution_of_another_trade_goes_on_waiting(self, alice: Trader) -> None:
        trade, other = working(alice), working(alice)
        steps.tell(bust(other, "B1", "X1"))
        steps.tell(fill(trade, "X1", 4))
        assert stands(trade)[1] == 4
        assert PendingRevision.objects.exists()


def test_a_batch_of_revisions_costs_a_constant_number_of_statements(
    alice: Trader, django_assert_max_num_queries: Any
) -> None:
    trade = working(alice, quantity=100)
    steps.tell(*(fill(trade, f"X{n}", 1) for n in range(20)))
    reports = [correct(trade, f"C{n}", f"X{n}", 1, "99.00") for n in range(20)]
    with django_assert_max_num_queries(25):
        steps.tell(*reports)
