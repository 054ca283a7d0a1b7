"""Wallets and holdings are two copies of one idea: whatever is done to either, it does what one small model says."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from types import ModuleType
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import holdings.audit
import holdings.models
import holdings.selectors
import holdings.services
import wallets.audit
import wallets.models
import wallets.selectors
import wallets.services
from tests.factories import TraderFactory

ACCOUNTS = 3
TRADES = 2


@dataclass(frozen=True)
class Twin:
    """One of the two, and how the test speaks to it."""

    app: str
    services: ModuleType
    selectors: ModuleType
    audit: Callable[[], Any]
    accounts: Callable[[], list[Any]]
    amount: Callable[[int], Any]
    read: Callable[[Any], Any]
    total: str
    owed: str


def three_wallets() -> list[int]:
    return [TraderFactory().pk for _ in range(ACCOUNTS)]


def three_holdings() -> list[tuple[int, str]]:
    one, other = TraderFactory().pk, TraderFactory().pk
    return [(one, "ACME"), (one, "OTHER"), (other, "ACME")]


WALLETS = Twin(
    "wallets",
    wallets.services,
    wallets.selectors,
    wallets.audit.audit,
    three_wallets,
    lambda units: Decimal(units) / 100,
    wallets.selectors.wallet_of,
    "balance",
    "debt",
)
HOLDINGS = Twin(
    "holdings",
    holdings.services,
    holdings.selectors,
    holdings.audit.audit,
    three_holdings,
    int,
    lambda key: holdings.selectors.holding_of(*key),
    "quantity",
    "short",
)
twins = pytest.mark.parametrize("twin", [WALLETS, HOLDINGS], ids=lambda twin: twin.app)


@dataclass(frozen=True)
class Move:
    verb: str
    account: int
    trade: int
    units: int
    receives: bool


@dataclass
class Model:
    """What an account should be: a total, and what each trade holds of it."""

    total: int = 0
    holds: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(TRADES), 0))

    @property
    def blocked(self) -> int:
        return sum(self.holds.values())

    @property
    def available(self) -> int:
        return self.total - self.blocked


moves = st.builds(
    Move,
    verb=st.sampled_from(["deposit", "withdraw", "block", "release", "settle"]),
    account=st.integers(0, ACCOUNTS - 1),
    trade=st.integers(0, TRADES - 1),
    units=st.integers(0, 40),
    receives=st.booleans(),
)
batches = st.lists(st.lists(moves, max_size=8), max_size=6)


class Run:
    """Plays moves on a ledger and on the model side by side."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        self.accounts = twin.accounts()
        self.models = [Model() for _ in self.accounts]
        self.trades: list[list[UUID]] = [[uuid4() for _ in range(TRADES)] for _ in self.accounts]
        self.numbers = count()
        self.expected: list[tuple[int, int]] = []  # total and blocked after each movement of this batch

    def batch(self, batch: list[Move]) -> None:
        self.expected = []
        with transaction.atomic():
            ledger = self.twin.services.open_ledger(self.accounts)
            for move in batch:
                getattr(self, move.verb)(ledger, move)
            entries = ledger.post()
        after = [(getattr(e, f"{self.twin.total}_after"), e.blocked_after) for e in entries]
        amount = self.twin.amount
        assert after == [(amount(total), amount(blocked)) for total, blocked in self.expected]

    def moved(self, move: Move) -> None:
        model = self.models[move.account]
        self.expected.append((model.total, model.blocked))

    def refused(self, shortfall: Any, move: Move, available: int) -> None:
        amount = self.twin.amount
        assert (shortfall.needed, shortfall.available) == (amount(move.units), amount(available))
        assert shortfall.short == amount(move.units - available)

    def deposit(self, ledger: Any, move: Move) -> None:
        if move.units:
            ledger.deposit(self.accounts[move.account], self.twin.amount(move.units), key=str(next(self.numbers)))
            self.models[move.account].total += move.units
            self.moved(move)

    def withdraw(self, ledger: Any, move: Move) -> None:
        if not move.units:
            return
        model, key = self.models[move.account], str(next(self.numbers))
        shortfall = ledger.withdraw(self.accounts[move.account], self.twin.amount(move.units), key=key)
        if move.units > model.available:
            self.refused(shortfall, move, model.available)
            return
        assert shortfall is None
        model.total -= move.units
        self.moved(move)

    def block(self, ledger: Any, move: Move) -> None:
        model = self.models[move.account]
        trade_id = self.trades[move.account][move.trade]
        shortfall = ledger.block(self.accounts[move.account], self.twin.amount(move.units), trade_id=trade_id)
        if move.units > model.available:
            self.refused(shortfall, move, model.available)
            return
        assert shortfall is None
        if move.units:
            model.holds[move.trade] += move.units
            self.moved(move)

    def release(self, ledger: Any, move: Move) -> None:
        model = self.models[move.account]
        units = min(move.units, model.holds[move.trade])
        trade_id = self.trades[move.account][move.trade]
        ledger.release(self.accounts[move.account], self.twin.amount(units), trade_id=trade_id)
        if units:
            model.holds[move.trade] -= units
            self.moved(move)

    def settle(self, ledger: Any, move: Move) -> None:
        """Give what the trade holds and perhaps more, or receive without touching its hold."""
        model = self.models[move.account]
        change = move.units if move.receives else -move.units
        freed = 0 if move.receives else min(move.units, model.holds[move.trade])
        facts = {
            "amount": self.twin.amount(change),
            "hold_change": self.twin.amount(-freed),
            "trade_id": self.trades[move.account][move.trade],
            "execution": f"E{next(self.numbers)}",
        }
        if model.blocked - freed > model.total + change:
            with pytest.raises(self.twin.services.UncoveredError):
                ledger.settle(self.accounts[move.account], **facts)
            return
        ledger.settle(self.accounts[move.account], **facts)
        model.total += change
        model.holds[move.trade] -= freed
        self.moved(move)

    def compare(self) -> None:
        amount, held = self.twin.amount, {}
        for account, model, trades in zip(self.accounts, self.models, self.trades, strict=True):
            row = self.twin.read(account)
            assert getattr(row, self.twin.total) == amount(model.total)
            assert (row.blocked, getattr(row, self.twin.owed)) == (amount(model.blocked), 0)
            held |= {trades[trade]: amount(units) for trade, units in model.holds.items() if units}
        assert self.twin.selectors.blocked_by_trade([trade for trades in self.trades for trade in trades]) == held
        assert [str(discrepancy) for discrepancy in self.twin.audit()] == []


# The trades exist in the journal only, so the audit that compares the two cannot follow.
@twins
@pytest.mark.breaks_the_books
@pytest.mark.django_db
@given(batches=batches)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_sequence_of_batches_does_what_the_model_says(twin: Twin, batches: list[list[Move]]) -> None:
    with transaction.atomic():
        run = Run(twin)
        for batch in batches:
            run.batch(batch)
        run.compare()
        transaction.set_rollback(True)  # the next example starts from nothing


def test_the_twins_offer_the_same_services() -> None:
    assert set(holdings.services.__all__) - {"Key"} == set(wallets.services.__all__)


def test_the_twins_have_the_same_kinds_but_for_fees() -> None:
    assert {*holdings.models.Kind.values, "FEE"} == set(wallets.models.Kind.values)
    assert all(kind.contra for models in (wallets.models, holdings.models) for kind in models.Kind)
