"""Queues of a test's own on the real broker."""

from collections.abc import Callable, Iterator
from uuid import uuid4

import kombu
import pytest
from django.conf import settings

from exchange.amqp import Queue, declare


@pytest.fixture
def channel() -> Iterator:
    """A plain AMQP channel to look at queues with."""
    with kombu.Connection(settings.EXCHANGE_URL) as connection:
        yield connection.channel()


@pytest.fixture
def make_queue(channel) -> Iterator[Callable[..., Queue]]:
    """Makes a queue that nobody else uses; it is gone after the test.

    Made before anybody connects to it: while one connection makes a queue, RabbitMQ refuses what another one sends.
    """
    made = []

    def make(*, single_active: bool = False) -> Queue:
        queue = Queue(f"test.{uuid4().hex}", single_active)
        made.append(queue)
        declare(channel, queue)
        return queue

    yield make
    for queue in made:
        channel.connection.channel().queue_delete(queue.name)


@pytest.fixture
def queue(make_queue) -> Queue:
    return make_queue()
