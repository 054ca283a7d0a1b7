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
    """One of the two, and how the test calls it."""

    app: str
    services: ModuleType
    selectors: ModuleType
    audit: Callable[[], Any]
    accounts: Callable[[], list[Any]]
    amount: Callable[[int], Any]
    read: Callable[[Any], Any]
    total: str
    loan: str


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
    hold: int


@dataclass(frozen=True)
class Position:
    """The figures of an account by the loan rule, which needs no history: only its own, and what is held of it."""

    own: int
    blocked: int

    @property
    def loan(self) -> int:
        return max(0, self.blocked - self.own)

    @property
    def total(self) -> int:
        return self.own + self.loan

    @property
    def available(self) -> int:
        return self.total - self.blocked


@dataclass
class Model:
    """What an account should be: all that came in less all that went out, and what each trade holds of it."""

    own: int = 0
    holds: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(TRADES), 0))

    def position(self) -> Position:
        return Position(self.own, sum(self.holds.values()))


moves = st.builds(
    Move,
    verb=st.sampled_from(["deposit", "withdraw", "block", "block_on_credit", "release", "settle"]),
    account=st.integers(0, ACCOUNTS - 1),
    trade=st.integers(0, TRADES - 1),
    units=st.integers(0, 40),
    receives=st.booleans(),
    hold=st.integers(0, 40),
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
        self.expected: list[tuple[Any, ...]] = []  # the entries of this batch

    def batch(self, batch: list[Move]) -> None:
        self.expected = []
        with transaction.atomic():
            ledger = self.twin.services.open_ledger(self.accounts)
            for move in batch:
                getattr(self, move.verb)(ledger, move)
            entries = ledger.post()
        total, loan = self.twin.total, self.twin.loan
        assert self.expected == [
            (
                entry.kind,
                *(entry.amount, entry.blocked_change, getattr(entry, f"{loan}_change")),
                *(getattr(entry, f"{total}_after"), entry.blocked_after, getattr(entry, f"{loan}_after")),
                entry.trade_id,
            )
            for entry in entries
        ]

    def enter(self, move: Move, *, kind: str, amount: int = 0, blocked: int = 0) -> None:
        """Change the model by one movement; expect its entry, a loan before it, or a repayment after it."""
        model = self.models[move.account]
        before = model.position()
        model.own += amount
        model.holds[move.trade] += blocked
        after = model.position()
        assert 0 <= after.blocked <= after.total
        assert after.loan == 0 or after.blocked == after.total
        assert after.total - after.loan == model.own

        lent, repaid = max(0, after.loan - before.loan), max(0, before.loan - after.loan)
        trade_id = None if kind in ("DEPOSIT", "WITHDRAWAL") else self.trades[move.account][move.trade]
        if lent:
            self.expect("LOAN", (lent, 0, lent), (before.total + lent, before.blocked, after.loan), trade_id)
        self.expect(kind, (amount, blocked, 0), (after.total + repaid, after.blocked, after.loan + repaid), trade_id)
        if repaid:
            self.expect("REPAY", (-repaid, 0, -repaid), (after.total, after.blocked, after.loan), trade_id)

    def expect(
        self, kind: str, changes: tuple[int, int, int], after: tuple[int, int, int], trade_id: UUID | None
    ) -> None:
        self.expected.append((kind, *map(self.twin.amount, changes + after), trade_id))

    def refused(self, shortfall: Any, move: Move, available: int) -> None:
        amount = self.twin.amount
        assert (shortfall.needed, shortfall.available) == (amount(move.units), amount(available))
        assert shortfall.short == amount(move.units - available)

    def deposit(self, ledger: Any, move: Move) -> None:
        if move.units:
            ledger.deposit(self.accounts[move.account], self.twin.amount(move.units), key=str(next(self.numbers)))
            self.enter(move, kind="DEPOSIT", amount=move.units)

    def withdraw(self, ledger: Any, move: Move) -> None:
        if not move.units:
            return
        available, key = self.models[move.account].position().available, str(next(self.numbers))
        shortfall = ledger.withdraw(self.accounts[move.account], self.twin.amount(move.units), key=key)
        if move.units > available:
            self.refused(shortfall, move, available)
            return
        assert shortfall is None
        self.enter(move, kind="WITHDRAWAL", amount=-move.units)

    def block(self, ledger: Any, move: Move) -> None:
        available = self.models[move.account].position().available
        trade_id = self.trades[move.account][move.trade]
        shortfall = ledger.block(self.accounts[move.account], self.twin.amount(move.units), trade_id=trade_id)
        if move.units > available:
            self.refused(shortfall, move, available)
            return
        assert shortfall is None
        if move.units:
            self.enter(move, kind="BLOCK", blocked=move.units)

    def block_on_credit(self, ledger: Any, move: Move) -> None:
        trade_id = self.trades[move.account][move.trade]
        ledger.block_on_credit(self.accounts[move.account], self.twin.amount(move.units), trade_id=trade_id)
        if move.units:
            self.enter(move, kind="BLOCK", blocked=move.units)

    def release(self, ledger: Any, move: Move) -> None:
        units = min(move.units, self.models[move.account].holds[move.trade])
        trade_id = self.trades[move.account][move.trade]
        ledger.release(self.accounts[move.account], self.twin.amount(units), trade_id=trade_id)
        if units:
            self.enter(move, kind="RELEASE", blocked=-units)

    def settle(self, ledger: Any, move: Move) -> None:
        """Give whatever there is or is not and free some of the hold; or receive, and hold more (a bust)."""
        held = self.models[move.account].holds[move.trade]
        amount = move.units if move.receives else -move.units
        change = move.hold if move.receives else -min(move.hold, held)
        ledger.settle(
            self.accounts[move.account],
            amount=self.twin.amount(amount),
            hold_change=self.twin.amount(change),
            trade_id=self.trades[move.account][move.trade],
            execution=f"E{next(self.numbers)}",
        )
        self.enter(move, kind="SETTLE", amount=amount, blocked=change)

    def compare(self) -> None:
        amount, held = self.twin.amount, {}
        for account, model, trades in zip(self.accounts, self.models, self.trades, strict=True):
            row, position = self.twin.read(account), model.position()
            assert (getattr(row, self.twin.total), row.blocked, getattr(row, self.twin.loan)) == (
                *(amount(position.total), amount(position.blocked), amount(position.loan)),
            )
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
    assert all(models.CONTRA[kind] for models in (wallets.models, holdings.models) for kind in models.Kind)
