"""The house rules that a machine can see."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
from celery.fixups.django import DjangoWorkerFixup
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports
from kombu import Connection

from config.celery import app as celery_app
from config.worker import Consumer as WorkerConsumer

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("brokerage", "config", "exchange", "holdings", "trades", "wallets")
SOURCES = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if "migrations" not in path.parts]


def test_imports_point_down_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert lint_imports(config_filename="pyproject.toml", no_cache=True) == EXIT_STATUS_SUCCESS


def test_there_is_no_seventh_package() -> None:
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert found == set(PACKAGES)


def test_rows_are_locked_in_one_place() -> None:
    locking = [path for path in SOURCES if "select_for_update" in path.read_text()]
    assert locking == [ROOT / "brokerage" / "db" / "locks.py"]


@pytest.mark.parametrize("word", ["utils", "helpers", "common", "manager", "misc"])
def test_no_module_is_named_for_nothing(word: str) -> None:
    assert not [path for path in SOURCES if path.stem == word]


def test_no_import_hides_in_a_function() -> None:
    hidden = re.compile(r"^[ \t]+(from [\w.]+ import|import \w+)", re.MULTILINE)
    guarded = re.compile(r"^if TYPE_CHECKING:\n(?:    .*\n|\n)+", re.MULTILINE)
    assert not [path for path in SOURCES if hidden.search(guarded.sub("", path.read_text()))]


def test_a_worker_keeps_its_database_connection_from_task_to_task() -> None:
    """Celery closes it around every task unless told so under a name that is easily misplaced."""
    assert DjangoWorkerFixup(celery_app).db_reuse_max > 100_000


def test_a_worker_never_waits_long_before_it_tries_the_broker_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Left alone, Celery's pauses grow to half a minute in a long outage."""
    attempts: list[float] = []

    def connect(self: Connection) -> None:
        attempts.append(self.clock)
        raise ConnectionRefusedError

    away = Connection("amqp://nobody@127.0.0.1:1//")
    away.clock = 0.0

    def sleep(seconds: float) -> None:
        away.clock += seconds
        if away.clock > 60:
            raise KeyboardInterrupt

    monkeypatch.setattr("kombu.utils.functional.sleep", sleep)
    monkeypatch.setattr(Connection, "_establish_connection", connect)
    consumer = WorkerConsumer.__new__(WorkerConsumer)
    consumer.app, consumer.first_connection_attempt, consumer.broker_connection_retry_attempt = celery_app, True, 0
    with pytest.raises(KeyboardInterrupt):
        consumer.ensure_connected(away)
    assert max(later - earlier for earlier, later in pairwise(attempts)) <= 3
