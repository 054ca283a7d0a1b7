"""`make test`: runs the tests on a PostgreSQL and a RabbitMQ of their own."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from config.devstack.paths import ROOT
from config.devstack.stack import Stack, StopRequested

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# One worker per core, each with a database of its own; which one runs which test: tests/distribution.py.
PARALLEL = ("-n", "logical", "--maxprocesses", "8", "--no-loadscope-reorder")


def test(var: Path, arguments: Sequence[str]) -> int:
    """Run pytest with the servers' addresses in its environment; returns its exit code.

    The tests connect as the owner, who may create their database; DATABASE_RUNTIME_URL is there for those that
    check what the runtime role may not do.
    """
    try:
        with Stack.running(var, quiet=True) as stack:
            stack.servers.start(throwaway=True)
            stack.servers.wait_for_postgres()
            stack.servers.wait_for_rabbitmq()
            addresses = stack.servers.addresses
            env = {
                **stack.env,
                "DATABASE_URL": addresses.database_owner,
                "DATABASE_OWNER_URL": addresses.database_owner,
                "DATABASE_RUNTIME_URL": addresses.database,
            }
            return _run([sys.executable, "-m", "pytest", "--durations=10", *PARALLEL, *arguments], env)
    except StopRequested:
        return 130


def _run(command: Sequence[str], env: dict[str, str]) -> int:
    """Let pytest have the terminal. Ctrl-C reaches it directly; it tears down before we stop the servers."""
    with subprocess.Popen(command, cwd=ROOT, env=env) as process:
        try:
            return process.wait()
        except StopRequested:
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()
            raise
