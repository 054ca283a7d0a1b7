"""The dispatcher and its broker: what cannot be handed over is given back, and the next try starts afresh."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from amqp.exceptions import InternalError
from celery import current_app
from django.utils import timezone
from kombu import pools

from brokerage.models import Instrument, Trader
from tests.trades import steps
from trades import pipeline
from trades.models import TradeRequest

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def no_broker(monkeypatch) -> Iterator[None]:
    """A broker address where nobody listens."""
    monkeypatch.setenv("CELERY_BROKER_URL", "amqp://guest:guest@127.0.0.1:1//")  # Celery reads it before its settings
    pools.reset()
    current_app._after_fork()
    yield
    pools.reset()
    current_app._after_fork()


def given_back() -> bool:
    due_at = TradeRequest.objects.get().due_at
    TradeRequest.objects.update(due_at=timezone.now())
    return due_at < timezone.now() + timedelta(seconds=2)


def test_without_a_broker_it_says_so_every_time(alice: Trader, share: Instrument, no_broker: None) -> None:
    """Not only the first time: the pools must be usable after they were emptied."""
    steps.place(alice)
    for _ in range(3):
        with pytest.raises(pipeline.BrokerUnavailableError):
            pipeline.dispatch_once()
        assert given_back()


def test_a_broker_that_is_going_down_is_away_too(alice: Trader, share: Instrument, monkeypatch) -> None:
    def publish(batch: object) -> None:
        raise InternalError("INTERNAL_ERROR")

    monkeypatch.setattr(pipeline, "publish", publish)
    steps.place(alice)
    with pytest.raises(pipeline.BrokerUnavailableError):
        pipeline.dispatch_once()
    assert given_back()
