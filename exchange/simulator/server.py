"""The exchange as a process: takes requests from its queue, journals what follows, publishes it, acknowledges."""

import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import amqp
import structlog

from exchange.amqp import ORDERS, REPORTS, WINDOW, Consumer, Delivery, LinkDown, OutboundMessage, Publisher, Queue
from exchange.fix.wire import BROKER, EXCHANGE, enclose
from exchange.simulator.engine import Engine
from exchange.simulator.faults import NONE, Fault, Faults
from exchange.simulator.instruments import Instrument
from exchange.simulator.journal import Journal
from exchange.simulator.market_maker import MarketMaker

log = structlog.get_logger(__name__)

BATCH = 500
OUTBOX_PAGE = 10 * WINDOW
INSTRUMENTS_INTERVAL_S = 2.0
SUMMARY_INTERVAL_S = 60.0


class Disconnected(amqp.exceptions.ConnectionForced):
    """The exchange has closed its connections. Not an OSError: the consumer takes it for the end of its own."""


class Server:
    """Serves until `stop`. A request is acknowledged only when every report about it was confirmed."""

    def __init__(
        self,
        *,
        url: str,
        journal: Journal,
        instruments: Mapping[str, Instrument],
        read_instruments: Callable[[], Mapping[str, Instrument] | None],
        seed: int,
        latency_s: float,
        market_maker: bool,
        pending_reports: bool,
        faults: Faults = NONE,
        scripts: bool = False,
        orders: Queue = ORDERS,
        reports: Queue = REPORTS,
    ) -> None:
        """`read_instruments` is called now and then; None: nothing new. `latency_s`: until an answer, on average."""
        self._journal = journal
        self._read_instruments = read_instruments
        self._instruments = dict(instruments)
        self._engine = Engine(
            journal, self._instruments, pending_reports=pending_reports, faults=faults, scripts=scripts
        )
        self._faults = faults
        self._pages = 0  # published so far
        self._market_maker = MarketMaker(self._engine) if market_maker else None
        self._random = random.Random(seed)  # noqa: S311  (jitter)
        self._latency_s = latency_s
        self._publisher = Publisher(url, reports)
        self._consumer = Consumer(url, orders, self._handle, batch=BATCH, between_batches=self._between_batches)
        self._instruments_at = self._summary_at = time.monotonic()
        with journal.transaction():
            journal.mark_possibly_sent()

    def run(self) -> None:
        """Serve until `stop`."""
        self._consumer.run()
        self._publisher.close()
        self._summarise()

    def stop(self) -> None:
        """Let `run` return after the batch in hand. May be called from a signal handler."""
        self._consumer.stop()

    def _handle(self, deliveries: list[Delivery]) -> None:
        self._engine.process([delivery.body for delivery in deliveries], now=datetime.now(UTC))
        # One pause for all of a batch: an answer takes its time, and the throughput does not suffer.
        time.sleep(self._latency_s * self._random.uniform(0.5, 1.5))
        self._publish()

    def _between_batches(self) -> None:
        self._engine.catch_up(now=datetime.now(UTC))
        self._refresh_instruments()
        self._publish()
        if time.monotonic() - self._summary_at >= SUMMARY_INTERVAL_S:
            self._summary_at = time.monotonic()
            self._summarise()

    def _refresh_instruments(self) -> None:
        """Read what is listed and halted now, and renew the quotes."""
        if time.monotonic() - self._instruments_at >= INSTRUMENTS_INTERVAL_S:
            self._instruments_at = time.monotonic()
            instruments = self._read_instruments()
            if instruments is not None and instruments != self._instruments:
                self._instruments.clear()
                self._instruments.update(instruments)
        if self._market_maker:
            self._market_maker.refresh(self._instruments, now=datetime.now(UTC))

    def _publish(self) -> None:
        """Publish the outbox, in order. Raises LinkDown; what is still in the outbox then goes out again later."""
        while outbox := self._journal.unpublished(OUTBOX_PAGE):
            now = datetime.now(UTC)
            messages = [
                OutboundMessage(
                    report.message_id,
                    enclose(
                        report.msg_type,
                        report.body,
                        sending_time=now,
                        poss_resend=bool(report.poss_resend),
                        sender=EXCHANGE,
                        target=BROKER,
                    ),
                )
                for report in outbox
            ]
            try:
                for start in range(0, len(messages), WINDOW):
                    self._publisher.publish(messages[start : start + WINDOW])
            except LinkDown:
                with self._journal.transaction():
                    self._journal.mark_possibly_sent()
                raise
            self._maybe_disconnect()
            with self._journal.transaction():
                self._journal.mark_published(outbox[-1].number)

    def _maybe_disconnect(self) -> None:
        """Disconnect, if the fault strikes, at the worst moment: the reports are out, and are not marked as published.

        They go out again, the requests behind them come again, and neither may be taken twice.
        """
        self._pages += 1
        if self._faults.strikes(Fault.DISCONNECTS, self._pages):
            self._engine.counts["disconnects"] += 1
            self._publisher.close()
            with self._journal.transaction():
                self._journal.mark_possibly_sent()
            raise Disconnected

    def _summarise(self) -> None:
        log.info("exchange_summary", instruments=len(self._instruments), **self._engine.counts)
