"""Where the walk finds the project's parts. Nothing else of the walk names a module, a queue or a command of it.

A part is looked up when it is asked for, not before: what imports the settings needs the servers' addresses.
"""

from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("brokerage", "config", "exchange", "holdings", "trades", "wallets")
SIMULATOR = "exchange/simulator"
"""Somebody else's in earnest: not counted."""

SETTINGS = "config.settings"
APPLICATION = "config.wsgi:application"
CELERY = "config.celery:app"
DISPATCH = "trades.pipeline:dispatch_once"
STEP_QUEUES = {"validate": "trades.validate", "book": "trades.book", "send": "trades.send"}
ORDER_QUEUE = "exchange.orders"

SEED = "seed_demo"
LOGIN = {"username": "alice", "password": "demo"}
SYMBOL, PRICE = "TEST", "100.00"

STACK = "config.devstack.stack:Stack"
STOPPED = "config.devstack.stack:Stopped"
STACK_ERROR = "config.devstack.errors:StackError"


def part(name: str) -> Any:
    """Import the module of `module:attribute` and return the attribute."""
    return resolve_name(name)


def intake() -> Callable[[list[bytes]], None]:
    """Make what the report consumer hands each batch to, as the consumer is made; it takes the messages' bytes."""
    delivery = part("exchange.amqp:Delivery")
    handle = part("exchange.inbound:InboundReports")(
        part("exchange.amqp:REPORTS").name, part("trades.pipeline:apply_reports")
    )

    def take(bodies: list[bytes]) -> None:
        handle([delivery(body=body, message_id="", redelivered=False, tag=tag) for tag, body in enumerate(bodies, 1)])

    return take
