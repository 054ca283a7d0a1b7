"""Figures read at the scrape: a database that is away or frozen costs them, and nothing else."""

import threading
import time
from collections.abc import Callable

import pytest
from django.db import OperationalError

from brokerage.observability import gauges
from brokerage.observability.gauges import Figures, Standing
from brokerage.observability.metrics import DATABASE_UP

FIGURES = {"brokerage_due_requests": 3.0}


def scrape(collector: Standing) -> dict[str, float]:
    return {family.name: family.samples[0].value for family in collector.collect()}


class Database:
    """Answers, is away, or is frozen."""

    def __init__(self) -> None:
        self.asked = 0
        self.away = False
        self.awake = threading.Event()
        self.awake.set()

    def __call__(self) -> Figures:
        self.asked += 1
        self.awake.wait(10)
        if self.away:
            raise OperationalError("connection refused")
        return FIGURES


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    monkeypatch.setattr(gauges, "PATIENCE", 0.3)
    return Database()


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """What was read is good for nothing a moment later."""
    return lambda: monkeypatch.setattr(gauges, "KEEP", 0.0)


def test_a_database_that_answers(database: Database) -> None:
    assert scrape(Standing(database)) == {DATABASE_UP: 1, **FIGURES}


def test_it_is_asked_once_for_scrapes_that_come_together(database: Database) -> None:
    collector = Standing(database)
    for _ in range(5):
        scrape(collector)
    assert database.asked == 1


def test_one_that_is_away_costs_only_its_figures_and_is_back_when_it_is(
    database: Database, forgetful: Callable[[], None]
) -> None:
    forgetful()
    collector = Standing(database)
    database.away = True
    assert scrape(collector) == {DATABASE_UP: 0}
    database.away = False
    assert scrape(collector) == {DATABASE_UP: 1, **FIGURES}


def test_one_that_is_frozen_is_not_waited_for_and_not_asked_again_meanwhile(
    database: Database, forgetful: Callable[[], None]
) -> None:
    forgetful()
    collector = Standing(database)
    database.awake.clear()
    begin = time.monotonic()
    assert [scrape(collector) for _ in range(3)] == [{DATABASE_UP: 0}] * 3
    assert time.monotonic() - begin < 3
    assert database.asked == 1
    database.awake.set()
    deadline = time.monotonic() + 5
    while scrape(collector) != {DATABASE_UP: 1, **FIGURES}:
        assert time.monotonic() < deadline
