"""Publishing to the exchange link: a window of messages goes out at once, then every single one is confirmed."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import amqp
import structlog

from brokerage.observability import metrics
from exchange.amqp.connection import ERRORS, ORDERS, Connector, LinkDown, Queue, declare_with_peer, is_missing

log = structlog.get_logger(__name__)

WINDOW = 100
"""Messages of one `publish` call, at most: what a frozen sender may still push out after its lease has ended."""

HEARTBEAT_S = 5.0
CONFIRM_TIMEOUT_S = 5.0
_PERSISTENT = 2


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    """One message to publish."""

    message_id: str
    body: bytes


class Publisher:
    """Publishes persistent JSON messages to one queue and returns when RabbitMQ has all of them on disk.

    One per process, not for several threads. After a fork the child opens its own connection.

    Nothing but `publish` keeps the connection alive, on purpose: when the process is frozen, RabbitMQ's heartbeat
    check cuts it off, and what it would push out on waking up reaches nobody. For the same reason a connection that
    was idle for a heartbeat is replaced before it is used. Who may publish only while something holds (a lease) calls
    `connect`, sees whether it does, and publishes with `connected=True`: a connection made later would prove nothing.
    """

    def __init__(
        self,
        url: str,
        queue: Queue = ORDERS,
        *,
        confirm_timeout_s: float = CONFIRM_TIMEOUT_S,
        clock: Callable[[], float] = time.monotonic,
        queue_was_missing: Callable[[], None] | None = None,
    ) -> None:
        """`queue_was_missing` is called when the queue has to be created: what was published before is lost with it."""
        self._connector = Connector(url, heartbeat_s=HEARTBEAT_S)
        self._queue = queue
        self._confirm_timeout_s = confirm_timeout_s
        self._clock = clock
        self._queue_was_missing = queue_was_missing or (lambda: None)
        self._connection: amqp.Connection | None = None
        self._channel: amqp.Channel | None = None
        self._pid = os.getpid()
        self._used_at = 0.0
        self._tag = 0  # of the last message published on this channel; RabbitMQ counts the same way
        self._unconfirmed: set[int] = set()
        self._refusal = ""

    def connect(self) -> None:
        """Make sure of a connection that was alive a moment ago. Raises LinkDown."""
        with self._dropping_what_broke():
            self._ready_channel()

    def publish(self, messages: Sequence[OutboundMessage], *, connected: bool = False) -> None:
        """Publish up to `WINDOW` messages in order and wait until RabbitMQ has confirmed each.

        With `connected`, over the connection that `connect` left or not at all. Raises LinkDown when any of them was
        not confirmed in time, refused or not routed: then any part of them may have been sent, and none may be
        believed to be. Raises ValueError for a longer list.
        """
        if len(messages) > WINDOW:
            raise ValueError(f"{len(messages)} messages in one window, at most {WINDOW}")
        if not messages:
            return
        with self._dropping_what_broke():
            channel = self._channel if connected else self._ready_channel()
            if channel is None:
                raise LinkDown(f"{self._connector.address}: not connected")
            begin = time.perf_counter()
            for message in messages:
                self._tag += 1
                self._unconfirmed.add(self._tag)
                channel.basic_publish(
                    amqp.Message(
                        message.body,
                        message_id=message.message_id,
                        content_type="application/json",
                        delivery_mode=_PERSISTENT,
                    ),
                    routing_key=self._queue.name,
                    mandatory=True,
                )
            self._wait_for_confirms(channel.connection)
        self._used_at = self._clock()
        metrics.publish_confirm_seconds.labels(self._queue.name).observe(time.perf_counter() - begin)
        metrics.exchange_link_up.labels(self._queue.name).set(1)

    def close(self) -> None:
        """Close the connection; the next `publish` opens another."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is None:
            return
        if self._pid != os.getpid():
            connection.transport.sock.close()  # ours is a copy: a farewell here would end the parent's connection
            return
        try:
            connection.close()
        except ERRORS:
            connection.collect()

    def _drop(self) -> None:
        """Drop the connection without a farewell: a late confirm must not be taken for one of the next window."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            connection.collect()

    @contextmanager
    def _dropping_what_broke(self) -> Iterator[None]:
        try:
            yield
        except LinkDown:
            self._drop()
            metrics.exchange_link_up.labels(self._queue.name).set(0)
            raise
        except Exception as error:  # py-amqp also raises AttributeError and the like when a connection breaks
            self._drop()
            metrics.exchange_link_up.labels(self._queue.name).set(0)
            raise LinkDown(f"{self._connector.address}: {error or type(error).__name__}") from error
        except BaseException:  # a signal's exception in the middle: late confirms are for nobody
            self._drop()
            raise

    def _ready_channel(self) -> amqp.Channel:
        if self._pid != os.getpid():
            self.close()
            self._pid = os.getpid()
        elif self._clock() - self._used_at >= HEARTBEAT_S:
            self._drop()
        return self._channel or self._open()

    def _open(self) -> amqp.Channel:
        self._connection = self._connector.open()
        # py-amqp would look for a "blocked" notice before each message, and spin if it found half a frame. A
        # RabbitMQ that blocks does not confirm, and that is noticed.
        self._connection.client_properties["capabilities"]["connection.blocked"] = False
        if is_missing(self._connection, self._queue):
            self._queue_was_missing()  # before it is made: if this fails, it is missing the next time, too
        self._used_at = self._clock()
        channel = self._connection.channel()
        declare_with_peer(channel, self._queue)
        channel.confirm_select()
        events: dict[str, set[Callable[..., None]]] = channel.events  # type: ignore[attr-defined]  # not in the stubs
        events["basic_ack"].add(self._on_ack)
        events["basic_nack"].add(self._on_nack)
        events["basic_return"].add(self._on_return)
        self._tag, self._refusal = 0, ""
        self._unconfirmed.clear()
        self._channel = channel
        return channel

    def _wait_for_confirms(self, connection: amqp.Connection) -> None:
        deadline = self._clock() + self._confirm_timeout_s
        while self._unconfirmed:
            if self._refusal:
                raise LinkDown(self._refusal)
            remaining = deadline - self._clock()
            if remaining <= 0:
                raise LinkDown(f"{len(self._unconfirmed)} messages not confirmed in {self._confirm_timeout_s} s")
            try:
                connection.drain_events(timeout=remaining)
            except TimeoutError:
                continue
        if self._refusal:
            raise LinkDown(self._refusal)

    # py-amqp's own confirms look at the method only, not at the tag: after a timeout the late confirm of one message
    # would pass for the next one's. So the tags are counted here.

    def _on_ack(self, delivery_tag: int, multiple: bool) -> None:
        if multiple:
            self._unconfirmed = {tag for tag in self._unconfirmed if tag > delivery_tag}
        else:
            self._unconfirmed.discard(delivery_tag)

    def _on_nack(self, delivery_tag: int, multiple: bool) -> None:
        self._refusal = f"RabbitMQ refused message {delivery_tag} of the queue {self._queue.name}"

    def _on_return(self, error: Exception, exchange: str, routing_key: str, message: amqp.Message) -> None:
        # An unroutable message is returned and then confirmed as if all were well. The queue is gone: the next
        # connection declares it anew.
        self._refusal = f"the queue {self._queue.name} is not there"
