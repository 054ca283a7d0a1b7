"""A fact of the exchange is never refused for want of cash: the house lends it, and takes it back first."""

from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
import structlog
from django.db import transaction

from wallets import selectors, services

# The trades named here exist in the wallets' journal only.
pytestmark = [pytest.mark.breaks_the_books, pytest.mark.usefixtures("own_books")]

D = Decimal


def journal(trader_id: int) -> list[tuple[str, ...]]:
    """Return the entries after the opening deposit: kind, amount, blocked change; balance, blocked, debt after it."""
    return [
        (
            entry.kind,
            *(f"{change:+}" for change in (entry.amount, entry.blocked_change)),
            *map(str, (entry.balance_after, entry.blocked_after, entry.debt_after)),
        )
        for entry in selectors.entries_of(trader_id).reverse()
    ][1:]


@pytest.fixture
def indebted(dora: int, trade: UUID) -> int:
    """Dora has 100.00, all held by a trade, and owes the house 50.00 of it."""
    with transaction.atomic():
        ledger = services.open_ledger([dora])
        ledger.settle(dora, amount=D("-50.00"), hold_change=D(0), trade_id=trade, execution="E0")
        ledger.block_on_credit(dora, D("100.00"), trade_id=trade)
        ledger.post()
    return dora


class TestLending:
    def test_pays_a_fill_that_is_dearer_than_its_hold_and_all_the_rest(self, dora: int, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block(dora, D("80.00"), trade_id=trade)
            ledger.settle(dora, amount=D("-130.50"), hold_change=D("-80.00"), trade_id=trade, execution="E1")
            ledger.post()
        assert journal(dora) == [
            ("BLOCK", "+0.00", "+80.00", "100.00", "80.00", "0.00"),
            ("LOAN", "+30.50", "+0.00", "130.50", "80.00", "30.50"),
            ("SETTLE", "-130.50", "-80.00", "0.00", "0.00", "30.50"),
        ]

    def test_leaves_alone_what_other_trades_hold(self, dora: int, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block(dora, D("60.00"), trade_id=uuid4())
            ledger.settle(dora, amount=D("-70.00"), hold_change=D(0), trade_id=trade, execution="E1")
            ledger.post()
        assert journal(dora)[1:] == [
            ("LOAN", "+30.00", "+0.00", "130.00", "60.00", "30.00"),
            ("SETTLE", "-70.00", "+0.00", "60.00", "60.00", "30.00"),
        ]

    def test_lends_nothing_for_what_is_covered_to_the_last_paisa(self, dora: int, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.settle(dora, amount=D("-40.00"), hold_change=D(0), trade_id=trade, execution="E1")
            ledger.block_on_credit(dora, D("60.00"), trade_id=trade)
            ledger.post()
        assert [kind for kind, *_ in journal(dora)] == ["SETTLE", "BLOCK"]
        assert selectors.wallet_of(dora).debt == 0

    def test_holds_what_the_exchange_raised(self, dora: int, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            assert ledger.block_on_credit(dora, D("100.01"), trade_id=trade) is None
            ledger.post()
        assert journal(dora) == [
            ("LOAN", "+0.01", "+0.00", "100.01", "0.00", "0.01"),
            ("BLOCK", "+0.00", "+100.01", "100.01", "100.01", "0.01"),
        ]

    def test_lends_for_a_bust_that_gives_back_less_than_it_opens_again(self, dora: int, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.settle(dora, amount=D("20.00"), hold_change=D("150.00"), trade_id=trade, execution="X1")
            ledger.post()
        assert journal(dora) == [
            ("LOAN", "+30.00", "+0.00", "130.00", "0.00", "30.00"),
            ("SETTLE", "+20.00", "+150.00", "150.00", "150.00", "30.00"),
        ]

    def test_lends_to_a_trader_who_never_had_anything(self, emil: int, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([emil])
            ledger.settle(emil, amount=D("-5.00"), hold_change=D(0), trade_id=trade, execution="E1")
            ledger.post()
        wallet = selectors.wallet_of(emil)
        assert (wallet.balance, wallet.blocked, wallet.debt) == (0, 0, D("5.00"))

    def test_lends_on_top_of_what_is_lent(self, indebted: int, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([indebted])
            ledger.settle(indebted, amount=D("-7.00"), hold_change=D(0), trade_id=trade, execution="E1")
            ledger.post()
        wallet = selectors.wallet_of(indebted)
        assert (wallet.balance, wallet.blocked, wallet.debt) == (D("100.00"), D("100.00"), D("57.00"))

    def test_names_the_trade_and_the_entry_of_its_timeline(self, dora: int, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block_on_credit(dora, D("101.00"), trade_id=trade, trade_revision=7)
            ledger.release(dora, D("101.00"), trade_id=trade, trade_revision=8)
            entries = ledger.post()
        assert [(entry.kind, entry.trade_id, entry.trade_revision) for entry in entries] == [
            ("LOAN", trade, 7),
            ("BLOCK", trade, 7),
            ("RELEASE", trade, 8),
            ("REPAY", trade, 8),
        ]
        assert {entry.contra for entry in entries if entry.kind in ("LOAN", "REPAY")} == {"house"}

    def test_costs_no_statement_more(self, dora: int, trade: UUID, django_assert_num_queries: Any) -> None:
        with transaction.atomic(), django_assert_num_queries(4):
            ledger = services.open_ledger([dora])
            for number in range(20):
                ledger.settle(dora, amount=D(-50), hold_change=D(0), trade_id=trade, execution=f"E{number}")
            assert [entry.kind for entry in ledger.post()].count("LOAN") == 18


class TestRepaying:
    def test_comes_first_out_of_a_deposit(self, indebted: int) -> None:
        receipt = services.deposit(trader_id=indebted, amount=D("30.00"), key="k")
        assert (receipt.entry.kind, receipt.entry.amount) == ("DEPOSIT", D("30.00"))
        assert journal(indebted)[-2:] == [
            ("DEPOSIT", "+30.00", "+0.00", "130.00", "100.00", "50.00"),
            ("REPAY", "-30.00", "+0.00", "100.00", "100.00", "20.00"),
        ]
        assert (selectors.entries_of(indebted)[0].trade_id, selectors.entries_of(indebted)[0].key) == (None, None)
        assert services.deposit(trader_id=indebted, amount=D("30.00"), key="k").replayed

    def test_takes_no_more_than_is_owed(self, indebted: int) -> None:
        services.deposit(trader_id=indebted, amount=D("80.00"), key="k")
        wallet = selectors.wallet_of(indebted)
        assert (wallet.balance, wallet.available, wallet.debt) == (D("130.00"), D("30.00"), 0)

    def test_comes_out_of_what_a_trade_gives_back(self, indebted: int, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([indebted])
            ledger.release(indebted, D("20.00"), trade_id=trade)
            ledger.post()
        assert journal(indebted)[-2:] == [
            ("RELEASE", "+0.00", "-20.00", "100.00", "80.00", "50.00"),
            ("REPAY", "-20.00", "+0.00", "80.00", "80.00", "30.00"),
        ]

    def test_comes_out_of_what_is_received(self, indebted: int) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([indebted])
            ledger.settle(indebted, amount=D("50.01"), hold_change=D(0), trade_id=uuid4(), execution="E1")
            ledger.post()
        wallet = selectors.wallet_of(indebted)
        assert (wallet.balance, wallet.available, wallet.debt) == (D("100.01"), D("0.01"), 0)

    def test_comes_out_of_a_better_price(self, indebted: int, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([indebted])
            ledger.settle(indebted, amount=D("-39.50"), hold_change=D("-40.00"), trade_id=trade, execution="E1")
            ledger.post()
        assert journal(indebted)[-2:] == [
            ("SETTLE", "-39.50", "-40.00", "60.50", "60.00", "50.00"),
            ("REPAY", "-0.50", "+0.00", "60.00", "60.00", "49.50"),
        ]


class TestWhileInDebt:
    def test_a_new_order_is_refused(self, indebted: int) -> None:
        with transaction.atomic():
            shortfall = services.open_ledger([indebted]).block(indebted, D("0.01"), trade_id=uuid4())
        assert shortfall == services.Shortfall(D("0.01"), D("0.00"))

    def test_a_withdrawal_is_refused(self, indebted: int) -> None:
        refused = services.withdraw(trader_id=indebted, amount=D("0.01"), key="k")
        assert refused == services.Shortfall(D("0.01"), D("0.00"))

    def test_nothing_is_lent_for_either(self, indebted: int) -> None:
        before = journal(indebted)
        services.withdraw(trader_id=indebted, amount=D("0.01"), key="k")
        with transaction.atomic():
            ledger = services.open_ledger([indebted])
            ledger.block(indebted, D("0.01"), trade_id=uuid4())
            assert ledger.post() == []
        assert journal(indebted) == before

    def test_a_deposit_that_leaves_something_may_be_blocked(self, indebted: int) -> None:
        services.deposit(trader_id=indebted, amount=D("51.00"), key="k")
        with transaction.atomic():
            ledger = services.open_ledger([indebted])
            assert ledger.block(indebted, D("1.01"), trade_id=uuid4()) is not None
            assert ledger.block(indebted, D("1.00"), trade_id=uuid4()) is None


class TestOurMistakes:
    """They raise, change nothing and lend nothing."""

    def test_freeing_more_than_is_blocked(self, dora: int, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block(dora, D("80.00"), trade_id=trade)
            with pytest.raises(services.LedgerError, match=r"blocked -80\.01"):
                ledger.settle(dora, amount=D("-500.00"), hold_change=D("-80.01"), trade_id=trade, execution="E1")
            assert [entry.kind for entry in ledger.post()] == ["BLOCK"]
        assert selectors.wallet_of(dora).debt == 0

    @pytest.mark.parametrize("amount", ["999999999999999999.99", "-999999999999999999.99"])
    def test_figures_that_no_column_holds(self, dora: int, trade: UUID, amount: str) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block(dora, D("100.00"), trade_id=trade)
            with pytest.raises(services.LedgerError):
                ledger.settle(dora, amount=D(amount), hold_change=D(0), trade_id=trade, execution="E1")
            assert [entry.kind for entry in ledger.post()] == ["BLOCK"]

    def test_a_debt_that_no_column_holds(self, emil: int, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([emil])
            most = D("-999999999999999999.99")
            ledger.settle(emil, amount=most, hold_change=D(0), trade_id=trade, execution="E1")
            with pytest.raises(services.LedgerError):
                ledger.settle(emil, amount=D("-0.01"), hold_change=D(0), trade_id=trade, execution="E2")
            ledger.post()
        assert selectors.wallet_of(emil).debt == -most

    @pytest.mark.parametrize("amount", [D("-0.01"), D("0.001"), 1.5])
    def test_holding_what_is_no_amount(self, dora: int, trade: UUID, amount: object) -> None:
        with transaction.atomic(), pytest.raises((TypeError, ValueError)):
            services.open_ledger([dora]).block_on_credit(dora, amount, trade_id=trade)

    def test_holding_nothing_writes_nothing(self, dora: int, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block_on_credit(dora, D("0.00"), trade_id=trade)
            assert ledger.post() == []


class TestTheLog:
    def test_says_what_was_lent_and_repaid_after_the_commit(
        self, dora: int, trade: UUID, django_capture_on_commit_callbacks: Any
    ) -> None:
        with structlog.testing.capture_logs() as lines:
            with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
                ledger = services.open_ledger([dora])
                ledger.block_on_credit(dora, D("130.50"), trade_id=trade)
                ledger.post()
                assert lines == []
            with django_capture_on_commit_callbacks(execute=True):
                services.deposit(trader_id=dora, amount=D("40.00"), key="k")
        about = {"trader_id": dora, "amount": "30.50"}
        assert lines == [
            {"event": "house_loan", "log_level": "error", "trade_id": str(trade), **about},
            {"event": "house_loan_repaid", "log_level": "info", **about},
        ]

    def test_says_nothing_of_what_was_rolled_back(
        self, dora: int, trade: UUID, django_capture_on_commit_callbacks: Any
    ) -> None:
        capture = django_capture_on_commit_callbacks(execute=True)
        with structlog.testing.capture_logs() as lines, capture, transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block_on_credit(dora, D("130.50"), trade_id=trade)
            ledger.post()
            transaction.set_rollback(True)
        assert lines == []

    def test_says_nothing_of_what_needed_no_loan(
        self, dora: int, trade: UUID, django_capture_on_commit_callbacks: Any
    ) -> None:
        with django_capture_on_commit_callbacks() as callbacks, transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block_on_credit(dora, D("100.00"), trade_id=trade)
            ledger.post()
        assert callbacks == []
