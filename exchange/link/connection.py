"""How a connection to the broker of the exchange link is opened, and the two queues of the link."""

import socket
from dataclasses import dataclass
from typing import Any

import amqp
import kombu

CONNECT_TIMEOUT = 3.0
"""Seconds for each step of opening a connection."""

STALL_TIMEOUT = 5.0
"""Seconds that one read or write may block."""

ERRORS = (amqp.exceptions.AMQPError, amqp.exceptions.MessageNacked, OSError)
"""All that py-amqp raises for a connection or a channel that is no longer good."""


class LinkDown(ConnectionError):  # noqa: N818  (a state of the link, met every day)
    """The link is not there, or nobody can say whether it was. Nothing of the call may be believed sent."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable quorum queue, reached through the default exchange by its name."""

    name: str
    single_active: bool = False
    """One consumer gets the messages, in order; further ones stand by."""

    @property
    def arguments(self) -> dict[str, Any]:
        # No delivery limit here: beyond it a message is dropped, and consumers do die.
        return {"x-queue-type": "quorum"} | ({"x-single-active-consumer": True} if self.single_active else {})


ORDERS = Queue("exchange.orders")
REPORTS = Queue("exchange.reports", single_active=True)
PAIR = (ORDERS, REPORTS)


def declare(channel: amqp.Channel, *queues: Queue) -> None:
    """Create the queues that are not there: those given, or the two of the link."""
    for queue in queues or PAIR:
        channel.queue_declare(queue.name, durable=True, auto_delete=False, arguments=queue.arguments)


def declare_with_peer(channel: amqp.Channel, queue: Queue) -> None:
    """Create `queue`; for a queue of the link both, so that whoever comes first finds what it needs."""
    declare(channel, *(PAIR if queue in PAIR else (queue,)))


class Connector:
    """Opens connections to the node of `url`, or to the next one where several are given, separated by `;`."""

    def __init__(self, url: str, *, heartbeat: float) -> None:
        self._parameters = kombu.Connection(
            url,
            heartbeat=heartbeat,
            connect_timeout=CONNECT_TIMEOUT,
            transport_options={
                "read_timeout": STALL_TIMEOUT,
                "write_timeout": STALL_TIMEOUT,
                "socket_settings": {socket.TCP_USER_TIMEOUT: 10_000},
            },
        )

    @property
    def address(self) -> str:
        """The address without the password, for logs."""
        return self._parameters.as_uri()

    def open(self) -> amqp.Connection:
        """Return a fresh connection. Raises one of ERRORS; the next call then tries the next node."""
        try:
            return self._parameters.transport.establish_connection()
        except ERRORS:
            self._parameters.maybe_switch_next()
            raise
