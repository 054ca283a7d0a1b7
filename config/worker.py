"""Celery's worker, less one part: the 28 queues of native delayed delivery, which no task of ours uses.

What is due later stands in the database (`due_at`).
"""

from typing import Any

from celery.worker import consumer


class Consumer(consumer.Consumer):
    class Blueprint(consumer.Consumer.Blueprint):
        default_steps: list[Any] = [
            step for step in consumer.Consumer.Blueprint.default_steps if "delayed_delivery" not in str(step)
        ]
