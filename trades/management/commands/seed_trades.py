import os
import time
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from multiprocessing import get_context
from random import Random
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from django.utils import timezone

from brokerage.models import Instrument, Trader, User
from trades.management.seeding.desk import Desk
from trades.management.seeding.people import make_traders
from trades.management.seeding.stories import HistoryBuilder, Plan

BATCH = 1_500
TRADES_PER_TRADER = 20
OPENS, CLOSES = 4 * 3600, 10 * 3600
"""The seconds of a day, UTC, between which the invented trades are placed: the hours of the Indian exchanges."""


class Command(BaseCommand):
    help = (
        "Invent a past of many trades, of traders who do not exist, for looking and measuring. Every rule, balance and"
        " journal is real; nothing is sent. The exchange does not know the trades that are left open."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("count", type=int, help="How many trades.")
        parser.add_argument("--days", type=int, default=30, help="Over how many days until now (default 30).")
        parser.add_argument("--traders", type=int, help="Of how many traders (default: one for 20 trades).")
        parser.add_argument("--seed", type=int, default=1, help="The same seed tells the same stories (default 1).")
        parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="Processes (default: one per core).")

    def handle(self, *, count: int, days: int, traders: int | None, seed: int, jobs: int, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError("Invented trades have no place beside real ones: not for production.")
        traders = traders or -(-count // TRADES_PER_TRADER)
        if min(count, days, traders, jobs) < 1 or traders > count:
            raise CommandError("The count, the days and the traders must be at least 1, and each trader has a trade.")
        if not Instrument.objects.filter(halted=False).exists():
            raise CommandError("There is no share to trade in: run seed_demo first.")
        started, done = time.monotonic(), 0
        for batch in _run(_batches(count, traders, days=days, seed=seed), jobs=jobs):
            done += batch.trades
            self.stderr.write(f"{done:,} of {count:,} trades, {time.monotonic() - started:.0f} s")
        self.stdout.write(self.style.SUCCESS(f"{count:,} trades of {traders:,} traders are there."))


@dataclass(frozen=True, slots=True)
class Batch:
    """Some traders and all of their trades: one commit."""

    number: int
    traders: int
    trades: int
    days: int
    seed: int


def _batches(count: int, traders: int, *, days: int, seed: int) -> list[Batch]:
    """Share out traders and trades."""
    size = min(traders, -(-count // BATCH))

    def part(total: int, number: int) -> int:
        return total * (number + 1) // size - total * number // size

    return [Batch(number, part(traders, number), part(count, number), days, seed) for number in range(size)]


def _run(batches: Sequence[Batch], *, jobs: int) -> Iterator[Batch]:
    """Make the batches, in several processes if told so; they share no trader, so they never wait for each other."""
    if jobs == 1:
        yield from map(_make, batches)
        return
    connection.close()  # or the children would talk through it
    with ProcessPoolExecutor(jobs, mp_context=get_context("fork")) as pool:
        yield from pool.map(_make, batches)


def _make(batch: Batch) -> Batch:
    """Make a batch in one commit: nobody sees a trade half told."""
    dice = Random(f"{batch.seed}-{batch.number}")  # noqa: S311  (stories, no secrets)
    now = timezone.now()
    instruments = Instrument.objects.in_bulk()
    symbols = sorted(symbol for symbol, instrument in instruments.items() if not instrument.halted)
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        beginning = now - timedelta(days=batch.days, hours=12)
        people = make_traders(batch.traders, dice=dice, at=beginning)
        plans = _plans(people, symbols, batch, now, dice)
        keys = sorted({(plan.trader_id, plan.symbol) for plan in plans})
        desk = Desk({trader.pk: trader for trader, _ in people}, instruments, keys, batch.trades)
        for trader, _ in people:
            desk.pay_in(trader.pk, Decimal(dice.randint(1, 20) * 50_000), at=beginning, note="Opening balance")
        for key in keys:
            if dice.random() < 0.5:
                desk.bring_in(key, dice.randint(1, 40) * 10 * instruments[key[1]].lot, at=beginning)
        HistoryBuilder(desk, instruments, dice).play(plans, until=now)
        desk.write()
    return batch


def _plans(
    people: list[tuple[Trader, User]], symbols: list[str], batch: Batch, now: datetime, dice: Random
) -> list[Plan]:
    """Who trades what, and when: a few of them far more than the others, each in a few shares."""
    favourites = {trader.pk: dice.sample(symbols, min(len(symbols), dice.randint(1, 4))) for trader, _ in people}
    busy = [dice.paretovariate(1.2) for _ in people]
    who = people + dice.choices(people, busy, k=batch.trades - len(people))
    return [
        Plan(trader.pk, user.username, dice.choice(favourites[trader.pk]), _moment(batch.days, now, dice))
        for trader, user in who
    ]


def _moment(days: int, now: datetime, dice: Random) -> datetime:
    """Some time within the hours of trading, before `now`."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    second = dice.triangular(OPENS, CLOSES, OPENS)
    moment = today - timedelta(days=dice.randrange(days)) + timedelta(seconds=second)
    return moment if moment < now - timedelta(minutes=1) else moment - timedelta(days=days)
