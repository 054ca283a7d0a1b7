"""Deposits, withdrawals and what can be read of them."""

from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, OperationalError, transaction

from holdings import ledger as ledger_module
from holdings import selectors, services
from holdings.models import HoldingEntry
from holdings.services import Key
from tests.factories import TraderFactory

# The trades named here exist in the holdings' journal only.
pytestmark = [pytest.mark.breaks_the_books, pytest.mark.usefixtures("own_books")]


class TestDeposit:
    def test_adds_shares_from_the_depository(self, emil: Key) -> None:
        receipt = services.deposit(trader_id=emil[0], symbol=emil[1], amount=12, key="k", note="a gift")

        assert not receipt.replayed
        assert (receipt.entry.contra, receipt.entry.quantity_after) == ("depository", 12)
        assert receipt.entry.note == "a gift"
        assert selectors.holding_of(*emil).available == 12

    def test_with_the_same_key_is_replayed(self, emil: Key) -> None:
        first = services.deposit(trader_id=emil[0], symbol=emil[1], amount=12, key="k")
        services.deposit(trader_id=emil[0], symbol=emil[1], amount=1, key="other")
        again = services.deposit(trader_id=emil[0], symbol=emil[1], amount=12, key="k")

        assert again == services.Receipt(first.entry, replayed=True)
        assert selectors.holding_of(*emil).quantity == 13

    def test_two_traders_may_use_the_same_key(self, dora: Key, emil: Key) -> None:
        assert not services.deposit(trader_id=emil[0], symbol=emil[1], amount=1, key="dora's shares").replayed

    @pytest.mark.parametrize("amount", [99, 101])
    def test_refuses_a_key_that_stands_for_another_amount(self, dora: Key, amount: int) -> None:
        with pytest.raises(services.KeyReusedError, match=r"already stands for DEPOSIT \+100 ACME"):
            services.deposit(trader_id=dora[0], symbol=dora[1], amount=amount, key="dora's shares")

    def test_refuses_a_key_that_stands_for_another_share(self, dora: Key) -> None:
        with pytest.raises(services.KeyReusedError):
            services.deposit(trader_id=dora[0], symbol="OTHER", amount=100, key="dora's shares")

    def test_refuses_a_key_that_stands_for_another_kind(self, dora: Key) -> None:
        with pytest.raises(services.KeyReusedError):
            services.withdraw(trader_id=dora[0], symbol=dora[1], amount=100, key="dora's shares")

    @pytest.mark.parametrize("key", ["", "k" * 129])
    def test_needs_a_key(self, dora: Key, key: str) -> None:
        with pytest.raises(ValueError, match="1 to 128"):
            services.deposit(trader_id=dora[0], symbol=dora[1], amount=1, key=key)

    @pytest.mark.parametrize("amount", [0, -1])
    def test_refuses_what_is_no_deposit(self, dora: Key, amount: int) -> None:
        with pytest.raises(ValueError, match="amount"):
            services.deposit(trader_id=dora[0], symbol=dora[1], amount=amount, key="k")

    def test_knows_no_trader_who_does_not_exist(self, db: None) -> None:
        with pytest.raises(services.UnknownTraderError, match="no trader 0"):
            services.deposit(trader_id=0, symbol="ACME", amount=1, key="k")

    @pytest.mark.django_db(transaction=True)
    def test_commits_by_itself_only(self, dora: Key) -> None:
        with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
            services.deposit(trader_id=dora[0], symbol=dora[1], amount=1, key="k")

    @pytest.mark.django_db(transaction=True)
    def test_is_tried_again_after_a_passing_failure(self, dora: Key, monkeypatch: pytest.MonkeyPatch) -> None:
        real, failures = ledger_module.lock_rows, [OperationalError("the server went away")]

        def lock_rows(*args: object) -> object:
            if failures:
                raise failures.pop()
            return real(*args)

        monkeypatch.setattr(ledger_module, "lock_rows", lock_rows)
        assert services.deposit(trader_id=dora[0], symbol=dora[1], amount=1, key="k").entry.quantity_after == 101


class TestWithdraw:
    def test_takes_shares_out_to_the_depository(self, dora: Key) -> None:
        receipt = services.withdraw(trader_id=dora[0], symbol=dora[1], amount=99, key="k")
        again = services.withdraw(trader_id=dora[0], symbol=dora[1], amount=99, key="k")

        assert (receipt.entry.amount, receipt.entry.quantity_after) == (-99, 1)
        assert again == services.Receipt(receipt.entry, replayed=True)

    def test_says_how_much_is_missing_and_leaves_no_trace(self, dora: Key, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block(dora, 30, trade_id=trade)
            ledger.post()

        refused = services.withdraw(trader_id=dora[0], symbol=dora[1], amount=71, key="k")

        assert refused == services.Shortfall(71, 70)
        assert refused.short == 1
        assert not services.withdraw(trader_id=dora[0], symbol=dora[1], amount=70, key="k").replayed


class TestOpeningBalances:
    def test_open_each_holding_once_however_often_it_runs(self, db: None) -> None:
        keys = [(trader.pk, "ACME") for trader in TraderFactory.create_batch(7)]
        rows = [(*key, 10, "opening") for key in keys]

        assert services.deposit_opening_balances(rows[:4]) == 4
        assert services.deposit_opening_balances(rows) == 3
        assert services.deposit_opening_balances(rows) == 0
        assert {holding.quantity for holding in selectors.holdings_by_key(keys).values()} == {10}
        assert services.deposit(trader_id=keys[0][0], symbol="ACME", amount=10, key="opening").replayed
        assert not services.deposit(trader_id=keys[0][0], symbol="ACME", amount=1, key="later").replayed

    def test_leave_holdings_alone_that_are_there(self, dora: Key, emil: Key) -> None:
        other = (dora[0], "OTHER")
        assert services.deposit_opening_balances([(*dora, 1, "a"), (*emil, 1, "a"), (*other, 1, "b")]) == 2
        assert selectors.holding_of(*dora).quantity == 100
        assert selectors.holding_of(*emil).quantity == 1
        assert selectors.holding_of(*other).quantity == 1

    def test_of_nobody_write_nothing(self, db: None) -> None:
        assert services.deposit_opening_balances([]) == 0

    def test_refuse_what_is_no_amount(self, emil: Key) -> None:
        with pytest.raises(ValueError, match="amount"):
            services.deposit_opening_balances([(*emil, 0, "a")])

    @pytest.mark.django_db(transaction=True)
    def test_know_no_trader_who_does_not_exist(self, emil: Key) -> None:
        with pytest.raises(IntegrityError):
            services.deposit_opening_balances([(*emil, 1, "a"), (0, "ACME", 1, "a")])
        assert selectors.holding_of(*emil).quantity == 0


class TestSelectors:
    def test_a_trader_without_a_holding_has_zeros(self, emil: Key) -> None:
        holding = selectors.holding_of(*emil)
        assert (holding.trader_id, holding.symbol) == emil
        assert (holding.quantity, holding.available, holding.short) == (0, 0, 0)

    def test_the_journal_reads_newest_first_page_by_page(self, dora: Key) -> None:
        for number in range(3):
            services.deposit(trader_id=dora[0], symbol=dora[1], amount=1, key=str(number))
        first = list(selectors.entries_of(dora[0])[:2])
        rest = list(selectors.entries_of(dora[0], before=first[-1].id))
        assert [entry.key for entry in first + rest] == ["2", "1", "0", "dora's shares"]
        assert not selectors.entries_of(dora[0], symbol="OTHER").exists()

    def test_what_each_trade_has_blocked(self, dora: Key) -> None:
        bought, released, untouched = uuid4(), uuid4(), uuid4()
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block(dora, 50, trade_id=bought)
            ledger.settle(dora, amount=-20, hold_change=-20, trade_id=bought, execution="E1")
            ledger.block(dora, 5, trade_id=released)
            ledger.release(dora, 5, trade_id=released)
            ledger.post()

        assert selectors.blocked_by_trade() == {bought: 30}
        assert selectors.blocked_by_trade([released, untouched]) == {}
        assert list(selectors.settled_executions()) == [(bought, "E1", -20)]
        assert [entry.kind for entry in selectors.entries_of_trade(bought)] == ["BLOCK", "SETTLE"]
        assert HoldingEntry.objects.filter(trader_id=dora[0]).count() == 5
