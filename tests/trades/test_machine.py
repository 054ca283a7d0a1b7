"""Anything may happen, in any order: clients ask, the exchange says whatever it likes, messages come twice and late.

A state machine over real PostgreSQL. After every step the books are audited; no step may raise.
"""

import os
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from brokerage.models import Trader
from exchange.intake import Report
from exchange.models import QuarantinedMessage
from tests.factories import InstrumentFactory, TraderFactory
from tests.trades import steps
from trades.audit import discrepancies
from trades.models import Execution, Trade, TradeRequest
from trades.services.accept import ConflictError

LONG = bool(os.environ.get("PROOFS"))
EXAMPLES, STEPS = (300, 40) if LONG else (60, 30)

QUANTITIES = st.integers(1, 30)
PRICES = st.sampled_from(["95.00", "99.95", "100.00", "100.05", "104.00"])
PLAIN = st.sampled_from(["A", "0", "8", "4", "C", "3", "9", "D"])  # about the trade, without numbers
TRADES = st.integers(0, 5)
DELIVERY = st.sampled_from(["now", "now", "now", "twice", "later"])


class Machine(RuleBasedStateMachine):
    """One buyer and one seller with little money and few shares, and an exchange without manners."""

    def __init__(self) -> None:
        super().__init__()
        self.example = transaction.atomic()
        self.example._from_testcase = True  # the services' own transactions may open within it, as within a test's
        self.example.__enter__()
        self.traders: list[Trader] = []
        self.trades: list[UUID] = []
        self.late: list[Report] = []
        self.last: list[Report] = []
        self.numbers = 0

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.example.__exit__(None, None, None)

    @initialize()
    def open_the_firm(self) -> None:
        InstrumentFactory(symbol="ACME")
        self.traders = [TraderFactory(name="Buyer"), TraderFactory(name="Seller")]
        steps.wallets_for(self.traders[0], "3000.00")
        steps.holdings_for(self.traders[1], ACME=40)

    # --- Clients ---

    @rule(who=st.integers(0, 1), amount=st.sampled_from(["0.01", "500.00", "2500.00"]))
    def deposit(self, who: int, amount: str) -> None:
        steps.wallets_for(self.traders[who], amount)

    @precondition(lambda self: len(self.trades) < 6)
    @rule(
        who=st.integers(0, 1),
        side=st.sampled_from(["BUY", "SELL"]),
        quantity=QUANTITIES,
        price=PRICES,
        lasts=st.sampled_from(["DAY", "GTC"]),
    )
    def place(self, who: int, side: str, quantity: int, price: str, lasts: str) -> None:
        self.trades.append(steps.place(self.traders[who], side, quantity, price, time_in_force=lasts))

    @precondition(lambda self: self.trades)
    @rule(which=TRADES, terms=st.fixed_dictionaries({}, optional={"quantity": QUANTITIES}), dearer=st.booleans())
    def amend(self, which: int, terms: dict[str, Any], dearer: bool) -> None:
        wanted = terms or {"remaining_quantity": 3 if dearer else 1}
        try:
            steps.amend(self.trade(which), **wanted)
        except ConflictError:
            return

    @precondition(lambda self: self.trades)
    @rule(which=TRADES)
    def cancel(self, which: int) -> None:
        try:
            steps.cancel(self.trade(which))
        except ConflictError:
            return

    @rule()
    def run_the_pipeline(self) -> None:
        """Each trade's requests go one after the other: the next is due when the one before was sent."""
        while TradeRequest.objects.filter(due_at__isnull=False).exists():
            steps.run_to_sent()

    # --- The exchange ---

    @precondition(lambda self: self.trades)
    @rule(which=TRADES, seq=st.integers(1, 4), exec_type=PLAIN, delivery=DELIVERY)
    def declare(self, which: int, seq: int, exec_type: str, delivery: str) -> None:
        self.deliver(steps.report(self.trade(which), exec_type, seq=self.seq(which, seq)), delivery)

    @precondition(lambda self: self.trades)
    @rule(which=TRADES, seq=st.integers(1, 4), quantity=QUANTITIES, price=PRICES, delivery=DELIVERY)
    def fill(self, which: int, seq: int, quantity: int, price: str, delivery: str) -> None:
        named = self.seq(which, seq)
        self.deliver(steps.fill(self.trade(which), quantity, price, seq=named, ExecID=self.exec_id()), delivery)

    @precondition(lambda self: self.trades)
    @rule(which=TRADES, seq=st.integers(1, 4), exec_type=st.sampled_from(["5", "D"]), quantity=QUANTITIES, price=PRICES)
    def set_terms(self, which: int, seq: int, exec_type: str, quantity: int, price: str) -> None:
        terms = {"OrderQty": str(quantity), "Price": price}
        self.deliver(steps.report(self.trade(which), exec_type, seq=self.seq(which, seq), **terms), "now")

    @precondition(lambda self: self.trades)
    @rule(which=TRADES, seq=st.integers(1, 4), exec_type=st.sampled_from(["E", "6"]))
    def work_on(self, which: int, seq: int, exec_type: str) -> None:
        self.deliver(steps.report(self.trade(which), exec_type, seq=self.seq(which, seq)), "now")

    @precondition(lambda self: self.trades)
    @rule(which=TRADES, seq=st.integers(1, 4), delivery=DELIVERY)
    def refuse(self, which: int, seq: int, delivery: str) -> None:
        self.deliver(steps.cancel_reject(self.trade(which), seq=self.seq(which, seq)), delivery)

    @precondition(lambda self: self.numbers)
    @rule(
        which=TRADES,
        number=st.integers(1, 12),
        correction=st.one_of(st.none(), st.tuples(QUANTITIES, PRICES)),
        delivery=DELIVERY,
    )
    def revise(self, which: int, number: int, correction: tuple[int, str] | None, delivery: str) -> None:
        """A bust or a correction of an execution of this trade, of another one, or of one that is not known yet."""
        fields = {"ExecID": self.exec_id(), "ExecRefID": f"X{number}"}
        if correction:
            fields |= {"LastQty": str(correction[0]), "LastPx": correction[1]}
        self.deliver(steps.report(self.trade(which), "G" if correction else "H", **fields), delivery)

    @precondition(lambda self: self.late)
    @rule(which=st.integers(0, 20))
    def deliver_what_was_late(self, which: int) -> None:
        self.deliver(self.late.pop(which % len(self.late)), "now")

    @precondition(lambda self: self.last)
    @rule()
    def crash_between_commit_and_acknowledgement(self) -> None:
        """The last batch comes again."""
        steps.tell(*self.last)

    # --- What must hold ---

    @invariant()
    def the_books_agree(self) -> None:
        assert [str(discrepancy) for discrepancy in discrepancies()] == []

    @invariant()
    def nothing_failed(self) -> None:
        assert not QuarantinedMessage.objects.filter(code="FAILED").exists()
        assert not TradeRequest.objects.filter(parked__isnull=False).exists()

    @invariant()
    def every_execution_is_there_once(self) -> None:
        assert Execution.objects.count() <= self.numbers

    # --- Helpers of the rules ---

    def trade(self, which: int) -> UUID:
        return self.trades[which % len(self.trades)]

    def seq(self, which: int, seq: int) -> int:
        return 1 + (seq - 1) % Trade.objects.get(pk=self.trade(which)).requests.count()

    def exec_id(self) -> str:
        self.numbers += 1
        return f"X{self.numbers}"

    def deliver(self, report: Report, delivery: str) -> None:
        if delivery == "later":
            self.late.append(report)
            return
        self.last = [report, report] if delivery == "twice" else [report]
        steps.tell(*self.last)


@pytest.mark.django_db
@pytest.mark.timeout(3_000)
def test_the_books_agree_whatever_happens() -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
