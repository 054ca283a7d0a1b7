"""The programs some tests run: promtool and Chromium. A pytest plugin that fetches them when a test asks for them.

That is done before the first test, outside of its time limit and where the progress is seen.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.devstack import debian_tools
from config.devstack.debian_tools import Browser
from config.devstack.errors import StackError
from config.devstack.paths import DOWNLOADS

FETCH: dict[str, Callable[..., Any]] = {"promtool": debian_tools.promtool, "chromium": debian_tools.chromium}
FOUND = pytest.StashKey[dict[str, Any]]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Find or fetch what the collected tests ask for; that it cannot be had is the failure of those tests alone."""
    found = session.config.stash[FOUND] = {}
    if session.config.option.collectonly:
        return
    asked_for = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    for name in FETCH.keys() & asked_for:
        try:
            found[name] = FETCH[name](DOWNLOADS[name], announce=lambda text: print(text, flush=True))
        except StackError as error:
            found[name] = error


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
