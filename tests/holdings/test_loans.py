"""A fact of the exchange is never refused for want of shares: the house lends them, and takes them back first."""

from typing import Any
from uuid import UUID, uuid4

import pytest
import structlog
from django.db import transaction

from holdings import selectors, services
from holdings.services import Key

# The trades named here exist in the holdings' journal only.
pytestmark = [pytest.mark.breaks_the_books, pytest.mark.usefixtures("own_books")]


def journal(key: Key) -> list[tuple[Any, ...]]:
    """Return the entries after the opening deposit: kind, amount, blocked change; quantity, blocked, short after it."""
    return [
        (
            entry.kind,
            *(entry.amount, entry.blocked_change),
            *(entry.quantity_after, entry.blocked_after, entry.short_after),
        )
        for entry in selectors.entries_of(key[0], symbol=key[1]).reverse()
    ][1:]


@pytest.fixture
def shorted(dora: Key, trade: UUID) -> Key:
    """Dora has 100 shares, all held by a trade, and owes the house 50 of them."""
    with transaction.atomic():
        ledger = services.open_ledger([dora])
        ledger.settle(dora, amount=-50, hold_change=0, trade_id=trade, execution="E0")
        ledger.block_on_credit(dora, 100, trade_id=trade)
        ledger.post()
    return dora


class TestLending:
    def test_delivers_an_overfill_that_is_more_than_its_hold_and_all_the_rest(self, dora: Key, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block(dora, 80, trade_id=trade)
            ledger.settle(dora, amount=-131, hold_change=-80, trade_id=trade, execution="E1")
            ledger.post()
        assert journal(dora) == [
            ("BLOCK", 0, 80, 100, 80, 0),
            ("LOAN", 31, 0, 131, 80, 31),
            ("SETTLE", -131, -80, 0, 0, 31),
        ]

    def test_leaves_alone_what_other_trades_hold(self, dora: Key, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block(dora, 60, trade_id=uuid4())
            ledger.settle(dora, amount=-70, hold_change=0, trade_id=trade, execution="E1")
            ledger.post()
        assert journal(dora)[1:] == [
            ("LOAN", 30, 0, 130, 60, 30),
            ("SETTLE", -70, 0, 60, 60, 30),
        ]

    def test_lends_nothing_for_what_is_covered_to_the_last_share(self, dora: Key, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.settle(dora, amount=-40, hold_change=0, trade_id=trade, execution="E1")
            ledger.block_on_credit(dora, 60, trade_id=trade)
            ledger.post()
        assert [kind for kind, *_ in journal(dora)] == ["SETTLE", "BLOCK"]
        assert selectors.holding_of(*dora).short == 0

    def test_holds_what_the_exchange_raised(self, dora: Key, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            assert ledger.block_on_credit(dora, 101, trade_id=trade) is None
            ledger.post()
        assert journal(dora) == [
            ("LOAN", 1, 0, 101, 0, 1),
            ("BLOCK", 0, 101, 101, 101, 1),
        ]

    def test_lends_for_a_bust_that_gives_back_less_than_it_opens_again(self, dora: Key, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.settle(dora, amount=20, hold_change=150, trade_id=trade, execution="X1")
            ledger.post()
        assert journal(dora) == [
            ("LOAN", 30, 0, 130, 0, 30),
            ("SETTLE", 20, 150, 150, 150, 30),
        ]

    def test_lends_to_a_trader_who_never_had_anything(self, emil: Key, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([emil])
            ledger.settle(emil, amount=-5, hold_change=0, trade_id=trade, execution="E1")
            ledger.post()
        holding = selectors.holding_of(*emil)
        assert (holding.quantity, holding.blocked, holding.short) == (0, 0, 5)

    def test_lends_on_top_of_what_is_lent(self, shorted: Key, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([shorted])
            ledger.settle(shorted, amount=-7, hold_change=0, trade_id=trade, execution="E1")
            ledger.post()
        holding = selectors.holding_of(*shorted)
        assert (holding.quantity, holding.blocked, holding.short) == (100, 100, 57)

    def test_names_the_trade_and_the_entry_of_its_timeline(self, dora: Key, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block_on_credit(dora, 101, trade_id=trade, trade_revision=7)
            ledger.release(dora, 101, trade_id=trade, trade_revision=8)
            entries = ledger.post()
        assert [(entry.kind, entry.trade_id, entry.trade_revision) for entry in entries] == [
            ("LOAN", trade, 7),
            ("BLOCK", trade, 7),
            ("RELEASE", trade, 8),
            ("REPAY", trade, 8),
        ]
        assert {entry.contra for entry in entries if entry.kind in ("LOAN", "REPAY")} == {"house"}

    def test_costs_no_statement_more(self, dora: Key, trade: UUID, django_assert_num_queries: Any) -> None:
        with transaction.atomic(), django_assert_num_queries(4):
            ledger = services.open_ledger([dora])
            for number in range(20):
                ledger.settle(dora, amount=-50, hold_change=0, trade_id=trade, execution=f"E{number}")
            assert [entry.kind for entry in ledger.post()].count("LOAN") == 18


class TestRepaying:
    def test_comes_first_out_of_a_deposit(self, shorted: Key) -> None:
        receipt = services.deposit(trader_id=shorted[0], symbol=shorted[1], amount=30, key="k")
        assert (receipt.entry.kind, receipt.entry.amount) == ("DEPOSIT", 30)
        assert journal(shorted)[-2:] == [
            ("DEPOSIT", 30, 0, 130, 100, 50),
            ("REPAY", -30, 0, 100, 100, 20),
        ]
        assert (selectors.entries_of(shorted[0])[0].trade_id, selectors.entries_of(shorted[0])[0].key) == (None, None)
        assert services.deposit(trader_id=shorted[0], symbol=shorted[1], amount=30, key="k").replayed

    def test_takes_no_more_than_is_owed(self, shorted: Key) -> None:
        services.deposit(trader_id=shorted[0], symbol=shorted[1], amount=80, key="k")
        holding = selectors.holding_of(*shorted)
        assert (holding.quantity, holding.available, holding.short) == (130, 30, 0)

    def test_comes_out_of_what_a_trade_gives_back(self, shorted: Key, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([shorted])
            ledger.release(shorted, 20, trade_id=trade)
            ledger.post()
        assert journal(shorted)[-2:] == [
            ("RELEASE", 0, -20, 100, 80, 50),
            ("REPAY", -20, 0, 80, 80, 30),
        ]

    def test_comes_out_of_what_is_received(self, shorted: Key) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([shorted])
            ledger.settle(shorted, amount=51, hold_change=0, trade_id=uuid4(), execution="E1")
            ledger.post()
        holding = selectors.holding_of(*shorted)
        assert (holding.quantity, holding.available, holding.short) == (101, 1, 0)


class TestWhileShort:
    def test_a_new_order_is_refused(self, shorted: Key) -> None:
        with transaction.atomic():
            shortfall = services.open_ledger([shorted]).block(shorted, 1, trade_id=uuid4())
        assert shortfall == services.Shortfall(1, 0)

    def test_a_withdrawal_is_refused(self, shorted: Key) -> None:
        refused = services.withdraw(trader_id=shorted[0], symbol=shorted[1], amount=1, key="k")
        assert refused == services.Shortfall(1, 0)

    def test_nothing_is_lent_for_either(self, shorted: Key) -> None:
        before = journal(shorted)
        services.withdraw(trader_id=shorted[0], symbol=shorted[1], amount=1, key="k")
        with transaction.atomic():
            ledger = services.open_ledger([shorted])
            ledger.block(shorted, 1, trade_id=uuid4())
            assert ledger.post() == []
        assert journal(shorted) == before

    def test_a_deposit_that_leaves_something_may_be_blocked(self, shorted: Key) -> None:
        services.deposit(trader_id=shorted[0], symbol=shorted[1], amount=51, key="k")
        with transaction.atomic():
            ledger = services.open_ledger([shorted])
            assert ledger.block(shorted, 2, trade_id=uuid4()) is not None
            assert ledger.block(shorted, 1, trade_id=uuid4()) is None


class TestOurMistakes:
    """They raise, change nothing and lend nothing."""

    def test_freeing_more_than_is_blocked(self, dora: Key, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block(dora, 80, trade_id=trade)
            with pytest.raises(services.LedgerError, match="blocked -81"):
                ledger.settle(dora, amount=-500, hold_change=-81, trade_id=trade, execution="E1")
            assert [entry.kind for entry in ledger.post()] == ["BLOCK"]
        assert selectors.holding_of(*dora).short == 0

    @pytest.mark.parametrize("amount", [2**63 - 1, 1 - 2**63])
    def test_figures_that_no_column_holds(self, dora: Key, trade: UUID, amount: int) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block(dora, 100, trade_id=trade)
            with pytest.raises(services.LedgerError):
                ledger.settle(dora, amount=amount, hold_change=0, trade_id=trade, execution="E1")
            assert [entry.kind for entry in ledger.post()] == ["BLOCK"]

    def test_a_short_that_no_column_holds(self, emil: Key, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([emil])
            most = 1 - 2**63
            ledger.settle(emil, amount=most, hold_change=0, trade_id=trade, execution="E1")
            with pytest.raises(services.LedgerError):
                ledger.settle(emil, amount=-1, hold_change=0, trade_id=trade, execution="E2")
            ledger.post()
        assert selectors.holding_of(*emil).short == -most

    @pytest.mark.parametrize("amount", [-1, 1.5, True])
    def test_holding_what_is_no_amount(self, dora: Key, trade: UUID, amount: object) -> None:
        with transaction.atomic(), pytest.raises((TypeError, ValueError)):
            services.open_ledger([dora]).block_on_credit(dora, amount, trade_id=trade)

    def test_holding_nothing_writes_nothing(self, dora: Key, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block_on_credit(dora, 0, trade_id=trade)
            assert ledger.post() == []


class TestTheLog:
    def test_says_what_was_lent_and_repaid_after_the_commit(
        self, dora: Key, trade: UUID, django_capture_on_commit_callbacks: Any
    ) -> None:
        with structlog.testing.capture_logs() as lines:
            with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
                ledger = services.open_ledger([dora])
                ledger.block_on_credit(dora, 131, trade_id=trade)
                ledger.post()
                assert lines == []
            with django_capture_on_commit_callbacks(execute=True):
                services.deposit(trader_id=dora[0], symbol=dora[1], amount=40, key="k")
        about = {"trader_id": dora[0], "symbol": "ACME", "amount": 31}
        assert lines == [
            {"event": "house_loan", "log_level": "error", "trade_id": str(trade), **about},
            {"event": "house_loan_repaid", "log_level": "info", **about},
        ]

    def test_says_nothing_of_what_was_rolled_back(
        self, dora: Key, trade: UUID, django_capture_on_commit_callbacks: Any
    ) -> None:
        capture = django_capture_on_commit_callbacks(execute=True)
        with structlog.testing.capture_logs() as lines, capture, transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block_on_credit(dora, 131, trade_id=trade)
            ledger.post()
            transaction.set_rollback(True)
        assert lines == []

    def test_says_nothing_of_what_needed_no_loan(
        self, dora: Key, trade: UUID, django_capture_on_commit_callbacks: Any
    ) -> None:
        with django_capture_on_commit_callbacks() as callbacks, transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block_on_credit(dora, 100, trade_id=trade)
            ledger.post()
        assert callbacks == []
