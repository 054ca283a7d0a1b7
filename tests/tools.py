"""The programs some tests run: promtool and Chromium. A pytest plugin that fetches them when a test uses them.

That is done before the first test, outside of its time limit and where the progress is seen. Which programs are used
is known to the workers alone, as they collect the tests: the first of them fetches, the others wait and find.
"""

import fcntl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.devstack import debian_tools
from config.devstack.debian_tools import Browser
from config.devstack.errors import StackError
from config.devstack.paths import DOWNLOADS, ROOT

FETCH: dict[str, Callable[..., Any]] = {"promtool": debian_tools.promtool, "chromium": debian_tools.chromium}
FOUND = pytest.StashKey[dict[str, Any]]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Find or fetch the programs of the collected tests; that one cannot be had is the failure of its tests alone."""
    found = session.config.stash[FOUND] = {}
    if session.config.option.collectonly:
        return
    used = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    if not FETCH.keys() & used:
        return
    (ROOT / "var").mkdir(exist_ok=True)
    with (ROOT / "var" / "tools.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in FETCH.keys() & used:
            try:
                found[name] = FETCH[name](DOWNLOADS[name], announce=_announce)
            except StackError as error:
                found[name] = error


def _announce(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # a worker's standard output leads nowhere


@pytest.fixture(scope="session")
def promtool(request: pytest.FixtureRequest) -> Path:
    """Prometheus's own checker and tester of rules."""
    return _found(request)


@pytest.fixture(scope="session")
def chromium(request: pytest.FixtureRequest) -> Browser:
    """A Chromium: `with chromium.opened() as browser: page = browser.new_page()`."""
    return _found(request)


def _found(request: pytest.FixtureRequest) -> Any:
    found = request.config.stash[FOUND][request.fixturename]
    if isinstance(found, StackError):
        pytest.fail(str(found), pytrace=False)
    return found
