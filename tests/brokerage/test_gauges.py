"""Gauges read at the scrape: a database that is down or frozen costs them, and nothing else."""

import threading
import time
from collections.abc import Callable

import pytest
from django.db import OperationalError

from brokerage.observability import gauges
from brokerage.observability.gauges import DatabaseGauges, GaugeValues
from brokerage.observability.metrics import DATABASE_UP

VALUES = {"brokerage_due_requests": 3.0}


def scrape(collector: DatabaseGauges) -> dict[str, float]:
    return {family.name: family.samples[0].value for family in collector.collect()}


class Database:
    """Answers, is down, or is frozen."""

    def __init__(self) -> None:
        self.reads = 0
        self.down = False
        self.running = threading.Event()
        self.running.set()

    def __call__(self) -> GaugeValues:
        self.reads += 1
        self.running.wait(10)
        if self.down:
            raise OperationalError("connection refused")
        return VALUES


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    monkeypatch.setattr(gauges, "SCRAPE_TIMEOUT_S", 0.3)
    return Database()


@pytest.fixture
def without_cache(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Read anew at each scrape."""
    return lambda: monkeypatch.setattr(gauges, "CACHE_S", 0.0)


def test_a_database_that_answers(database: Database) -> None:
    assert scrape(DatabaseGauges(database)) == {DATABASE_UP: 1, **VALUES}


def test_scrapes_that_come_together_cost_one_read(database: Database) -> None:
    collector = DatabaseGauges(database)
    for _ in range(5):
        scrape(collector)
    assert database.reads == 1


def test_one_that_is_down_costs_only_its_gauges_until_it_is_back(
    database: Database, without_cache: Callable[[], None]
) -> None:
    without_cache()
    collector = DatabaseGauges(database)
    database.down = True
    assert scrape(collector) == {DATABASE_UP: 0}
    database.down = False
    assert scrape(collector) == {DATABASE_UP: 1, **VALUES}


def test_one_that_is_frozen_is_not_waited_for_and_not_read_again_meanwhile(
    database: Database, without_cache: Callable[[], None]
) -> None:
    without_cache()
    collector = DatabaseGauges(database)
    database.running.clear()
    begin = time.monotonic()
    assert [scrape(collector) for _ in range(3)] == [{DATABASE_UP: 0}] * 3
    assert time.monotonic() - begin < 3
    assert database.reads == 1
    database.running.set()
    deadline = time.monotonic() + 5
    while scrape(collector) != {DATABASE_UP: 1, **VALUES}:
        assert time.monotonic() < deadline
