"""Runs an exchange as a process, on queues of a test: python -m tests.exchange.serve ORDERS REPORTS JOURNAL"""

import signal
import sys
from decimal import Decimal
from pathlib import Path

from django.conf import settings

from exchange.amqp import Queue
from exchange.simulator.faults import NONE, Faults
from exchange.simulator.instruments import Instrument
from exchange.simulator.journal import Journal
from exchange.simulator.server import Server

TEST = {
    "TEST": Instrument("TEST", Decimal("0.01"), 1, Decimal(100), Decimal(50)),
    "HALTED": Instrument("HALTED", Decimal("0.05"), 1, Decimal(100), Decimal(20), halted=True),
}


def server(*, journal: Journal, orders: Queue, reports: Queue, faults: Faults = NONE) -> Server:
    return Server(
        url=settings.EXCHANGE_URL,
        journal=journal,
        instruments=TEST,
        read_instruments=lambda: None,
        seed=1,
        latency_s=0.001,
        market_maker=False,
        pending_reports=False,
        faults=faults,
        orders=orders,
        reports=reports,
    )


if __name__ == "__main__":
    orders, reports, path = sys.argv[1:]
    serving = server(journal=Journal(Path(path)), orders=Queue(orders), reports=Queue(reports, single_active=True))
    signal.signal(signal.SIGTERM, lambda *_: serving.stop())
    serving.run()
