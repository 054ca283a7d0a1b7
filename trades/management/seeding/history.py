"""Building a past: traders who do not exist, what they own, and their orders, played in the order of time."""

import heapq
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

from django.db import connection

from brokerage.db.transactions import transaction_required
from brokerage.models import Instrument
from holdings import services as holdings
from trades.management.seeding.order_history import OrderHistory
from trades.management.seeding.traders import create_traders
from trades.models import Trade, TradeRequest
from wallets import services as wallets

OPENS_S, CLOSES_S = 4 * 3600, 10 * 3600
"""The seconds of a day, UTC, between which the invented orders are placed: the hours of the Indian exchanges."""


class HistoryBuilder:
    """Builds what happened to new traders in `days` days until `until`; `seed` decides every random choice."""

    def __init__(self, seed: str, *, days: int, until: datetime) -> None:
        self._seed, self._rng = seed, Random(seed)  # noqa: S311  (an invented past, no secrets)
        self._days, self._until = days, until
        self._instruments = Instrument.objects.in_bulk()

    @transaction_required
    def build(self, *, traders: int, trades: int) -> None:
        """Write so many traders and trades in the caller's transaction; nothing of it is left for the pipeline."""
        beginning = self._until - timedelta(days=self._days, hours=12)
        usernames = {trader.pk: name for trader, name in create_traders(traders, rng=self._rng, at=beginning)}
        favourites = {trader_id: self._some_symbols() for trader_id in usernames}
        self._open_balances(favourites, at=beginning)
        activity = [self._rng.paretovariate(1.2) for _ in usernames]  # a few trade far more than the others
        placing = [*usernames, *self._rng.choices([*usernames], activity, k=trades - traders)]
        self._play(
            self._order(number, trader_id, usernames[trader_id], favourites[trader_id])
            for number, trader_id in enumerate(placing)
        )
        # The exchange has never heard of these trades, and would say so.
        written = Trade.objects.filter(trader__in=usernames)
        TradeRequest.objects.filter(trade__in=written, check_at__isnull=False).update(check_at=None)
        written.filter(check_at__isnull=False).update(check_at=None)

    def _some_symbols(self) -> list[str]:
        symbols = sorted(symbol for symbol, instrument in self._instruments.items() if not instrument.halted)
        return self._rng.sample(symbols, min(len(symbols), self._rng.randint(1, 4)))

    def _open_balances(self, favourites: dict[int, list[str]], *, at: datetime) -> None:
        """Give each trader cash, and shares of about half of what they trade in."""
        keys = [(trader_id, symbol) for trader_id, symbols in favourites.items() for symbol in symbols]
        cash, shares = wallets.open_ledger(favourites), holdings.open_ledger(keys)
        for trader_id in favourites:
            cash.deposit(trader_id, Decimal(self._rng.randint(1, 20) * 50_000), key="seed", note="Opening balance")
        for key in keys:
            if self._rng.random() < 0.5:
                quantity = self._rng.randint(1, 40) * 10 * self._instruments[key[1]].lot
                shares.deposit(key, quantity, key=f"seed-{key[1]}", note="Opening position")
        cash.post(at=at)
        shares.post(at=at)

    def _order(self, number: int, trader_id: int, username: str, symbols: list[str]) -> OrderHistory:
        """Return an order that is placed within the hours of trading, a minute before `until` or earlier."""
        rng = Random(f"{self._seed}-{number}")  # noqa: S311  (of its own: orders do not change each other's choices)
        midnight = self._until.replace(hour=0, minute=0, second=0, microsecond=0)
        at = midnight - timedelta(days=rng.randrange(self._days), seconds=-rng.triangular(OPENS_S, CLOSES_S, OPENS_S))
        if at > self._until - timedelta(minutes=1):
            at -= timedelta(days=self._days)
        return OrderHistory(trader_id, username, rng.choice(symbols), at, rng)

    def _play(self, orders: Iterable[OrderHistory]) -> None:
        """Play all orders by the clock, so that each journal tells what happened in the order in which it did."""
        acts = [(order.at, number, order.play(self._instruments)) for number, order in enumerate(orders)]
        heapq.heapify(acts)
        while acts and acts[0][0] <= self._until:  # what would happen later has not happened yet
            _, number, order = heapq.heappop(acts)
            if following := next(order, None):
                heapq.heappush(acts, (following, number, order))
            connection.run_on_commit.clear()  # it does not happen now: it is neither counted nor logged
