"""What each movement does to a holding and writes into its journal."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, transaction
from django.db.transaction import TransactionManagementError
from django.utils import timezone

from holdings import selectors, services
from holdings.models import HoldingEntry
from holdings.services import Key

# The trades named here exist in the holdings' journal only.
pytestmark = [pytest.mark.breaks_the_books, pytest.mark.usefixtures("own_books")]


def stock(key: Key) -> tuple[int, int]:
    holding = selectors.holding_of(*key)
    return holding.quantity, holding.blocked


def newest(key: Key) -> tuple[str, int, int, int, int]:
    entry = selectors.entries_of(key[0])[0]
    return entry.kind, entry.amount, entry.blocked_change, entry.quantity_after, entry.blocked_after


class TestBlock:
    def test_blocks_what_is_available(self, dora: Key, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            assert ledger.block(dora, 100, trade_id=trade) is None
            ledger.post()
        assert stock(dora) == (100, 100)
        assert newest(dora) == ("BLOCK", 0, 100, 100, 100)

    def test_refuses_with_the_numbers_when_shares_are_short(self, dora: Key, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block(dora, 60, trade_id=trade)
            shortfall = ledger.block(dora, 41, trade_id=trade)
            ledger.post()
        assert shortfall.as_json() == {"needed": 41, "available": 40, "short": 1}
        assert stock(dora) == (100, 60)

    def test_refuses_more_than_any_holding_can_hold(self, dora: Key, trade: UUID) -> None:
        with transaction.atomic():
            shortfall = services.open_ledger([dora]).block(dora, 10**25, trade_id=trade)
        assert shortfall.available == 100

    def test_nothing_writes_nothing(self, dora: Key, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block(dora, 0, trade_id=trade)
            ledger.release(dora, 0, trade_id=trade)
            assert ledger.post() == []

    @pytest.mark.parametrize(
        ("amount", "error"),
        [
            (1.5, TypeError),
            (-1, ValueError),
            (1.0, TypeError),
            (Decimal(1), TypeError),
            (True, TypeError),
            ("10", TypeError),
        ],
    )
    def test_refuses_what_is_not_a_number_of_shares(
        self, dora: Key, trade: UUID, amount: object, error: type[Exception]
    ) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            with pytest.raises(error):
                ledger.block(dora, amount, trade_id=trade)
            assert ledger.post() == []


class TestRelease:
    def test_gives_back_what_was_blocked(self, dora: Key, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block(dora, 80, trade_id=trade)
            ledger.release(dora, 30, trade_id=trade)
            ledger.post()
        assert stock(dora) == (100, 50)
        assert newest(dora) == ("RELEASE", 0, -30, 100, 50)

    def test_cannot_give_back_more_than_is_blocked(self, dora: Key, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block(dora, 80, trade_id=trade)
            with pytest.raises(services.LedgerError, match="blocked -1"):
                ledger.release(dora, 81, trade_id=trade)


class TestSettle:
    def test_delivers_out_of_the_hold_in_one_entry(self, dora: Key, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block(dora, 80, trade_id=trade)
            ledger.settle(dora, amount=-40, hold_change=-40, trade_id=trade, execution="E1")
            ledger.post()
        assert stock(dora) == (60, 40)
        assert newest(dora) == ("SETTLE", -40, -40, 60, 40)

    def test_receives(self, dora: Key, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.settle(dora, amount=12, hold_change=0, trade_id=trade, execution="E1")
            ledger.post()
        assert stock(dora) == (112, 0)

    def test_leaves_its_proof_even_when_nothing_moves(self, dora: Key, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.settle(dora, amount=0, hold_change=0, trade_id=trade, execution="E1")
            ledger.post()
        assert list(selectors.settled_executions([trade])) == [(trade, "E1", 0)]

    def test_an_execution_settles_once_per_trade(self, dora: Key, trade: UUID) -> None:
        def settle(trade_id: UUID) -> None:
            with transaction.atomic():
                ledger = services.open_ledger([dora])
                ledger.settle(dora, amount=1, hold_change=0, trade_id=trade_id, execution="E1")
                ledger.post()

        settle(trade)
        settle(uuid4())
        with pytest.raises(IntegrityError, match="holding_entry_settles_an_execution_once"):
            settle(trade)
        assert stock(dora) == (102, 0)


class TestBatch:
    def test_three_movements_of_one_holding_add_up(self, dora: Key, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            for amount in (10, 20, 30):
                ledger.block(dora, amount, trade_id=trade)
            entries = ledger.post()
        assert stock(dora) == (100, 60)
        assert [entry.blocked_after for entry in entries] == [10, 30, 60]

    def test_a_trader_matched_with_himself_ends_where_he_began(self, dora: Key) -> None:
        buy, sell = uuid4(), uuid4()
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block(dora, 50, trade_id=buy)
            ledger.settle(dora, amount=-50, hold_change=-50, trade_id=buy, execution="E1")
            ledger.settle(dora, amount=50, hold_change=0, trade_id=sell, execution="E2")
            ledger.post()
        assert stock(dora) == (100, 0)

    def test_later_movements_see_what_earlier_ones_left(self, dora: Key, emil: Key, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora, emil])
            assert ledger.block(emil, 1, trade_id=trade) is not None
            ledger.settle(emil, amount=1, hold_change=0, trade_id=trade, execution="E1")
            assert ledger.block(emil, 1, trade_id=trade) is None
            ledger.post()
        assert stock(emil) == (1, 1)

    def test_posts_again_only_what_came_since(self, dora: Key, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block(dora, 1, trade_id=trade)
            assert len(ledger.post()) == 1
            ledger.block(dora, 2, trade_id=trade)
            assert len(ledger.post()) == 1
            assert ledger.post() == []
        assert stock(dora) == (100, 3)

    def test_happens_at_the_time_that_is_passed_in(self, dora: Key, trade: UUID) -> None:
        yesterday = timezone.now() - timedelta(days=1)
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            ledger.block(dora, 1, trade_id=trade)
            [entry] = ledger.post(at=yesterday)
        assert entry.at == selectors.holding_of(*dora).updated_at == yesterday

    @pytest.mark.parametrize("movements", [1, 50])
    def test_costs_four_statements_whatever_its_size(
        self, dora: Key, emil: Key, trade: UUID, movements: int, django_assert_num_queries: object
    ) -> None:
        with transaction.atomic(), django_assert_num_queries(4):
            ledger = services.open_ledger([dora, emil])
            for number in range(movements):
                ledger.settle(dora, amount=1, hold_change=0, trade_id=trade, execution=f"D{number}")
                ledger.settle(emil, amount=1, hold_change=0, trade_id=trade, execution=f"E{number}")
            ledger.post()

    def test_opens_a_missing_holding(self, emil: Key) -> None:
        with transaction.atomic():
            assert services.open_ledger([emil])[emil].quantity == 0
        assert stock(emil) == (0, 0)

    def test_opens_missing_holdings_in_key_order_however_they_are_asked_for(self, dora: Key) -> None:
        keys = [(dora[0], symbol) for symbol in ("ZEBRA", "MANGO", "APPLE")]
        with transaction.atomic():
            services.open_ledger(keys)
        by_age = selectors.holdings_of(dora[0]).order_by("id").values_list("symbol", flat=True)
        assert list(by_age) == ["ACME", "APPLE", "MANGO", "ZEBRA"]

    def test_knows_no_trader_who_does_not_exist(self, dora: Key) -> None:
        with pytest.raises(services.UnknownTraderError, match="no trader -7, -1"), transaction.atomic():
            services.open_ledger([dora, (-1, "ACME"), (-7, "ACME")])

    def test_locks_the_pairs_that_were_asked_for_and_no_others(self, dora: Key, emil: Key) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora, (emil[0], "OTHER")])
            assert ledger[emil[0], "OTHER"].quantity == 0
            with pytest.raises(KeyError):
                ledger[dora[0], "OTHER"]

    def test_one_trader_has_many_shares(self, dora: Key, trade: UUID) -> None:
        other = (dora[0], "OTHER")
        with transaction.atomic():
            ledger = services.open_ledger([other, dora])
            ledger.settle(other, amount=5, hold_change=0, trade_id=trade, execution="E1")
            ledger.block(dora, 7, trade_id=trade)
            ledger.block(other, 3, trade_id=trade)
            ledger.post()
        assert (stock(dora), stock(other)) == ((100, 7), (5, 3))
        assert [held.symbol for held in selectors.holdings_of(dora[0])] == ["ACME", "OTHER"]

    def test_moves_only_what_was_opened(self, dora: Key, emil: Key, trade: UUID) -> None:
        with transaction.atomic():
            ledger = services.open_ledger([dora])
            with pytest.raises(KeyError, match="not opened"):
                ledger.block(emil, 1, trade_id=trade)

    @pytest.mark.django_db(transaction=True)
    def test_needs_the_callers_transaction(self, dora: Key) -> None:
        with pytest.raises(TransactionManagementError):
            services.open_ledger([dora])
        with transaction.atomic():
            ledger = services.open_ledger([dora])
        with pytest.raises(TransactionManagementError):
            ledger.post()

    def test_no_amount_outgrows_its_column(self, dora: Key) -> None:
        with transaction.atomic(), pytest.raises(services.LedgerError):
            services.open_ledger([dora]).deposit(dora, 2**63 - 1, key="too much")
        assert HoldingEntry.objects.filter(trader_id=dora[0]).count() == 1
