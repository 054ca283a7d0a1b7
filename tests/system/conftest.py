from collections.abc import Iterator

import pytest

from tests.running import RunningStack
from tests.system.outside import Outside


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A running stack whose exchange is played by the test, which leaves some orders without an answer for ever."""
    stack = RunningStack(tmp_path_factory.mktemp("system") / "var", EXCHANGE="external", ASK_LIMIT="1000")
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
