from collections.abc import Iterator

import pytest

from tests.running import RunningStack
from tests.system.outside import Outside

SHORT_LEASES = {"PIPELINE_LEASE_S": "3", "PIPELINE_LEASE_MAX_S": "5"}
SHORT_TIMERS = {"UNCONFIRMED_AFTER_S": "3", "CANCEL_WAIT_S": "6", **SHORT_LEASES}
"""Seconds, so that a test has not to wait as long as a person would."""


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A running stack whose exchange is played by the test, which leaves some orders without an answer for ever."""
    stack = RunningStack(
        tmp_path_factory.mktemp("system") / "var", EXCHANGE="external", STATUS_CHECK_LIMIT="1000", **SHORT_LEASES
    )
    try:
        stack.wait_until_ready()
        yield stack
    finally:
        stack.stop()


@pytest.fixture(scope="package")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """`make up` with the simulated exchange and its scripts, and with timers of seconds that nobody has to wait for."""
    stack = RunningStack(tmp_path_factory.mktemp("simulated") / "var", EXCHANGE_SCRIPTS="1", **SHORT_TIMERS)
    try:
        stack.wait_until_ready()
        yield stack
    finally:
        stack.stop()


@pytest.fixture
def outside(stack: RunningStack) -> Iterator[Outside]:
    """The stack as a client and an exchange see it. Afterwards the books must be clean and nothing parked."""
    with Outside(stack) as outside:
        yield outside
        outside.must_be_clean()
