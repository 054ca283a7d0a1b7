"""An exchange as a process of its own, on queues of a test: python -m tests.exchange.serve ORDERS REPORTS JOURNAL"""

import signal
import sys
from decimal import Decimal
from pathlib import Path

from django.conf import settings

from exchange.amqp import Queue
from exchange.simulator.faults import NONE, Faults
from exchange.simulator.instruments import Share
from exchange.simulator.journal import Journal
from exchange.simulator.server import Server

TEST = {
    "TEST": Share("TEST", Decimal("0.01"), 1, Decimal(100), Decimal(50)),
    "HALTED": Share("HALTED", Decimal("0.05"), 1, Decimal(100), Decimal(20), halted=True),
}


def server(*, journal: Journal, orders: Queue, reports: Queue, faults: Faults = NONE) -> Server:
    return Server(
        url=settings.EXCHANGE_URL,
        journal=journal,
        shares=TEST,
        read_shares=lambda: None,
        seed=1,
        latency=0.001,
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
