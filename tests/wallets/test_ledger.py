"""What each movement does to a wallet and writes into its journal."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, transaction
from django.db.transaction import TransactionManagementError
from django.utils import timezone

from wallets import selectors, services
from wallets.models import WalletEntry

# The trades named here exist in the wallets' journal only.
pytestmark = [pytest.mark.breaks_the_books, pytest.mark.usefixtures("own_books")]


def D(text: str) -> Decimal:  # noqa: N802  (as short as the number it reads)
    return Decimal(text)


def purse(trader_id: int) -> tuple[Decimal, Decimal]:
    wallet = selectors.wallet_of(trader_id)
    return wallet.balance, wallet.blocked


def newest(trader_id: int) -> tuple[str, Decimal, Decimal, Decimal, Decimal]:
    entry = selectors.entries_of(trader_id)[0]
    return entry.kind, entry.amount, entry.blocked_change, entry.balance_after, entry.blocked_after


class TestBlock:
    def test_blocks_what_is_available(self, dora: int, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            assert ledger.block(dora, D("100.00"), trade_id=trade) is None
            ledger.post()
        assert purse(dora) == (D("100.00"), D("100.00"))
        assert newest(dora) == ("BLOCK", 0, D("100.00"), D("100.00"), D("100.00"))

    def test_refuses_with_the_numbers_when_cash_is_short(self, dora: int, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block(dora, D("60.00"), trade_id=trade)
            shortfall = ledger.block(dora, D("40.01"), trade_id=trade)
            ledger.post()
        assert shortfall.as_json() == {"needed": "40.01", "available": "40.00", "short": "0.01"}
        assert purse(dora) == (D("100.00"), D("60.00"))

    def test_refuses_more_than_any_wallet_can_hold(self, dora: int, trade: UUID) -> None:
        with transaction.atomic():
            shortfall = services.open_ledger([dora]).block(dora, D("1e25"), trade_id=trade)
        assert shortfall.available == D("100.00")

    def test_nothing_writes_nothing(self, dora: int, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block(dora, D("0.00"), trade_id=trade)
            ledger.release(dora, D("0.00"), trade_id=trade)
            assert ledger.post() == []

    @pytest.mark.parametrize(
        ("amount", "error"),
        [
            (1.5, TypeError),
            (D("-0.01"), ValueError),
            (D("0.001"), ValueError),
            (D("NaN"), ValueError),
            (D("Infinity"), ValueError),
            ("10.00", ValueError),
        ],
    )
    def test_refuses_what_is_not_an_amount_of_money(
        self, dora: int, trade: UUID, amount: object, error: type[Exception]
    ) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            with pytest.raises(error):
                ledger.block(dora, amount, trade_id=trade)
            assert ledger.post() == []


class TestRelease:
    def test_gives_back_what_was_blocked(self, dora: int, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block(dora, D("80.00"), trade_id=trade)
            ledger.release(dora, D("30.00"), trade_id=trade)
            ledger.post()
        assert purse(dora) == (D("100.00"), D("50.00"))
        assert newest(dora) == ("RELEASE", 0, D("-30.00"), D("100.00"), D("50.00"))

    def test_cannot_give_back_more_than_is_blocked(self, dora: int, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block(dora, D("80.00"), trade_id=trade)
            with pytest.raises(services.LedgerError, match=r"blocked -0\.01"):
                ledger.release(dora, D("80.01"), trade_id=trade)


class TestSettle:
    def test_pays_out_of_the_hold_and_frees_the_rest_in_one_entry(self, dora: int, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block(dora, D("80.00"), trade_id=trade)
            ledger.settle(dora, amount=D("-39.50"), hold_change=D("-40.00"), trade_id=trade, execution="E1")
            ledger.post()
        assert purse(dora) == (D("60.50"), D("40.00"))
        assert newest(dora) == ("SETTLE", D("-39.50"), D("-40.00"), D("60.50"), D("40.00"))

    def test_receives(self, dora: int, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.settle(dora, amount=D("12.25"), hold_change=D(0), trade_id=trade, execution="E1")
            ledger.post()
        assert purse(dora) == (D("112.25"), 0)

    def test_leaves_its_proof_even_when_nothing_moves(self, dora: int, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.settle(dora, amount=D(0), hold_change=D(0), trade_id=trade, execution="E1")
            ledger.post()
        assert list(selectors.settled_executions([trade])) == [(trade, "E1", 0)]

    def test_an_execution_settles_once_per_trade(self, dora: int, trade: UUID) -> None:
        def settle(trade_id: UUID) -> None:
            with transaction.atomic():
                ledger = services.open_ledger([dora])
                ledger.settle(dora, amount=D(1), hold_change=D(0), trade_id=trade_id, execution="E1")
                ledger.post()

        settle(trade)
        settle(uuid4())
        with pytest.raises(IntegrityError, match="wallet_entry_settles_an_execution_once"):
            settle(trade)
        assert purse(dora) == (D("102.00"), 0)


class TestBatch:
    def test_three_movements_of_one_wallet_add_up(self, dora: int, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            for amount in ("10.00", "20.00", "30.00"):
                ledger.block(dora, D(amount), trade_id=trade)
            entries = ledger.post()
        assert purse(dora) == (D("100.00"), D("60.00"))
        assert [entry.blocked_after for entry in entries] == [D("10.00"), D("30.00"), D("60.00")]

    def test_a_trader_matched_with_himself_ends_where_he_began(self, dora: int) -> None:
        buy, sell = uuid4(), uuid4()
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block(dora, D("50.00"), trade_id=buy)
            ledger.settle(dora, amount=D("-50.00"), hold_change=D("-50.00"), trade_id=buy, execution="E1")
            ledger.settle(dora, amount=D("50.00"), hold_change=D(0), trade_id=sell, execution="E2")
            ledger.post()
        assert purse(dora) == (D("100.00"), 0)

    def test_later_movements_see_what_earlier_ones_left(self, dora: int, emil: int, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora, emil])
            assert ledger.block(emil, D("1.00"), trade_id=trade) is not None
            ledger.settle(emil, amount=D("1.00"), hold_change=D(0), trade_id=trade, execution="E1")
            assert ledger.block(emil, D("1.00"), trade_id=trade) is None
            ledger.post()
        assert purse(emil) == (D("1.00"), D("1.00"))

    def test_posts_again_only_what_came_since(self, dora: int, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block(dora, D("1.00"), trade_id=trade)
            assert len(ledger.post()) == 1
            ledger.block(dora, D("2.00"), trade_id=trade)
            assert len(ledger.post()) == 1
            assert ledger.post() == []
        assert purse(dora) == (D("100.00"), D("3.00"))

    def test_happens_at_the_time_that_is_passed_in(self, dora: int, trade: UUID) -> None:
        yesterday = timezone.now() - timedelta(days=1)
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block(dora, D("1.00"), trade_id=trade)
            [entry] = ledger.post(at=yesterday)
        assert entry.at == selectors.wallet_of(dora).updated_at == yesterday

    @pytest.mark.parametrize("movements", [1, 50])
    def test_costs_four_statements_whatever_its_size(
        self, dora: int, emil: int, trade: UUID, movements: int, django_assert_num_queries: object
    ) -> None:
        with transaction.atomic(), django_assert_num_queries(4):
            ledger = services.open_ledger([dora, emil])
            for number in range(movements):
                ledger.settle(dora, amount=D(1), hold_change=D(0), trade_id=trade, execution=f"D{number}")
                ledger.settle(emil, amount=D(1), hold_change=D(0), trade_id=trade, execution=f"E{number}")
            ledger.post()

    def test_opens_a_missing_wallet(self, emil: int) -> None:
        with transaction.atomic():
            assert services.open_ledger([emil])[emil].balance == 0
        assert purse(emil) == (0, 0)

    def test_knows_no_trader_who_does_not_exist(self, dora: int) -> None:
        with pytest.raises(services.UnknownTraderError, match="no trader -7, -1"), transaction.atomic():
            services.open_ledger([dora, -1, -7])

    def test_moves_only_what_was_opened(self, dora: int, emil: int, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            with pytest.raises(KeyError, match="not opened"):
                ledger.block(emil, D(1), trade_id=trade)

    @pytest.mark.django_db(transaction=True)
    def test_needs_the_callers_transaction(self, dora: int) -> None:
        with pytest.raises(TransactionManagementError):
            services.open_ledger([dora])
        with transaction.atomic():
            ledger = services.open_ledger([dora])
        with pytest.raises(TransactionManagementError):
            ledger.post()

    def test_no_amount_outgrows_its_column(self, dora: int) -> None:
        with transaction.atomic(), pytest.raises(services.LedgerError):
            services.open_ledger([dora]).deposit(dora, D("999999999999999999.99"), key="too much")
        assert WalletEntry.objects.filter(trader_id=dora).count() == 1
