import os
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, NamedTuple

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from django.utils import timezone

from brokerage.models import Instrument
from trades.management.seeding.history import HistoryBuilder

BATCH = 2_000
TRADES_PER_TRADER = 20


class Command(BaseCommand):
    help = (
        "Invent a past of many trades, of traders who do not exist, for looking and measuring. Every rule, balance and"
        " journal is real; nothing is sent. The exchange does not know the trades that are left open."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("count", type=int, help="How many trades.")
        parser.add_argument("--days", type=int, default=30, help="Over how many days until now (default 30).")
        parser.add_argument("--traders", type=int, help="Of how many traders (default: one for 20 trades).")
        parser.add_argument("--seed", type=int, default=1, help="The same seed makes the same choices (default 1).")
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
        for trades in _build_all(_batches(count, traders, days=days, seed=seed), jobs=jobs):
            done += trades
            self.stderr.write(f"{done:,} of {count:,} trades, {time.monotonic() - started:.0f} s")
        self.stdout.write(self.style.SUCCESS(f"{count:,} trades of {traders:,} traders are there."))


class Batch(NamedTuple):
    """Some traders and all of their trades: one commit."""

    seed: str
    days: int
    traders: int
    trades: int


def _batches(count: int, traders: int, *, days: int, seed: int) -> list[Batch]:
    """Share out traders and trades evenly."""
    size = min(traders, -(-count // BATCH))
    return [
        Batch(
            f"{seed}-{number}",
            days,
            traders * (number + 1) // size - traders * number // size,
            count * (number + 1) // size - count * number // size,
        )
        for number in range(size)
    ]


def _build_all(batches: list[Batch], *, jobs: int) -> Iterator[int]:
    """Build the batches, in several processes if told so; they share no trader, so they never wait for each other."""
    if jobs == 1:
        yield from map(_build, batches)
        return
    connection.close()  # or the children would talk through it
    with ProcessPoolExecutor(jobs, mp_context=get_context("fork")) as pool:
        yield from pool.map(_build, batches)


def _build(batch: Batch) -> int:
    """Build one batch: nobody sees a trade half-way, and no dispatcher takes one up. Returns how many trades."""
    with transaction.atomic(durable=True):
        history = HistoryBuilder(batch.seed, days=batch.days, until=timezone.now())
        history.build(traders=batch.traders, trades=batch.trades)
    return batch.trades
