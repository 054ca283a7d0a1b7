"""The flow, on one page.

    POST /trades ─► accept ─► commit: the request stands in the database, due now ─► 202
    dispatcher   ─► claims what is due ─► one Celery chain per batch: validate ─► book ─► send ─► the exchange
    the exchange ─► reports ─► apply: facts, money and shares in one commit ─► acknowledge
    no answer    ─► ask: what became of it? ─► the exchange ─► all its reports again, and how it stands ─► apply

A step never calls the next one. Each reads from the database what is still to be done, and leaves the rest alone; so
any message may be lost, doubled or late, and any process may die anywhere. What was dropped is due again when its
lease runs out, and the dispatcher makes a chain of the steps that remain.
"""

import time
from collections.abc import Callable

import structlog
from amqp.exceptions import AMQPError
from celery import chain, current_app
from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections
from django.utils import timezone
from kombu.exceptions import OperationalError
from structlog.contextvars import bound_contextvars

from brokerage.db.transactions import is_transient
from exchange.amqp import REPORTS, Consumer
from exchange.inbound import InboundReports
from trades import tasks
from trades.core.instrumentation import tell_dispatched
from trades.core.schedule import patience
from trades.lifecycle import Stage
from trades.reconciliation import due
from trades.reports.apply import apply_reports
from trades.steps import leases
from trades.steps.leases import Batch

log = structlog.get_logger(__name__)

REMAINING = {
    Stage.RECEIVED: (tasks.validate, tasks.book, tasks.send),
    Stage.VALIDATED: (tasks.book, tasks.send),
    Stage.BOOKED: (tasks.send,),
}


ASK_EVERY = 1.0
"""Seconds from one batch of askings to the next."""

BROKER_ERRORS = (OperationalError, AMQPError, OSError)


class BrokerAwayError(Exception):
    """The broker did not take a batch. Its leases were given back; nothing was lost or tried."""


def dispatch_once() -> int:
    """Turn what is due into chains, if the workers have room. Returns how many requests were dispatched.

    Raises BrokerAwayError when the broker is away: the requests wait in the database.
    """
    config = settings.PIPELINE
    if leases.batches_in_flight() >= config["WORKERS"] * config["BATCHES_PER_WORKER"]:
        return 0
    batches = leases.claim_due(config["BATCH"])
    for number, batch in enumerate(batches):
        try:
            if any(lease > 1 for _, lease in batch.claims):
                declare_queues()  # a second lease means that something was lost: perhaps a queue
            publish(batch)
            tell_dispatched(batch.stage, batch.rows)
        except BROKER_ERRORS as error:
            for waiting in batches[number:]:
                leases.give_back(waiting.claims)
            raise BrokerAwayError(str(error)) from error
    return sum(len(batch.claims) for batch in batches)


def publish(batch: Batch) -> None:
    """Hand a batch to the workers: the steps that remain, each with the ids and the number of the lease."""
    steps = chain(*(step.si(claims=batch.claims) for step in REMAINING[batch.stage]))
    steps.apply_async(retry=False)


def ask_once() -> int:
    """Have the exchange asked about what it is time to ask about. Returns about how many trades.

    Raises BrokerAwayError when the broker is away: the next asking of each is planned already.
    """
    trade_ids = due.take_due(settings.PIPELINE["STATUS_CHECKS_PER_S"])
    if trade_ids:
        until = timezone.now() + patience()  # a worker that finds it later leaves it to the next one
        arguments = {"trade_ids": [str(pk) for pk in trade_ids], "until": until.isoformat()}
        try:
            tasks.ask.apply_async(kwargs=arguments, retry=False)
        except BROKER_ERRORS as error:
            raise BrokerAwayError(str(error)) from error
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
    ask_next = time.monotonic()
    while not stopping():
        try:
            if not declared:
                declare_queues()
                due.plan_forgotten()
                declared = True
            if time.monotonic() >= ask_next:
                ask_once()
                ask_next = time.monotonic() + ASK_EVERY
            dispatched = dispatch_once()
            pause = idle
            if dispatched < settings.PIPELINE["BATCH"]:
                time.sleep(settings.PIPELINE["BATCH_LINGER_S"] if dispatched else idle)
        except (BrokerAwayError, *BROKER_ERRORS, DatabaseError, InterfaceError) as error:
            if isinstance(error, DatabaseError) and not is_transient(error):
                raise
            log.warning("waiting", error=str(error).strip())
            close_old_connections()
            pause = min(2 * pause, 2.0)
            time.sleep(pause)


def report_consumer() -> Consumer:
    """The consumer of the exchange's reports: one is active, further copies stand by."""
    inbound = InboundReports(REPORTS.name, apply_reports)
    return Consumer(settings.EXCHANGE_URL, REPORTS, inbound, after_gap=due.ask_about_all)
