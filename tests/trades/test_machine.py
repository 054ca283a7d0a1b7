"""Anything may happen, in any order: clients ask, the exchange says whatever it likes, messages come twice and late.

A state machine over real PostgreSQL. After every step the books are audited, and compared with what the machine itself
knows of clients and exchange; no step may raise.
"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from dataclasses import replace as changed
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.db.models import Q
from django.db.models.functions import Now
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

from brokerage.models import FeeSchedule, Trader
from exchange.amqp import LinkDown, OutboundMessage
from exchange.fix.messages import ExecutionReport
from exchange.inbound import Report
from exchange.models import QuarantinedMessage
from holdings import services as holdings
from holdings.selectors import holdings_by_key
from tests.factories import InstrumentFactory, TraderFactory
from tests.trades import steps
from tests.trades.journal import NO_FEES, Journal, Terms
from trades.core import gateway
from trades.core.status_query import StatusQuery
from trades.intake import accept, change
from trades.intake.accept import Order
from trades.intake.change import ConflictError
from trades.intake.idempotency import StoredResponse
from trades.models import Trade, TradeRequest
from trades.queries.audit import discrepancies
from trades.steps import leases
from trades.steps.book import book
from trades.steps.runner import run_step
from trades.steps.send import send
from trades.steps.validate import validate
from wallets import services as wallets
from wallets.selectors import wallets_of

LONG = bool(os.environ.get("PROOFS"))
EXAMPLES, STEPS = (300, 40) if LONG else (60, 30)

SCHEDULES = (
    NO_FEES,
    Terms(Decimal("0.01"), Decimal("5.00"), Decimal("12.00")),
    Terms(Decimal("0.003"), Decimal("150.00"), None),  # more than a small sale brings in
)
JOURNALS = ("wallets_walletentry", "holdings_holdingentry", "trades_execution", "trades_tradeevent")
WRITTEN = " UNION ALL ".join(f"SELECT md5(entry::text) FROM {table} entry" for table in JOURNALS)  # noqa: S608

WHO = st.integers(0, 1)
AMOUNTS = st.sampled_from(["0.01", "500.00", "2500.00"])
QUANTITIES = st.integers(1, 30)
PRICES = st.sampled_from(["95.00", "99.95", "100.00", "100.05", "104.00"])
LASTS = st.sampled_from(["DAY", "GTC"])
HOW_FAR = st.sampled_from(["sent", "sent", "sent", "published", "booked", "validated"])
TRADES = st.integers(0, 5)
SEQS = st.integers(1, 4)
DECLARED = st.sampled_from(["3", "9", "D", "5", "0", "A", "E", "6", "4", "C", "8"])
TIMES = st.sampled_from([None, "20261122-10:01:00", "20261122-10:02:00", "20261122-10:03:00"])
DELIVERY = st.sampled_from(["now", "now", "now", "twice", "later"])


@dataclass(frozen=True)
class Placed:
    """A trade that was accepted, and what the client pays for it by what was agreed then."""

    trade: UUID
    trader: Trader
    side: str
    terms: Terms


class Machine(RuleBasedStateMachine):
    """One buyer and one seller with little money and few shares, and an exchange without manners."""

    def __init__(self) -> None:
        super().__init__()
        self.example = steps.example()
        self.example.__enter__()
        self.link = pytest.MonkeyPatch()
        self.link.setattr(gateway.publisher, "connect", lambda: None)
        self.link.setattr(gateway.publisher, "publish", self.publish)
        self.traders: list[Trader] = []
        self.cash: list[Decimal] = []
        self.shares: list[int] = []
        self.placed: list[Placed] = []
        self.calls: list[tuple[Callable[[], StoredResponse], StoredResponse]] = []
        self.accepted: set[str] = set()
        self.breaks = False
        self.published: list[dict[str, Any]] = []
        self.late: list[Report] = []
        self.last: list[Report] = []
        self.numbers = 0
        self.executions = 0
        self.executed: dict[str, int] = {}
        self.journal = Journal()
        self.written: set[str] = set()

    def teardown(self) -> None:
        self.link.undo()
        self.example.__exit__(None, None, None)

    @initialize(bought=st.tuples(QUANTITIES, PRICES, LASTS), sold=st.tuples(QUANTITIES, PRICES, LASTS), how_far=HOW_FAR)
    def open_the_firm(self, bought: tuple[int, str, str], sold: tuple[int, str, str], how_far: str) -> None:
        """There are two trades from the first step on: which rules an example has at all is left to chance."""
        InstrumentFactory(symbol="ACME")
        self.traders = [TraderFactory(name="Buyer"), TraderFactory(name="Seller")]
        self.cash, self.shares = [Decimal(0), Decimal(0)], [0, 0]
        self.pay(0, "3000.00")
        self.pay(1, 40)
        self.place(0, "BUY", *bought, schedule=1)
        self.place(1, "SELL", *sold, schedule=2)
        self.run_the_pipeline(how_far)

    # --- Clients ---

    @rule(who=WHO, what=AMOUNTS | QUANTITIES, out=st.booleans())
    def pay(self, who: int, what: str | int, *, out: bool = False) -> None:
        """Cash or shares come in, or go out if they are there."""
        trader_id, key = self.traders[who].pk, self.number("paid")
        if isinstance(what, int):
            move = holdings.withdraw if out else holdings.deposit
            done = move(trader_id=trader_id, symbol="ACME", amount=what, key=key)
            self.shares[who] += done.entry.amount if isinstance(done, holdings.Receipt) else 0
        else:
            move = wallets.withdraw if out else wallets.deposit
            done = move(trader_id=trader_id, amount=Decimal(what), key=key)
            self.cash[who] += done.entry.amount if isinstance(done, wallets.Receipt) else 0

    @precondition(lambda self: len(self.placed) < 6)
    @rule(
        who=WHO,
        side=st.sampled_from(["BUY", "SELL"]),
        quantity=QUANTITIES,
        price=PRICES,
        lasts=LASTS,
        schedule=st.integers(0, 2),
    )
    def place(self, who: int, side: str, quantity: int, price: str, lasts: str, schedule: int) -> None:
        """By the fees that are agreed on now; what was accepted before keeps those it was accepted with."""
        trader, terms = self.traders[who], SCHEDULES[schedule]
        names = {"rate": terms.rate, "minimum": terms.minimum, "cap": terms.cap}
        trader.fee_schedule, _ = FeeSchedule.objects.get_or_create(name=f"schedule {schedule}", defaults=names)
        trader.save()
        answer = self.ask(trader, accept.place, Order("ACME", side, quantity, Decimal(price), lasts))
        self.placed.append(Placed(answer.trade_id, trader, side, terms))

    @rule(
        which=TRADES,
        terms=st.fixed_dictionaries({}, optional={"quantity": QUANTITIES, "price": PRICES.map(Decimal)}),
        remaining=st.integers(1, 3),
    )
    def amend(self, which: int, terms: dict[str, Any], remaining: int) -> None:
        placed = self.which(which)
        self.ask(placed.trader, change.amend, placed.trade, **(terms or {"remaining_quantity": remaining}))

    @rule(which=TRADES)
    def cancel(self, which: int) -> None:
        placed = self.which(which)
        self.ask(placed.trader, change.cancel, placed.trade)

    @rule(which=st.integers(0, 20))
    def ask_again(self, which: int) -> None:
        """The same call under the same key gets the same bytes, whatever happened since."""
        call, answer = self.calls[which % len(self.calls)]
        assert call() == changed(answer, replayed=True)

    # --- The pipeline ---

    @rule(how_far=HOW_FAR)
    def run_the_pipeline(self, how_far: str) -> None:
        """All leases have run out. The process dies after a step; or having published, before that is noted."""
        work = {"validated": (validate,), "booked": (validate, book)}.get(how_far, (validate, book, send))
        self.breaks = how_far == "published"
        TradeRequest.objects.filter(due_at__isnull=False).update(due_at=Now())
        while batches := leases.lease_due(1_000):
            claims = [claim for batch in batches for claim in batch.leases]
            for step in work:
                run_step(step, claims, redelivered=False)

    def publish(self, window: Sequence[OutboundMessage], *, connected: bool = False) -> None:
        self.published += [json.loads(message.body) for message in window]
        if self.breaks:
            raise LinkDown("the confirms were lost")

    # --- The exchange ---

    @rule(
        which=TRADES,
        seq=SEQS,
        exec_type=DECLARED,
        terms=st.none() | st.tuples(QUANTITIES, PRICES),
        at=TIMES,
        delivery=DELIVERY,
    )
    def declare(
        self, which: int, seq: int, exec_type: str, terms: tuple[int, str] | None, at: str | None, delivery: str
    ) -> None:
        fields = {"TransactTime": at} if at else {}
        if terms:
            fields |= {"OrderQty": str(terms[0]), "Price": terms[1]}
        self.report(which, exec_type, seq, delivery, **fields)

    @rule(
        which=TRADES,
        seq=SEQS,
        what=st.sampled_from(["F", "F", "H", "G", "F", "H", "F under a used id", "H of another trade"]),
        back=st.integers(-1, 6),
        quantity=QUANTITIES,
        price=PRICES,
        delivery=DELIVERY,
    )
    def execute(self, which: int, seq: int, what: str, back: int, quantity: int, price: str, delivery: str) -> None:
        """A fill; or a bust or a correction of an execution, known or not yet: of its own trade, or of another one."""
        referred = self.exec_id(back)
        if what != "F under a used id":
            self.executions += 1
        fields = {"ExecID": referred if what == "F under a used id" else self.exec_id(0)}
        if what[0] == "F":
            self.executed[fields["ExecID"]] = which
        else:
            fields["ExecRefID"] = referred
            which = which if what == "H of another trade" else self.executed.get(referred, which)
        self.report(which, what[0], seq, delivery, LastQty=str(quantity), LastPx=price, **fields)

    @precondition(lambda self: TradeRequest.objects.filter(seq__gt=1).exists())
    @rule(which=TRADES, seq=SEQS, delivery=DELIVERY)
    def refuse(self, which: int, seq: int, delivery: str) -> None:
        self.deliver(steps.cancel_reject(self.which(which).trade, seq=self.seq(which, seq)), delivery)

    @rule(which=TRADES, latest=st.integers(0, 4), filled=st.sampled_from(["0", "5"]), delivery=DELIVERY)
    def answer_what_was_asked(self, which: int, latest: int, filled: str, delivery: str) -> None:
        """Asked about an order, the exchange names the newest request that it has got; 0: it knows no such order."""
        sent = TradeRequest.objects.filter(trade=self.which(which).trade, stage="SENT", outcome=None)
        fields = {"ExecID": "0", "OrdStatusReqID": str(StatusQuery.about(sent.exclude(message=None))), "CumQty": filled}
        if not latest:
            fields |= {"OrdStatus": "8", "OrdRejReason": "5"}
        self.report(which, "I", latest or 1, delivery, **fields)

    @precondition(lambda self: self.late)
    @rule(which=st.none() | st.integers(0, 20))
    def deliver_what_was_late(self, which: int | None) -> None:
        """One report, or all of them as one batch."""
        some = self.late if which is None else [self.late[which % len(self.late)]]
        self.late = [report for report in self.late if report not in some]
        self.tell(*some)

    @precondition(lambda self: self.last)
    @rule()
    def crash_between_commit_and_acknowledgement(self) -> None:
        """The last batch comes again."""
        self.tell(*(changed(report, redelivered=True) for report in self.last))

    # --- What must hold ---

    @invariant()
    def the_books_agree(self) -> None:
        """Among themselves: I1 to I5, I7, I9 and I10, as far as the database alone can tell."""
        assert [str(discrepancy) for discrepancy in discrepancies()] == []

    @invariant()
    def what_was_accepted_is_there_once(self) -> None:
        """I1."""
        assert {str(pk) for pk in TradeRequest.objects.values_list("pk", flat=True)} == self.accepted

    @invariant()
    def the_books_agree_with_the_exchange(self) -> None:
        """I4, and I5 with it: what each trader has is what came in, less what went out, and all that was executed."""
        cash, shares = list(self.cash), list(self.shares)
        filled = dict(Trade.objects.values_list("pk", "filled_quantity"))
        for placed in self.placed:
            quantity, worth = self.journal.filled(placed.trade), self.journal.worth(placed.trade)
            assert filled[placed.trade] == quantity
            who, sign = self.traders.index(placed.trader), 1 if placed.side == "BUY" else -1
            cash[who] -= sign * worth + placed.terms.due(worth, sold=placed.side == "SELL")
            shares[who] += sign * quantity
        keys = [(trader.pk, "ACME") for trader in self.traders]
        cash_of, shares_of = wallets_of(pk for pk, _ in keys), holdings_by_key(keys)
        for who, key in enumerate(keys):
            wallet, holding = cash_of[key[0]], shares_of[key]
            assert (wallet.balance - wallet.debt, holding.quantity - holding.short) == (cash[who], shares[who])

    @invariant()
    def what_was_written_stays(self) -> None:
        """I6."""
        with connection.cursor() as cursor:
            cursor.execute(WRITTEN)
            now = {entry for (entry,) in cursor.fetchall()}
        assert self.written <= now
        self.written = now

    @invariant()
    def the_exchange_sees_one_order_for_a_trade_and_its_requests_in_order(self) -> None:
        """I8: whatever goes out again is the same under the same id."""
        bodies: dict[str, dict[str, str]] = {}
        for message in self.published:
            body = message["Body"]
            assert bodies.setdefault(body["ClOrdID"], body) == body
        orders = [body["SecondaryClOrdID"] for body in bodies.values() if "OrigClOrdID" not in body]
        assert len(orders) == len(set(orders))
        seqs = {str(pk): seq for pk, seq in TradeRequest.objects.values_list("pk", "seq")}
        for trade in orders:
            sent = [seqs[pk] for pk, body in bodies.items() if body["SecondaryClOrdID"] == trade]
            assert sent == sorted(sent)

    @invariant()
    def nothing_failed(self) -> None:
        assert not QuarantinedMessage.objects.filter(code="FAILED").exists()
        assert not TradeRequest.objects.filter(Q(attempts__gt=0) | Q(parked__isnull=False)).exists()

    # --- Helpers of the rules ---

    def ask(
        self, trader: Trader, ask: Callable[..., StoredResponse], *args: Any, **terms: Any
    ) -> StoredResponse | None:
        context = steps.context(trader, key=self.number("call"), fingerprint="the same")
        call = partial(ask, *args, context=context, **terms)
        try:
            answer = call()
        except ConflictError:
            return None
        self.calls.append((call, answer))
        self.accepted |= {request["request_id"] for request in json.loads(answer.body)["requests"]}
        return answer

    def which(self, which: int) -> Placed:
        return self.placed[which % len(self.placed)]

    def seq(self, which: int, seq: int) -> int:
        return 1 + (seq - 1) % Trade.objects.get(pk=self.which(which).trade).requests.count()

    def number(self, prefix: str) -> str:
        self.numbers += 1
        return f"{prefix}{self.numbers:04}"

    def exec_id(self, back: int) -> str:
        """The last ExecID but `back`; -1 is the next one."""
        return f"X{max(1, self.executions - back):04}"

    def report(self, which: int, exec_type: str, seq: int, delivery: str, **fields: str) -> None:
        trade = self.which(which).trade
        self.deliver(steps.report(trade, exec_type, seq=self.seq(which, seq), **fields), delivery)

    def deliver(self, report: Report, delivery: str) -> None:
        if delivery == "later":
            self.late.append(report)
        else:
            self.tell(*([report, report] if delivery == "twice" else [report]))

    def tell(self, *reports: Report) -> None:
        self.last = list(reports)
        for report in reports:
            if isinstance(report.message, ExecutionReport):
                self.journal.hear(report.message)
        steps.tell(*reports)


@pytest.mark.slow
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
