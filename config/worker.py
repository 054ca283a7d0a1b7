"""Celery's worker, with two changes: no queues for delayed delivery, and no long waits for a broker that is back."""

from functools import partial
from typing import Any

from celery.worker import consumer
from kombu import Connection


class Consumer(consumer.Consumer):
    """What is due later stands in the database (`due_at`): no task of ours uses the 28 queues of delayed delivery."""

    class Blueprint(consumer.Consumer.Blueprint):  # type: ignore[misc, valid-type]  # a variable in the stubs
        default_steps: list[Any] = [
            step for step in consumer.Consumer.Blueprint.default_steps if "delayed_delivery" not in str(step)
        ]

    def ensure_connected(self, conn: Connection) -> Connection:
        """Try again every two seconds at the latest. Left alone, the pauses grow to half a minute in a long outage."""
        connect: Any = conn.ensure_connection  # the stubs know whole seconds only
        patient = partial(connect, interval_start=0.2, interval_step=0.4, interval_max=2)
        conn.ensure_connection = patient  # type: ignore[method-assign]  # of this connection alone
        return super().ensure_connected(conn)
