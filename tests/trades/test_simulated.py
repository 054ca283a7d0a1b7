"""The broker and the simulated exchange side by side, without a link between them: they agree on every trade.

The exchange does to its orders whatever one may do, but nothing that it says is lost, late or overtaken.
"""

import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from brokerage.models import Trader
from exchange.fix.messages import encode, parse
from exchange.fix.wire import enclose
from exchange.inbound import Report
from exchange.simulator.engine import Engine
from exchange.simulator.faults import Fault, Faults
from exchange.simulator.instruments import Instrument
from exchange.simulator.journal import Journal
from tests.factories import InstrumentFactory
from tests.trades import steps
from trades.intake.change import ConflictError
from trades.lifecycle import Reported
from trades.models import TradeEvent, TradeRequest

pytestmark = pytest.mark.django_db

SEEDS = range(10) if os.environ.get("PROOFS") else range(2)
ROUNDS = 40
"""At least; then it goes on until the exchange has said everything that it can say."""
MISCHIEF = {
    Fault.PENDINGS: 0.5,
    Fault.DUPLICATES: 0.2,
    Fault.AMENDS_REFUSED: 0.2,
    Fault.CANCELS_REFUSED: 0.2,
    Fault.HALTS: 0.05,
    Fault.BUSTS: 0.2,
    Fault.CORRECTIONS: 0.2,
    Fault.SUSPENSIONS: 0.1,
    Fault.RESTATEMENTS: 0.2,
    Fault.CANCELS: 0.05,
    Fault.EXPIRIES: 0.05,
    Fault.DONE_FOR_DAY: 0.1,
}
SCRIPTED = [f"99.{paise}" for paise in (12, 13, 14, 15, 16, 17, 18, 21, 22, 23, 24, 25, 26, 27, 28)]
"""The price of every script but the two that hold an ack back."""
PRICES = ["99.00", "100.00"] * 10 + SCRIPTED


class Exchange:
    """What either side says, the other hears at once. Time passes when it is told to."""

    def __init__(self, path: Path, *, seed: int) -> None:
        self.journal = Journal(path)
        instrument = Instrument("TEST", Decimal("0.01"), 1, Decimal(100), Decimal(50))
        self.engine = Engine(self.journal, {"TEST": instrument}, faults=Faults(MISCHIEF, seed), scripts=True)
        self.now = datetime(2026, 11, 22, 10, 15, 30, tzinfo=UTC)
        self.received: set[UUID] = set()

    def take_requests(self) -> None:
        sent = TradeRequest.objects.filter(sent_at__isnull=False, message__isnull=False)
        for row in sent.exclude(pk__in=self.received).order_by("sent_at", "trade", "seq"):
            self.received.add(row.pk)
            request = encode(row.message["MsgType"], row.message["Body"], sending_time=self.now)
            self.engine.process([request], now=self.now)
        self.report()

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.engine.catch_up(now=self.now)
        self.report()

    def report(self) -> None:
        reports = []
        for waiting in self.journal.unpublished(10_000):
            raw = enclose(waiting.msg_type, waiting.body, sending_time=self.now, poss_resend=bool(waiting.poss_resend))
            reports.append(Report(raw, waiting.message_id, parse(raw)))
            self.journal.mark_published(waiting.number)
        steps.tell(*reports)


@pytest.fixture(params=SEEDS)
def seed(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.fixture
def exchange(tmp_path: Path, seed: int) -> Iterator[Exchange]:
    exchange = Exchange(tmp_path / "exchange.sqlite3", seed=seed)
    yield exchange
    exchange.journal.close()


class Clients:
    """Two traders who ask for anything: new orders at every kind of price, amendments, cancellations."""

    def __init__(self, traders: list[Trader], dice: random.Random) -> None:
        self.traders = traders
        self.dice = dice
        self.trades: list[UUID] = []

    def ask(self) -> None:
        for _ in range(self.dice.randint(0, 3)):
            self.place()
        for trade in self.dice.sample(self.trades, min(3, len(self.trades))):
            self.change(trade)
        while TradeRequest.objects.filter(due_at__isnull=False).exists():
            steps.run_to_sent()

    def place(self) -> None:
        trader, side, price = (self.dice.choice(those) for those in (self.traders, ["BUY", "SELL"], PRICES))
        lasts = self.dice.choice(["DAY", "DAY", "GTC", "GTC", "IOC", "FOK"])
        placed = steps.place(trader, side, self.dice.randint(1, 20), price, symbol="TEST", time_in_force=lasts)
        self.trades.append(placed)

    def change(self, trade: UUID) -> None:
        try:
            if self.dice.random() < 0.3:
                steps.cancel(trade)
            else:
                steps.amend(trade, quantity=self.dice.randint(1, 20), price=Decimal(self.dice.choice(PRICES)))
        except ConflictError:
            return  # it is over, or nothing would change


def test_no_report_of_the_simulated_exchange_differs_from_what_we_know(
    alice: Trader, bob: Trader, exchange: Exchange, seed: int
) -> None:
    InstrumentFactory(symbol="TEST", tick=Decimal("0.01"))
    for trader in (alice, bob):
        steps.wallets_for(trader, "1000000.00")
        steps.holdings_for(trader, TEST=10_000)
    clients, rounds = Clients([alice, bob], random.Random(seed)), 0
    while rounds < ROUNDS or not everything_was_reported():
        assert rounds < 20 * ROUNDS, "the exchange does not say everything"
        clients.ask()
        exchange.take_requests()
        exchange.pass_time(clients.dice.random())
        rounds += 1
    odd = TradeEvent.objects.filter(kind="ANOMALY", data__code="REPORT_DIFFERS")
    assert list(odd.values_list("data", flat=True)) == []


def everything_was_reported() -> bool:
    """All that it says of its own accord."""
    kinds = set(TradeEvent.objects.values_list("kind", flat=True))
    return {f"EXCHANGE_{reported}" for reported in Reported if reported is not Reported.STATUS} <= kinds
