"""Building a past: traders who do not exist, what they own, and their orders, played in the order of time."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.db import connection

from brokerage.db.bulk import insert_many
from brokerage.db.transactions import transaction_required
from brokerage.models import Instrument, Trader, User
from brokerage.reasons import Code, Reason
from exchange.inbound import Report
from holdings import selectors as holdings
from holdings import services as holding_services
from trades.core import repository
from trades.core.parking import park
from trades.lifecycle import Stage
from trades.management.seeding.orders import InventedOrder, choose
from trades.models import Trade, TradeRequest
from trades.pipeline import apply_reports
from trades.steps.book import book
from trades.steps.send import note_sent
from trades.steps.validate import validate
from wallets import selectors as wallets
from wallets import services as wallet_services

STEP, ROUND_TRIP = timedelta(milliseconds=23), timedelta(milliseconds=140)
"""What one step of the pipeline takes here; from a request's arrival to the exchange's answer."""

STEP_FAILED = Reason(Code.STEP_FAILED, "After VALIDATED the next step failed 3 times: ConnectionError")

BURSTS = 80
"""Orders of one batch come in so many bursts: what happens to those of a burst at once goes by in one call."""

OPENS_S, CLOSES_S = 4 * 3600, 10 * 3600
"""The seconds of a day, UTC, between which the invented orders are placed: the hours of the Indian exchanges."""

STATUSES = {Trader.Status.ACTIVE: 196, Trader.Status.REDUCING: 3, Trader.Status.SUSPENDED: 1}
FIRST_NAMES = """
    Aarav Aditi Amit Ananya Anil Anjali Arjun Asha Chetan Deepa Dinesh Divya Farhan Fatima Gaurav Geeta Harpreet Imran
    Jaya Jyoti Kabir Kavita Kiran Lakshmi Manish Meera Mohan Neha Nikhil Nisha Priya Rahul Rekha Sanjay Shreya Sunita
"""
LAST_NAMES = """
    Agarwal Ahmed Banerjee Bhat Bose Chopra D'Souza Das Desai Dutta Fernandes Ghosh Gill Gupta Hegde Iyer Jain Joshi
    Kaur Khan Kulkarni Kumar Malhotra Menon Mishra Nair Patel Pillai Rao Reddy Sen Shah Sharma Singh Verma Yadav
"""


class HistoryBuilder:
    """Builds what happened to new traders in `days` days until `until`; `seed` decides every random choice."""

    def __init__(self, seed: str, *, days: int, until: datetime) -> None:
        self._seed, self._rng = seed, Random(seed)  # noqa: S311  (an invented past, no secrets)
        self._days, self._until = days, until
        self._instruments = Instrument.objects.in_bulk()

    @transaction_required
    def build(self, *, traders: int, trades: int) -> None:
        """Write so many traders and trades in the caller's transaction; nothing of it is left for the pipeline."""
        rng, began_at = self._rng, self._until - timedelta(days=self._days, hours=12)
        self._usernames = self._create_traders(traders, at=began_at)
        symbols = sorted(symbol for symbol, instrument in self._instruments.items() if not instrument.halted)
        self._traded = {pk: rng.sample(symbols, min(len(symbols), rng.randint(1, 4))) for pk in self._usernames}
        self._open_balances(at=began_at)
        activity = [rng.paretovariate(1.2) for _ in self._usernames]  # a few trade far more than the others
        placing = [*self._usernames, *rng.choices([*self._usernames], activity, k=trades - traders)]
        self._play(self._burst(number, placing[number::BURSTS]) for number in range(min(BURSTS, trades)))
        # The exchange has never heard of these trades, and would say so.
        written = Trade.objects.filter(trader__in=self._traded)
        TradeRequest.objects.filter(trade__in=written, check_at__isnull=False).update(check_at=None)
        written.filter(check_at__isnull=False).update(check_at=None)

    def _create_traders(self, count: int, *, at: datetime) -> dict[int, str]:
        """Insert traders who joined at `at`; return the name of each one's log-in, which has no password."""
        rng, first_names, last_names = self._rng, FIRST_NAMES.split(), LAST_NAMES.split()
        traders = [
            Trader(
                name=f"{rng.choice(first_names)} {rng.choice(last_names)}",
                phone=f"+91 {rng.randrange(70_000, 100_000)} {rng.randrange(100_000):05}",
                status=choose(STATUSES, rng),
                created_at=at,
            )
            for _ in range(count)
        ]
        insert_many(traders)
        names = {t.pk: f"{t.name.lower().replace(' ', '.').replace(chr(39), '')}.{t.pk}" for t in traders}
        users = [User(username=names[t.pk], trader=t, password=make_password(None), date_joined=at) for t in traders]
        insert_many(users)
        return names

    def _open_balances(self, *, at: datetime) -> None:
        """Give each trader cash, and shares of about half of what they trade in."""
        keys = [(trader_id, symbol) for trader_id, symbols in self._traded.items() for symbol in symbols]
        cash, shares = wallet_services.open_ledger(self._traded), holding_services.open_ledger(keys)
        for trader_id in self._traded:
            cash.deposit(trader_id, Decimal(self._rng.randint(1, 20) * 50_000), key="seed", note="Opening balance")
        for trader_id, symbol in keys:
            if self._rng.random() < 0.5:
                quantity = self._rng.randint(1, 40) * 10 * self._instruments[symbol].lot
                shares.deposit((trader_id, symbol), quantity, key=f"seed-{symbol}", note="Opening position")
        cash.post(at=at)
        shares.post(at=at)

    def _play(self, bursts: Iterable[Iterator[datetime]]) -> None:
        """Play all bursts by the clock, so that each journal tells what happened in the order in which it did."""
        acts = [(next(burst), number, burst) for number, burst in enumerate(bursts)]
        heapq.heapify(acts)
        while acts and acts[0][0] <= self._until:  # what would happen later has not happened yet
            _, number, burst = heapq.heappop(acts)
            if following := next(burst, None):
                heapq.heappush(acts, (following, number, burst))
            connection.run_on_commit.clear()  # it does not happen now: it is neither counted nor logged

    def _burst(self, number: int, trader_ids: Sequence[int]) -> Iterator[datetime]:
        """Play orders that are placed at nearly the same time; yields when something is to happen to some of them."""
        rng = Random(f"{self._seed}-{number}")  # noqa: S311  (its own: no burst changes the choices of another)
        yield (at := self._moment(rng))
        keys = [(trader_id, rng.choice(self._traded[trader_id])) for trader_id in trader_ids]
        cash, shares = wallets.wallets_of(trader_ids), holdings.holdings_by_key(keys)
        acts = {
            (order := InventedOrder(trader_id, symbol, self._usernames[trader_id], rng)): order.acts(
                self._instruments, cash[trader_id].available, shares[trader_id, symbol].available
            )
            for trader_id, symbol in keys
        }
        while acts:
            reports: list[Report] = []
            requests: dict[UUID, InventedOrder] = {}
            for order in [*acts]:
                order.at = at
                match next(acts[order], False):
                    case Report() as report:
                        reports.append(report)
                    case UUID() as request_id:
                        requests[request_id] = order
                    case False:
                        del acts[order]
            if reports:
                apply_reports.joined(reports, now=at)
            if requests:
                self._process(requests, at=at)
                at += ROUND_TRIP
            else:
                yield (at := at + timedelta(seconds=rng.expovariate(1 / 90) + 0.05))

    def _moment(self, rng: Random) -> datetime:
        """Return some time within the hours of trading, a minute before `until` or earlier."""
        midnight = self._until.replace(hour=0, minute=0, second=0, microsecond=0)
        at = midnight - timedelta(days=rng.randrange(self._days), seconds=-rng.triangular(OPENS_S, CLOSES_S, OPENS_S))
        return at if at < self._until - timedelta(minutes=1) else at - timedelta(days=self._days)

    def _process(self, requests: dict[UUID, InventedOrder], *, at: datetime) -> None:
        """Take requests through the pipeline; those of parked orders fail on the way."""
        leases = [(str(request_id), 0) for request_id in requests]  # never leased: nobody sees them before the commit
        validate.joined(leases, now=at + STEP)
        parked = [(str(request_id), 0) for request_id, order in requests.items() if order.scenario == "parked"]
        for trade, request in repository.lock_leased(parked, stage=Stage.VALIDATED):
            park(trade, request, STEP_FAILED, at=at + 40 * STEP)
            repository.save([trade], at=at + 40 * STEP)
        book.joined(leases, now=at + 2 * STEP)
        note_sent.joined([*requests], now=at + 3 * STEP)
        for request_id, request in TradeRequest.objects.in_bulk(requests).items():
            requests[request_id].request = request
