"""Many connections at one wallet. Each of these turns red when the wallet's lock is taken away."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction

from tests.factories import TraderFactory
from wallets import selectors, services

THREADS = 12

# The trades named here exist in the wallets' journal only.
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.breaks_the_books,
    pytest.mark.usefixtures("own_books"),
]


def at_once(work: Callable[[int], Any]) -> list[Any]:
    """Run `work(number)` in as many threads, with connections of their own, starting together."""
    start = Barrier(THREADS)

    def run(number: int) -> Any:
        try:
            start.wait()
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


def test_cash_for_exactly_five_is_blocked_exactly_five_times(dora: int) -> None:
    def block(_: int) -> services.Shortfall | None:
        with transaction.atomic(durable=True):
            ledger = services.open_ledger([dora])
            shortfall = ledger.block(dora, Decimal("20.00"), trade_id=uuid4())
            time.sleep(0.02)  # wide enough for another to come in between, if it could
            ledger.post()
            return shortfall

    outcomes = at_once(block)

    assert outcomes.count(None) == 5
    assert [outcome.available for outcome in outcomes if outcome] == [0] * (THREADS - 5)
    wallet = selectors.wallet_of(dora)
    assert (wallet.balance, wallet.blocked) == (Decimal("100.00"), Decimal("100.00"))


def test_one_key_deposits_once(dora: int) -> None:
    receipts = at_once(lambda _: services.deposit(trader_id=dora, amount=Decimal("7.00"), key="same"))

    assert sorted(receipt.replayed for receipt in receipts) == [False] + [True] * (THREADS - 1)
    assert selectors.wallet_of(dora).balance == Decimal("107.00")


def test_wallets_missing_in_both_of_two_batches_are_opened_without_a_deadlock() -> None:
    traders = [trader.pk for trader in TraderFactory.create_batch(40)]

    def deposit(number: int) -> None:
        order = traders if number % 2 else traders[::-1]
        with transaction.atomic(durable=True):
            ledger = services.open_ledger(order)
            for trader_id in order:
                ledger.deposit(trader_id, Decimal("1.00"), key=f"from {number}")
            ledger.post()

    at_once(deposit)

    assert {wallet.balance for wallet in selectors.wallets_of(traders).values()} == {Decimal(THREADS)}
