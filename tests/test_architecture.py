"""The house rules that a machine can see."""

import re
from pathlib import Path

import pytest
from celery.fixups.django import DjangoWorkerFixup
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

from config import celery_app

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
    assert locking == [ROOT / "brokerage" / "db.py"]


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
