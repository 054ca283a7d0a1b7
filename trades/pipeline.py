"""The flow, on one page.

    POST /trades ─► accept ─► commit: the request stands in the database, due now ─► 202
    dispatcher   ─► leases what is due ─► one Celery chain per batch: validate ─► book ─► send ─► the exchange
    the exchange ─► reports ─► apply: facts, money and shares in one commit ─► acknowledge
    no answer    ─► status query ─► the exchange ─► all its reports again, and how the order stands ─► apply

A step never calls the next one. Each reads from the database what is still to be done, and leaves the rest alone; so
any message may be lost, doubled or late, and any process may die anywhere. What was dropped is due again when its
lease runs out, and the dispatcher makes a chain of the steps that remain.
"""

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

import structlog
from amqp.exceptions import AMQPError
from celery import chain, current_app
from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections, transaction
from kombu.exceptions import OperationalError
from structlog.contextvars import bound_contextvars

from brokerage.db import clock
from brokerage.db.transactions import is_transient, opens_transaction_once
from brokerage.observability import metrics
from exchange.amqp import REPORTS, Consumer
from exchange.fix.codes import ExecType
from exchange.fix.messages import ExecutionReport
from exchange.inbound import InboundReports, Report
from exchange.quarantine import Code as Quarantine
from trades import tasks
from trades.core import repository, settlement
from trades.core.instrumentation import record_dispatched
from trades.core.link_gaps import check_everything, plan_missing_checks
from trades.core.schedule import patience
from trades.lifecycle import Stage
from trades.reconciliation import due
from trades.reconciliation.status import apply_status
from trades.reports.apply import ReportBatch, route, set_aside
from trades.steps import leases
from trades.steps.leases import Batch

log = structlog.get_logger(__name__)

REMAINING = {
    Stage.RECEIVED: (tasks.validate, tasks.book, tasks.send),
    Stage.VALIDATED: (tasks.book, tasks.send),
    Stage.BOOKED: (tasks.send,),
}


STATUS_CHECK_INTERVAL_S = 1.0
"""From one batch of status queries to the next."""

BROKER_ERRORS = (OperationalError, AMQPError, OSError)


class BrokerUnavailableError(Exception):
    """The broker did not take a batch. Its leases were given back; nothing was lost or attempted."""


# --- From the database to the workers --------------------------------------------------------------------------------


def dispatch_once() -> int:
    """Turn what is due into chains, if the workers have room. Returns how many requests were dispatched.

    Raises BrokerUnavailableError when the broker is away: the requests wait in the database.
    """
    config = settings.PIPELINE
    if leases.batches_in_flight() >= config["WORKERS"] * config["BATCHES_PER_WORKER"]:
        return 0
    batches = leases.lease_due(config["BATCH"])
    for number, batch in enumerate(batches):
        try:
            if any(lease > 1 for _, lease in batch.leases):
                declare_queues()  # a second lease means that something was lost: perhaps a queue
            publish(batch)
            record_dispatched(batch.stage, batch.rows)
        except BROKER_ERRORS as error:
            for waiting in batches[number:]:
                leases.requeue(waiting.leases)
            raise BrokerUnavailableError(str(error)) from error
    return sum(len(batch.leases) for batch in batches)


def publish(batch: Batch) -> None:
    """Hand a batch to the workers: the steps that remain, each with the ids and the numbers of their leases."""
    steps = chain(*(step.si(leases=batch.leases) for step in REMAINING[batch.stage]))
    steps.apply_async(retry=False)


def check_once() -> int:
    """Have the exchange asked about what it is time to ask about. Returns about how many trades.

    Raises BrokerUnavailableError when the broker is away: the next check of each is planned already.
    """
    trade_ids = due.take_due(settings.PIPELINE["STATUS_CHECKS_PER_S"])
    if trade_ids:
        until = clock.now() + patience()  # a worker that finds it later leaves it to the next one
        arguments = {"trade_ids": [str(pk) for pk in trade_ids], "until": until.isoformat()}
        try:
            tasks.query_status.apply_async(kwargs=arguments, retry=False)
        except BROKER_ERRORS as error:
            raise BrokerUnavailableError(str(error)) from error
    return len(trade_ids)


def declare_queues() -> None:
    """Create the queues of the steps that are not there, over a fresh connection: kombu remembers what one declared."""
    with current_app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, timeout=3)
        for queue in current_app.amqp.queues.values():
            queue(connection.default_channel).declare()


@bound_contextvars(step="dispatch")
def dispatch_forever(stopping: Callable[[], bool]) -> None:
    """Dispatch until told to stop. An empty poll rests a moment; a broker or a database that is away is waited for."""
    idle = pause = settings.PIPELINE["IDLE_POLL_S"]
    declared = False
    check_next = time.monotonic()
    while not stopping():
        try:
            if not declared:
                declare_queues()
                plan_missing_checks()
                declared = True
            if time.monotonic() >= check_next:
                check_once()
                check_next = time.monotonic() + STATUS_CHECK_INTERVAL_S
            dispatched = dispatch_once()
            pause = idle
            if dispatched < settings.PIPELINE["BATCH"]:
                time.sleep(settings.PIPELINE["BATCH_LINGER_S"] if dispatched else idle)
        except (BrokerUnavailableError, *BROKER_ERRORS, DatabaseError, InterfaceError) as error:
            if isinstance(error, DatabaseError) and not is_transient(error):
                raise
            log.warning("waiting", error=str(error).strip())
            close_old_connections()
            pause = min(2 * pause, 2.0)
            time.sleep(pause)


# --- From the exchange to the database -------------------------------------------------------------------------------


# Once, not three times: the consumer hands the batch on again, and its heartbeats go on in between. Three timeouts in a
# row in here would cost it its connection to RabbitMQ.
@bound_contextvars(step="apply")
@opens_transaction_once
def apply_reports(reports: Sequence[Report], *, now: datetime | None = None) -> None:
    """Apply a batch in the order in which it came. Commits all of it or raises; safe to run any number of times.

    Answers to status queries go to reconciliation, all else to reports. What belongs to no trade of ours, or comes
    under a known ExecID with other numbers, is quarantined in the same commit. `now`: the database's time if not given.

    Killed after the commit and before the batch is acknowledged, it comes again, and nothing happens twice.
    """
    trade_ids = route([report.message for report in reports])
    trades = repository.lock_trades({trade_id for trade_id in trade_ids if trade_id})
    now = now or clock.now()
    batch = ReportBatch(reports, list(trades.values()), now=now)
    postings = []
    for report, trade_id in zip(reports, trade_ids, strict=True):
        trade, message = trades.get(trade_id) if trade_id else None, report.message
        if trade is None:
            set_aside(report, Quarantine.UNKNOWN_ORDER, "names no request and no trade of ours")
        elif isinstance(message, ExecutionReport) and message.exec_type is ExecType.ORDER_STATUS:
            postings += apply_status(trade, message, now=now)
        else:
            postings += batch.apply(trade, report)
    settlement.settle(postings, at=now)
    repository.save(trades.values(), at=now)
    batch.executions.save()
    transaction.on_commit(partial(metrics.batch_size.labels("apply").observe, len(reports)))


def report_consumer() -> Consumer:
    """Return the consumer of the exchange's reports: one is active, further copies stand by."""
    inbound = InboundReports(REPORTS.name, apply_reports)
    return Consumer(settings.EXCHANGE_URL, REPORTS, inbound, after_gap=check_everything)
