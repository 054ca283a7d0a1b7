"""Which worker runs which test. A pytest plugin for `make test`, whose workers each have a database of their own.

The tests that look at a running stack go to one worker, so that there is one stack at a time, on a machine with little
else to do than to run it. All other tests go one by one to whichever worker is free.
"""

import re

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

RUNNING_STACK = re.compile(r"tests/(system/|devstack/test_stack\.py)")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start first what takes long: all else fills the gaps.

    The order of the rest stays: a test that empties the tables takes away what the migrations put there.
    """
    items.sort(key=lambda item: not RUNNING_STACK.match(item.nodeid) and not item.get_closest_marker("slow"))


class OneStackAtATime(LoadScopeScheduling):
    """By the ids of the tests: xdist's own groups are without effect from pytest 9.2 on (pytest-xdist issue 1386)."""

    def _split_scope(self, nodeid: str) -> str:
        return "running stack" if RUNNING_STACK.match(nodeid) else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneStackAtATime:
    return OneStackAtATime(config, log)
