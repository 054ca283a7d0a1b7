"""Run the simulated exchange."""

import signal
import time
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError, connection

from brokerage import models
from exchange.simulator.faults import Fault, Faults
from exchange.simulator.instruments import Instrument
from exchange.simulator.journal import Journal, JournalInUse
from exchange.simulator.scripts import SYMBOL
from exchange.simulator.server import Server

log = structlog.get_logger(__name__)

T = TypeVar("T")


class Command(BaseCommand):
    help = (
        "Simulates the exchange, for development and demonstrations: takes orders from the queue exchange.orders, "
        "matches them by price and time, and answers on exchange.reports. Stops on Ctrl-C or SIGTERM."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--journal",
            type=Path,
            default=settings.VAR_DIR / "exchange.sqlite3",
            help="File in which the exchange remembers everything (default: %(default)s).",
        )
        parser.add_argument("--seed", type=int, default=1, help="Seed of all that is random (default: %(default)s).")
        parser.add_argument(
            "--latency",
            type=float,
            default=5.0,
            help="Milliseconds until an answer, on average (default: %(default)s).",
        )
        parser.add_argument(
            "--market-maker",
            action="store_true",
            help="Bid and offer around the reference price of each instrument, so that a first order finds somebody.",
        )
        parser.add_argument(
            "--pending-reports",
            action="store_true",
            help="Send PendingNew, PendingReplace or PendingCancel before each answer.",
        )
        parser.add_argument(
            "--faults",
            default="",
            metavar="NAME=RATE,…",
            help=f"What goes wrong, and how often, from 0 to 1 (default: nothing). Names: {', '.join(Fault)}.",
        )
        parser.add_argument(
            "--scripts",
            action="store_true",
            help=f"Let the last two digits of an order's price on {SYMBOL} say what happens to it (docs/exchange.md).",
        )
        parser.add_argument("--check", action="store_true", help="Only tell whether it could run with these options.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            faults = Faults.parse(options["faults"], seed=options["seed"])
        except ValueError as error:
            raise CommandError(f"--faults: {error}") from None
        if options["check"]:
            return
        self._stopping = False
        self._server: Server | None = None
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        journal = self._wait_for(lambda: open_journal(options["journal"]))
        instruments = self._wait_for(read_instruments)
        if journal is None or instruments is None:
            return
        self._server = Server(
            url=settings.EXCHANGE_URL,
            journal=journal,
            instruments=instruments,
            read_instruments=read_instruments,
            seed=options["seed"],
            latency_s=options["latency"] / 1000,
            market_maker=options["market_maker"],
            pending_reports=options["pending_reports"],
            faults=faults,
            scripts=options["scripts"],
        )
        log.info(
            "exchange_started",
            journal=str(options["journal"]),
            market_maker=options["market_maker"],
            latency_ms=options["latency"],
            seed=options["seed"],
            faults=options["faults"],
            scripts=options["scripts"],
        )
        if not self._stopping:
            self._server.run()
        journal.close()

    def _stop(self, *_: Any) -> None:
        self._stopping = True
        if self._server:
            self._server.stop()

    def _wait_for(self, attempt: Callable[[], T | None]) -> T | None:
        """Try every second until there is a result; return None when told to stop meanwhile."""
        while not self._stopping:
            if (result := attempt()) is not None:
                return result
            time.sleep(1)
        return None


def open_journal(path: Path) -> Journal | None:
    """Return the journal; None while another exchange process has it."""
    try:
        return Journal(path)
    except JournalInUse as error:
        log.warning("journal_in_use", reason=str(error))
        return None


def read_instruments() -> dict[str, Instrument] | None:
    """Return what the firm lists; None while the database is away: the exchange goes on with what it knows."""
    try:
        connection.close_if_unusable_or_obsolete()
        return {
            listed.symbol: Instrument(
                symbol=listed.symbol,
                tick=listed.tick,
                lot=listed.lot,
                reference_price=listed.reference_price,
                band_percent=listed.band_percent,
                halted=listed.halted,
            )
            for listed in models.Instrument.objects.all()
        }
    except (DatabaseError, InterfaceError) as error:
        log.warning("instruments_not_read", error=str(error).strip())
        return None
