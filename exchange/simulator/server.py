"""The exchange as a process: takes orders from the link, journals what follows, publishes it, acknowledges."""

import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import amqp
import structlog

from exchange.amqp import ORDERS, REPORTS, WINDOW, Consumer, Delivery, LinkDown, Outgoing, Publisher, Queue
from exchange.fix.wire import BROKER, EXCHANGE, enclose
from exchange.simulator.engine import Engine
from exchange.simulator.faults import NONE, Fault, Faults
from exchange.simulator.instruments import Share
from exchange.simulator.journal import Journal
from exchange.simulator.market_maker import MarketMaker

log = structlog.get_logger(__name__)

BATCH = 500
OUTBOX_PAGE = 10 * WINDOW
SHARES_EVERY = 2.0
SUMMARY_EVERY = 60.0


class Disconnected(amqp.exceptions.ConnectionForced):
    """The exchange has closed its connections. Not an OSError: the consumer takes it for the end of its own."""


class Server:
    """Serves until `stop`. A request is acknowledged only when every report about it was confirmed."""

    def __init__(
        self,
        *,
        url: str,
        journal: Journal,
        shares: Mapping[str, Share],
        read_shares: Callable[[], Mapping[str, Share] | None],
        seed: int,
        latency: float,
        market_maker: bool,
        pending_reports: bool,
        faults: Faults = NONE,
        scripts: bool = False,
        orders: Queue = ORDERS,
        reports: Queue = REPORTS,
    ) -> None:
        """`read_shares` is asked now and then; None: nothing new. `latency`: seconds, on average, until an answer."""
        self._journal = journal
        self._read_shares = read_shares
        self._shares = dict(shares)
        self._engine = Engine(journal, self._shares, pending_reports=pending_reports, faults=faults, scripts=scripts)
        self._faults = faults
        self._pages = 0  # published so far
        self._market_maker = MarketMaker(self._engine) if market_maker else None
        self._random = random.Random(seed)  # noqa: S311  (jitter)
        self._latency = latency
        self._publisher = Publisher(url, reports)
        self._consumer = Consumer(url, orders, self._handle, batch=BATCH, between=self._between)
        self._shares_at = self._summary_at = time.monotonic()
        with journal.transaction():
            journal.doubt()

    def run(self) -> None:
        self._consumer.run()
        self._publisher.close()
        self._summarise()

    def stop(self) -> None:
        """May be called from a signal handler."""
        self._consumer.stop()

    def _handle(self, deliveries: list[Delivery]) -> None:
        self._engine.process([delivery.body for delivery in deliveries], now=datetime.now(UTC))
        # One pause for all of a batch: an answer takes its time, and the throughput does not suffer.
        time.sleep(self._latency * self._random.uniform(0.5, 1.5))
        self._publish()

    def _between(self) -> None:
        self._engine.catch_up(now=datetime.now(UTC))
        self._look_around()
        self._publish()
        if time.monotonic() - self._summary_at >= SUMMARY_EVERY:
            self._summary_at = time.monotonic()
            self._summarise()

    def _look_around(self) -> None:
        """Learn of new, changed and halted shares, and renew the quotes."""
        if time.monotonic() - self._shares_at >= SHARES_EVERY:
            self._shares_at = time.monotonic()
            shares = self._read_shares()
            if shares is not None and shares != self._shares:
                self._shares.clear()
                self._shares.update(shares)
        if self._market_maker:
            self._market_maker.refresh(self._shares, now=datetime.now(UTC))

    def _publish(self) -> None:
        """Publish what waits in the outbox, in order. Raises LinkDown; what then still waits goes out again later."""
        while waiting := self._journal.waiting(OUTBOX_PAGE):
            now = datetime.now(UTC)
            messages = [
                Outgoing(
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
                for report in waiting
            ]
            try:
                for start in range(0, len(messages), WINDOW):
                    self._publisher.publish(messages[start : start + WINDOW])
            except LinkDown:
                with self._journal.transaction():
                    self._journal.doubt()
                raise
            self._perhaps_disconnect()
            with self._journal.transaction():
                self._journal.published(waiting[-1].number)

    def _perhaps_disconnect(self) -> None:
        """Break off at the worst moment: the reports are out, and nobody here has written down that they are.

        They go out again, the requests behind them come again, and neither may be taken twice.
        """
        self._pages += 1
        if self._faults.hits(Fault.DISCONNECTS, self._pages):
            self._engine.counts["disconnects"] += 1
            self._publisher.close()
            with self._journal.transaction():
                self._journal.doubt()
            raise Disconnected

    def _summarise(self) -> None:
        log.info("exchange_so_far", shares=len(self._shares), **self._engine.counts)
