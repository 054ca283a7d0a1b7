"""Opens connections to the RabbitMQ of the exchange link, and declares the two queues of the link."""

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import amqp
import kombu
import structlog
from amqp.method_framing import frame_handler

log = structlog.get_logger(__name__)

CONNECT_TIMEOUT_S = 3.0
"""For each step of opening a connection."""

SOCKET_TIMEOUT_S = 5.0
"""How long one read or write may block."""

ERRORS = (amqp.exceptions.AMQPError, amqp.exceptions.MessageNacked, OSError)
"""All that py-amqp raises for a connection or a channel that is no longer good.

Among it InternalError (541): a quorum queue that was just deleted, or is just being declared, is listed and has no
process. Whoever declares it at that moment, or reads from it, loses the connection; the next attempt finds it well.
"""


class LinkDown(ConnectionError):  # noqa: N818  (a state of the link, met every day)
    """The link is down, or was for a moment. Nothing of the call may be believed sent."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable quorum queue, reached through the default exchange by its name."""

    name: str
    single_active: bool = False
    """Only one consumer at a time gets messages, in order; further ones stand by."""

    @property
    def arguments(self) -> dict[str, Any]:
        """Return the arguments of its declaration."""
        # No delivery limit here: beyond it a message is dropped, and consumers do die.
        return {"x-queue-type": "quorum"} | ({"x-single-active-consumer": True} if self.single_active else {})


ORDERS = Queue("exchange.orders")
REPORTS = Queue("exchange.reports", single_active=True)
PAIR = (ORDERS, REPORTS)


def declare(channel: amqp.Channel, *queues: Queue) -> None:
    """Create the queues that do not exist: those given, or the two of the link."""
    for queue in queues or PAIR:
        channel.queue_declare(queue.name, durable=True, auto_delete=False, arguments=queue.arguments)


def declare_with_peer(channel: amqp.Channel, queue: Queue) -> None:
    """Create `queue`, and with either queue of the link the other one: whoever comes first finds what it needs."""
    declare(channel, *(PAIR if queue in PAIR else (queue,)))


def is_missing(connection: amqp.Connection, queue: Queue) -> bool:
    """Tell whether `queue` does not exist, and so whatever was in it is lost. To be called before it is declared."""
    channel = connection.channel()
    try:
        channel.queue_declare(queue.name, passive=True)
    except amqp.exceptions.NotFound:  # RabbitMQ has closed the channel
        return True
    channel.close()
    return False


def read_frames(connection: amqp.Connection, callback: Callable[..., Any]) -> Callable[[tuple[int, int, Any]], bool]:
    """Read frames as py-amqp does, but a message whose properties cannot be decoded as one without properties.

    Otherwise it would end the connection, come again on the next one, and nothing behind it would ever be read. Who
    sent it and under which id is not needed: all that counts is in the body.
    """
    on_frame: Callable[[tuple[int, int, Any]], bool] = frame_handler(connection, callback)

    def read(frame: tuple[int, int, Any]) -> bool:
        kind, channel, content = frame
        try:
            return on_frame(frame)
        except (ValueError, LookupError, struct.error, amqp.exceptions.FrameSyntaxError):
            if kind != _CONTENT_HEADER:
                raise
            log.warning("properties_unreadable", channel=channel)
            return on_frame((kind, channel, bytes(content[:_SIZES]) + _NO_PROPERTIES))

    return read


_CONTENT_HEADER = 2
_SIZES = 12  # bytes: class, weight, size of the body
_NO_PROPERTIES = b"\x00\x00"


class Connector:
    """Opens connections to the node of `url`, or to the next one where several are given, separated by `;`."""

    def __init__(self, url: str, *, heartbeat_s: float, frames: Callable[..., Any] = frame_handler) -> None:
        """`frames` is how frames are read: py-amqp's way, or `read_frames` where messages of others come in."""
        self._parameters = kombu.Connection(
            url,
            heartbeat=heartbeat_s,
            connect_timeout=CONNECT_TIMEOUT_S,
            transport_options={
                "read_timeout": SOCKET_TIMEOUT_S,
                "write_timeout": SOCKET_TIMEOUT_S,
                "socket_settings": {socket.TCP_USER_TIMEOUT: 10_000},
                "frame_handler": frames,
            },
        )

    @property
    def address(self) -> str:
        """Return the address without the password, for logs."""
        return self._parameters.as_uri()

    def open(self) -> amqp.Connection:
        """Return a fresh connection. Raises one of ERRORS; the next call then tries the next node."""
        try:
            connection: amqp.Connection = self._parameters.transport.establish_connection()
        except ERRORS:
            self._parameters.maybe_switch_next()
            raise
        return connection
