"""Deposits, withdrawals and what can be read of them."""

from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, OperationalError, transaction

from tests.factories import TraderFactory
from wallets import ledger as ledger_module
from wallets import selectors, services
from wallets.models import WalletEntry

# The trades named here exist in the wallets' journal only.
pytestmark = [pytest.mark.breaks_the_books, pytest.mark.usefixtures("own_books")]


class TestDeposit:
    def test_adds_money_from_the_bank(self, emil: int) -> None:
        receipt = services.deposit(trader_id=emil, amount=Decimal("12.34"), key="k", note="a gift")

        assert not receipt.replayed
        assert (receipt.entry.contra, receipt.entry.balance_after) == ("bank", Decimal("12.34"))
        assert receipt.entry.note == "a gift"
        assert selectors.wallet_of(emil).available == Decimal("12.34")

    def test_with_the_same_key_is_replayed(self, emil: int) -> None:
        first = services.deposit(trader_id=emil, amount=Decimal("12.34"), key="k")
        services.deposit(trader_id=emil, amount=Decimal("1.00"), key="other")
        again = services.deposit(trader_id=emil, amount=Decimal("12.34"), key="k")

        assert again == services.Receipt(first.entry, replayed=True)
        assert selectors.wallet_of(emil).balance == Decimal("13.34")

    def test_two_traders_may_use_the_same_key(self, dora: int, emil: int) -> None:
        assert not services.deposit(trader_id=emil, amount=Decimal(1), key="dora's money").replayed

    @pytest.mark.parametrize("amount", [Decimal("99.99"), Decimal("100.01")])
    def test_refuses_a_key_that_stands_for_another_amount(self, dora: int, amount: Decimal) -> None:
        with pytest.raises(services.KeyReusedError, match=r"already stands for DEPOSIT \+100\.00"):
            services.deposit(trader_id=dora, amount=amount, key="dora's money")

    def test_refuses_a_key_that_stands_for_another_kind(self, dora: int) -> None:
        with pytest.raises(services.KeyReusedError):
            services.withdraw(trader_id=dora, amount=Decimal("100.00"), key="dora's money")

    @pytest.mark.parametrize("key", ["", "k" * 129])
    def test_needs_a_key(self, dora: int, key: str) -> None:
        with pytest.raises(ValueError, match="1 to 128"):
            services.deposit(trader_id=dora, amount=Decimal(1), key=key)

    @pytest.mark.parametrize("amount", [Decimal(0), Decimal(-1), Decimal("0.005")])
    def test_refuses_what_is_no_deposit(self, dora: int, amount: Decimal) -> None:
        with pytest.raises(ValueError, match="amount"):
            services.deposit(trader_id=dora, amount=amount, key="k")

    def test_knows_no_trader_who_does_not_exist(self, db: None) -> None:
        with pytest.raises(services.UnknownTraderError, match="no trader 0"):
            services.deposit(trader_id=0, amount=Decimal(1), key="k")

    @pytest.mark.django_db(transaction=True)
    def test_commits_by_itself_only(self, dora: int) -> None:
        with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
            services.deposit(trader_id=dora, amount=Decimal(1), key="k")

    @pytest.mark.django_db(transaction=True)
    def test_is_tried_again_after_a_passing_failure(self, dora: int, monkeypatch: pytest.MonkeyPatch) -> None:
        real, failures = ledger_module.lock_rows, [OperationalError("the server went away")]

        def lock_rows(*args: object) -> object:
            if failures:
                raise failures.pop()
            return real(*args)

        monkeypatch.setattr(ledger_module, "lock_rows", lock_rows)
        assert services.deposit(trader_id=dora, amount=Decimal(1), key="k").entry.balance_after == Decimal("101.00")


class TestWithdraw:
    def test_takes_money_out_to_the_bank(self, dora: int) -> None:
        receipt = services.withdraw(trader_id=dora, amount=Decimal("99.99"), key="k")
        again = services.withdraw(trader_id=dora, amount=Decimal("99.99"), key="k")

        assert (receipt.entry.amount, receipt.entry.balance_after) == (Decimal("-99.99"), Decimal("0.01"))
        assert again == services.Receipt(receipt.entry, replayed=True)

    def test_says_how_much_is_missing_and_leaves_no_trace(self, dora: int, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block(dora, Decimal("30.00"), trade_id=trade)
            ledger.post()

        refused = services.withdraw(trader_id=dora, amount=Decimal("70.01"), key="k")

        assert refused == services.Shortfall(Decimal("70.01"), Decimal("70.00"))
        assert refused.short == Decimal("0.01")
        assert not services.withdraw(trader_id=dora, amount=Decimal("70.00"), key="k").replayed


class TestOpeningBalances:
    def test_open_each_wallet_once_however_often_it_runs(self, db: None) -> None:
        ids = [trader.pk for trader in TraderFactory.create_batch(7)]
        rows = [(trader_id, Decimal("10.00"), "opening") for trader_id in ids]

        assert services.deposit_opening_balances(rows[:4]) == 4
        assert services.deposit_opening_balances(rows) == 3
        assert services.deposit_opening_balances(rows) == 0
        assert {wallet.balance for wallet in selectors.wallets_of(ids).values()} == {Decimal("10.00")}
        assert services.deposit(trader_id=ids[0], amount=Decimal("10.00"), key="opening").replayed
        assert not services.deposit(trader_id=ids[0], amount=Decimal(1), key="later").replayed

    def test_leave_wallets_alone_that_are_there(self, dora: int, emil: int) -> None:
        assert services.deposit_opening_balances([(dora, Decimal("1.00"), "a"), (emil, Decimal("1.00"), "a")]) == 1
        assert selectors.wallet_of(dora).balance == Decimal("100.00")
        assert selectors.wallet_of(emil).balance == Decimal("1.00")

    def test_of_nobody_write_nothing(self, db: None) -> None:
        assert services.deposit_opening_balances([]) == 0

    def test_refuse_what_is_no_amount(self, emil: int) -> None:
        with pytest.raises(ValueError, match="amount"):
            services.deposit_opening_balances([(emil, Decimal("0.00"), "a")])

    @pytest.mark.django_db(transaction=True)
    def test_know_no_trader_who_does_not_exist(self, emil: int) -> None:
        with pytest.raises(IntegrityError):
            services.deposit_opening_balances([(emil, Decimal("1.00"), "a"), (0, Decimal("1.00"), "a")])
        assert selectors.wallet_of(emil).balance == 0


class TestSelectors:
    def test_a_trader_without_a_wallet_has_zeros(self, emil: int) -> None:
        wallet = selectors.wallet_of(emil)
        assert (wallet.trader_id, wallet.balance, wallet.available, wallet.debt) == (emil, 0, 0, 0)
        assert wallet.currency == "INR"

    def test_the_journal_reads_newest_first_page_by_page(self, dora: int) -> None:
        for number in range(3):
            services.deposit(trader_id=dora, amount=Decimal(1), key=str(number))
        first = list(selectors.entries_of(dora)[:2])
        rest = list(selectors.entries_of(dora, before=first[-1].id))
        assert [entry.key for entry in first + rest] == ["2", "1", "0", "dora's money"]

    def test_what_each_trade_has_blocked(self, dora: int) -> None:
        bought, released, untouched = uuid4(), uuid4(), uuid4()
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block(dora, Decimal("50.00"), trade_id=bought)
            ledger.settle(
                dora, amount=Decimal("-20.00"), hold_change=Decimal("-20.00"), trade_id=bought, execution="E1"
            )
            ledger.block(dora, Decimal("5.00"), trade_id=released)
            ledger.release(dora, Decimal("5.00"), trade_id=released)
            ledger.post()

        assert selectors.blocked_by_trade() == {bought: Decimal("30.00")}
        assert selectors.blocked_by_trade([released, untouched]) == {}
        assert list(selectors.settled_executions()) == [(bought, "E1", Decimal("-20.00"))]
        assert [entry.kind for entry in selectors.entries_of_trade(bought)] == ["BLOCK", "SETTLE"]
        assert WalletEntry.objects.filter(trader_id=dora).count() == 5
