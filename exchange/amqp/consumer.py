"""Consumes a queue of the exchange link in order, in batches: handle, then acknowledge."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count

import amqp
import structlog

from brokerage.db.transactions import is_transient
from brokerage.observability import metrics
from exchange.amqp.connection import ERRORS, Connector, LinkDown, Queue, declare_with_peer, is_missing, read_frames

log = structlog.get_logger(__name__)

HEARTBEAT_S = 10.0
IDLE_POLL_S = 0.5
"""How long an empty queue is waited on before heartbeats, `stop` and `between_batches` have their turn."""

BATCH_LINGER_S = 0.001
"""How long a batch waits for its next message. Never 0: on half a frame py-amqp would then spin."""

RETRY_PAUSE_S = 0.1
RETRY_PAUSE_MAX_S = 3.0
"""The pause doubles from one failure to the next."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message as it was delivered."""

    body: bytes
    message_id: str
    redelivered: bool
    """It was handed on before, by RabbitMQ or in place."""
    tag: int


class Consumer:
    """Takes what is in a queue, at most `batch` messages at a time, and hands it on; acknowledges after that.

    Order is kept: a batch that cannot be handled now (database or link away) is handled again in place with growing
    pauses, and no single message is ever given back. When the connection dies meanwhile, everything not acknowledged
    comes again, in order, so `handle` must be safe to run again. What `handle` raises beyond that ends `run`.
    """

    def __init__(
        self,
        url: str,
        queue: Queue,
        handle: Callable[[list[Delivery]], None],
        *,
        batch: int = 200,
        between_batches: Callable[[], None] | None = None,
        after_gap: Callable[[], None] | None = None,
    ) -> None:
        """`between_batches` is called after each batch and every half second while the queue is empty.

        `after_gap` is called before the first batch of a connection when messages may have been lost: the connection
        before it ended unasked, or the queue was not there.
        """
        self._connector = Connector(url, heartbeat_s=HEARTBEAT_S, frames=read_frames)
        self._queue = queue
        self._handle = handle
        self._batch = batch
        self._between_batches = between_batches or (lambda: None)
        self._after_gap = after_gap or (lambda: None)
        self._gap = False
        self._stopping = False
        self._connection: amqp.Connection | None = None
        self._channel: amqp.Channel | None = None
        self._received: list[Delivery] = []

    def stop(self) -> None:
        """Let `run` return after the batch in hand. May be called from a signal handler."""
        self._stopping = True

    def run(self) -> None:
        """Consume until `stop`, over any number of connections."""
        pause = RETRY_PAUSE_S
        metrics.exchange_link_up.labels(self._queue.name).set(0)
        while not self._stopping:
            try:
                self._open()
                metrics.exchange_link_up.labels(self._queue.name).set(1)
                pause = RETRY_PAUSE_S
                while not self._stopping:
                    self._consume_batch()
            except ERRORS as error:
                metrics.exchange_link_up.labels(self._queue.name).set(0)
                self._gap = True
                log.warning("link_down", queue=self._queue.name, address=self._connector.address, error=str(error))
                self._drop()
                self._sleep(pause)
                pause = min(pause * 2, RETRY_PAUSE_MAX_S)
            except BaseException:
                self._drop()
                raise
        self._close()

    def _open(self) -> None:
        self._connection = self._connector.open()
        self._received = []
        self._gap = is_missing(self._connection, self._queue) or self._gap
        channel = self._connection.channel()
        channel.auto_decode = False  # bytes stay bytes, whatever encoding the sender claims
        self._channel = channel
        self._close_gap()  # before the queue is made: if we die on it, it is missing the next time, too
        declare_with_peer(channel, self._queue)
        # Twice the batch: while one is handled, the next one is already here.
        channel.basic_qos(0, 2 * self._batch, False)
        # No on_cancel callback: a consumer cancelled by RabbitMQ (its queue was deleted) then raises, and the next
        # connection declares the queue anew.
        channel.basic_consume(self._queue.name, callback=self._on_message)
        log.info("link_up", queue=self._queue.name, address=self._connector.address)

    def _close_gap(self) -> None:
        if self._gap and self._retry_in_place(self._after_gap):
            self._gap = False

    def _on_message(self, message: amqp.Message) -> None:
        body = message.body
        self._received.append(
            Delivery(
                body=body.encode() if isinstance(body, str) else bytes(body),
                message_id=str(message.properties.get("message_id") or ""),
                redelivered=bool(message.delivery_info["redelivered"]),
                tag=message.delivery_info["delivery_tag"],
            )
        )

    def _consume_batch(self) -> None:
        """Handle one batch, or find the queue empty."""
        connection, channel = self._link()
        connection.heartbeat_tick()
        if not self._received:
            self._drain(IDLE_POLL_S)
        while len(self._received) < self._batch and self._drain(BATCH_LINGER_S):
            pass
        batch, self._received = self._received[: self._batch], self._received[self._batch :]
        if batch and not self._retry_in_place(self._handler_of(batch)):
            return
        if batch:
            channel.basic_ack(batch[-1].tag, multiple=True)
        self._retry_in_place(self._between_batches)

    def _handler_of(self, batch: list[Delivery]) -> Callable[[], None]:
        """Return a call that hands `batch` on; the second time as redelivered: nobody knows how far it came before."""
        attempts = count()

        def handle() -> None:
            self._handle([replace(delivery, redelivered=True) for delivery in batch] if next(attempts) else batch)

        return handle

    def _drain(self, timeout: float) -> bool:
        """Take in what has arrived, waiting up to `timeout` seconds; False when nothing has."""
        connection, _ = self._link()
        try:
            connection.drain_events(timeout=timeout)
        except TimeoutError:
            return False
        return True

    def _retry_in_place(self, work: Callable[[], None]) -> bool:
        """Call `work` until it does not fail for a transient reason; False when told to stop before that.

        The connection's heartbeat goes on between two attempts; its loss is raised, and the messages come again.
        """
        connection, _ = self._link()
        pause = RETRY_PAUSE_S
        while True:
            try:
                work()
                return True
            except Exception as error:
                if not (is_transient(error) or isinstance(error, OSError)):
                    raise
                log.warning("batch_retried", queue=self._queue.name, pause=pause, error=str(error).strip())
            until = time.monotonic() + pause
            while (remaining := until - time.monotonic()) > 0 and not self._stopping:
                self._drain(min(remaining, IDLE_POLL_S))
                connection.heartbeat_tick()
            if self._stopping:
                return False
            pause = min(pause * 2, RETRY_PAUSE_MAX_S)

    def _link(self) -> tuple[amqp.Connection, amqp.Channel]:
        """Return what `_open` opened. Raises LinkDown when it is closed."""
        if self._connection is None or self._channel is None:
            raise LinkDown(f"{self._connector.address}: not connected")
        return self._connection, self._channel

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._stopping and (remaining := until - time.monotonic()) > 0:
            time.sleep(min(remaining, IDLE_POLL_S))

    def _drop(self) -> None:
        """Drop the connection without a farewell; what was not acknowledged goes back to its place in the queue."""
        connection, self._connection, self._channel, self._received = self._connection, None, None, []
        if connection is not None:
            connection.collect()

    def _close(self) -> None:
        """Close the connection in order, so that the last acknowledgement is out."""
        connection, self._connection, self._channel, self._received = self._connection, None, None, []
        if connection is None:
            return
        try:
            connection.close()
        except ERRORS:
            connection.collect()
