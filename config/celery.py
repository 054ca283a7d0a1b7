"""The Celery application: its queues and the settings that keep a trade from being lost between two steps.

Celery carries hints. What is due stands in the database; a message that is lost, doubled or late changes nothing.
"""

import os
from typing import Any

from celery import Celery, Task, signals
from django.conf import settings
from django.db import close_old_connections
from kombu import Exchange, Queue

from brokerage.observability import prometheus

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

STEPS = Exchange("trades", type="topic", durable=True)
DEAD = Exchange("trades.dead", type="topic", durable=True)
PIPELINE_QUEUES = ("trades.validate", "trades.book", "trades.send")
# Whatever may take long and is asked for again by the clock, such as the audit. A worker of its own takes from it:
# on the children that validate, book and send it would keep trades waiting.
HOUSEKEEPING = "housekeeping"


def _step_queue(name: str) -> Queue:
    """A durable, replicated queue. A message delivered again and again ends in `trades.dead`."""
    return Queue(
        name,
        STEPS,
        routing_key=name,
        durable=True,
        queue_arguments={
            "x-queue-type": "quorum",
            "x-delivery-limit": 10,
            "x-dead-letter-exchange": DEAD.name,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",  # at-least-once dead lettering needs it
        },
    )


def _housekeeping_queue() -> Queue:
    """A durable, replicated queue. What expires in it, because no worker came, is dropped: beat asks again."""
    arguments = {"x-queue-type": "quorum", "x-delivery-limit": 10}
    return Queue(HOUSEKEEPING, STEPS, routing_key=HOUSEKEEPING, durable=True, queue_arguments=arguments)


def _dead_letters() -> Queue:
    """Where messages end that no worker could finish: bounded and never replayed, the dispatcher makes new ones."""
    arguments = {"x-queue-type": "quorum", "x-max-length": 10_000, "x-overflow": "drop-head"}
    return Queue("trades.dead", DEAD, routing_key="#", durable=True, queue_arguments=arguments)


class ConfirmedTask(Task[Any, Any]):
    """Each publish waits for the broker's confirm, but never for ever; chain links included.

    After one that failed no connection is used again: a late confirm would be taken for the next message's.
    """

    abstract = True

    def apply_async(self, *args: Any, **options: Any) -> Any:
        options.setdefault("confirm_timeout", 5)
        try:
            return super().apply_async(*args, **options)
        except Exception:
            for pool in (self.app.producer_pool, self.app.pool):
                pool.force_close_all(close_pool=False)  # type: ignore[attr-defined]  # one of the two stubs lacks it
                pool.setup()  # an emptied pool would be waited on for ever
            raise


app = Celery("brokerage", task_cls=ConfirmedTask)
app.conf.update(
    broker_url=settings.CELERY_BROKER_URL,
    broker_transport_options={
        "confirm_publish": True,
        "socket_settings": settings.AMQP_SOCKET_SETTINGS,
        # Connecting to publish: kombu would rest 2 and 4 seconds, with a lease in hand. Who publishes tries again.
        "max_retries": 1,
        "interval_start": 0.2,
    },
    broker_heartbeat=10,
    broker_connection_timeout=3,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_channel_error_retry=True,
    broker_pool_limit=40,  # opened when needed; Flower has up to 33 threads that hold one and take a second
    broker_pool_acquire_timeout=5,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_acks_on_failure=False,
    task_acks_on_timeout=False,
    task_time_limit=30,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    task_queues=[*map(_step_queue, PIPELINE_QUEUES), _housekeeping_queue(), _dead_letters()],
    task_default_queue=HOUSEKEEPING,
    task_default_exchange=STEPS.name,
    task_default_exchange_type="topic",
    task_default_routing_key=HOUSEKEEPING,
    task_default_queue_type="quorum",
    task_create_missing_queues=False,
    task_routes={
        "trades.tasks.validate": {"queue": "trades.validate"},
        "trades.tasks.book": {"queue": "trades.book"},
        "trades.tasks.send": {"queue": "trades.send"},
        "trades.tasks.query_status": {"queue": "trades.send"},  # by the loop that has the exchange's connection
        "trades.tasks.audit_books": {"queue": HOUSEKEEPING},
    },
    task_publish_retry_policy={"max_retries": 6, "interval_start": 0.2, "interval_step": 0.4, "interval_max": 2},
    worker_consumer="config.worker:Consumer",
    worker_prefetch_multiplier=1,
    worker_cancel_long_running_tasks_on_connection_loss=True,
    worker_deduplicate_successful_tasks=False,
    worker_proc_alive_timeout=30,
    worker_max_tasks_per_child=2000,
    worker_max_memory_per_child=400_000,
    worker_soft_shutdown_timeout=10,
    worker_enable_soft_shutdown_on_idle=True,
    worker_hijack_root_logger=False,
    beat_schedule={
        "audit-books": {
            "task": "trades.tasks.audit_books",
            "schedule": settings.AUDIT_INTERVAL_S,
            "options": {"expires": settings.AUDIT_INTERVAL_S},  # then the next one is asked for: they never pile up
        },
    },
)
# Read by Celery's Django fixup under this name only. Without it the database connection is closed around every task,
# and logging in again costs more than the step.
app.conf["CELERY_DB_REUSE_MAX"] = 1_000_000
app.autodiscover_tasks()


@signals.setup_logging.connect
def _keep_our_logging(**_: Any) -> None:
    """A receiver here keeps Celery from replacing the logging that the settings configured."""


@signals.task_prerun.connect
def _drop_dead_connections(**_: Any) -> None:
    """A connection that died while the worker was idle is replaced before the step, not found out in it."""
    close_old_connections()


# --- Metrics: each child counts in a file of its own, the master adds them up and serves them ------------------------


@signals.worker_init.connect
def _clear_metrics_directory(**_: Any) -> None:
    prometheus.clear_directory()


@signals.worker_ready.connect
def _serve_metrics(**_: Any) -> None:
    prometheus.start_server()


@signals.worker_process_shutdown.connect
def _mark_child_dead(**_: Any) -> None:
    prometheus.mark_child_dead(prometheus.process_identifier())
