"""What the pipeline publishes, taken out of the real queues: a task for the worker, an order for the exchange."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import kombu
from celery.worker.request import Request

ARRIVES_IN = 10.0
"""Seconds until a message that the broker has confirmed must have come."""


def take(queue: kombu.Queue, *, about: Sequence[str]) -> kombu.Message:
    """Take the first message out of this queue that holds one of these ids; those before it are given back."""
    others: list[kombu.Message] = []
    deadline = time.monotonic() + ARRIVES_IN
    try:
        while time.monotonic() < deadline:
            message = queue.get(no_ack=False)
            if message is None:
                time.sleep(0.01)
            elif any(name in _text(message) for name in about):
                return message
            else:
                others.append(message)
    finally:
        for other in others:
            other.requeue()
    raise LookupError(f"nothing about {' or '.join(about)} came into {queue.name}, or somebody else took it out")


def _text(message: kombu.Message) -> str:
    return message.body if isinstance(message.body, str) else bytes(message.body).decode()


def task(app: Any, message: kombu.Message) -> Callable[[], Any]:
    """Make what a worker makes of a task's message: called, it runs the task, and publishes what is chained to it."""
    request = Request(
        message,
        app=app,
        on_ack=message.ack_log_error,
        on_reject=message.reject_log_error,
        body=message.body,
        headers=message.headers,
        utc=app.uses_utc_timezone(),
    )
    return request.execute
