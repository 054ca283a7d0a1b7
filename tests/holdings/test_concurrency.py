"""Many connections at one holding. Each of these turns red when the holding's lock is taken away."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction

from holdings import selectors, services
from holdings.services import Key
from tests.factories import TraderFactory

THREADS = 12

# The trades named here exist in the holdings' journal only.
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


def test_shares_for_exactly_five_are_blocked_exactly_five_times(dora: Key) -> None:
    def block(_: int) -> services.Shortfall | None:
        with transaction.atomic(durable=True):
            ledger = services.open_ledger([dora])
            shortfall = ledger.block(dora, 20, trade_id=uuid4())
            time.sleep(0.02)  # wide enough for another to come in between, if it could
            ledger.post()
            return shortfall

    outcomes = at_once(block)

    assert outcomes.count(None) == 5
    assert [outcome.available for outcome in outcomes if outcome] == [0] * (THREADS - 5)
    holding = selectors.holding_of(*dora)
    assert (holding.quantity, holding.blocked) == (100, 100)


def test_one_key_deposits_once(dora: Key) -> None:
    receipts = at_once(lambda _: services.deposit(trader_id=dora[0], symbol=dora[1], amount=7, key="same"))

    assert sorted(receipt.replayed for receipt in receipts) == [False] + [True] * (THREADS - 1)
    assert selectors.holding_of(*dora).quantity == 107


def test_holdings_missing_in_both_of_two_batches_are_opened_without_a_deadlock() -> None:
    keys = [(trader.pk, symbol) for trader in TraderFactory.create_batch(20) for symbol in ("ACME", "OTHER")]

    def deposit(number: int) -> None:
        order = keys if number % 2 else keys[::-1]
        with transaction.atomic(durable=True):
            ledger = services.open_ledger(order)
            for key in order:
                ledger.deposit(key, 1, key=f"{key[1]} from {number}")
            ledger.post()

    at_once(deposit)

    assert {holding.quantity for holding in selectors.holdings_by_key(keys).values()} == {THREADS}
