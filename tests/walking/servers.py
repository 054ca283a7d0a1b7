"""The PostgreSQL and the RabbitMQ of the walk: those that the environment names, or a stack of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from tests.walking.project import ROOT, STACK, part

VAR = ROOT / "var" / "walk"
NAMED_BY = ("DATABASE_URL", "CELERY_BROKER_URL")


def are_named() -> bool:
    """Tell whether the environment says where the servers are, as it does under `make test`."""
    return all(os.environ.get(name) for name in NAMED_BY)


def run_among_servers_of_its_own(module: str) -> subprocess.CompletedProcess[str]:
    """Run a module in a process that finds fresh servers in its environment; returns when they are stopped again."""
    with part(STACK).running(VAR, quiet=True, fresh=True) as stack:
        stack.servers.start(throwaway=True)
        stack.servers.wait_for_postgres()
        stack.servers.wait_for_rabbitmq()
        env = {**stack.env, "DATABASE_URL": stack.servers.addresses.database_owner}
        return subprocess.run(
            [sys.executable, "-m", module], cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, check=False
        )


@contextmanager
def database() -> Iterator[None]:
    """A fresh database, migrated, that is dropped afterwards. The role that DATABASE_URL names must be allowed to."""
    name = connection.settings_dict["NAME"]
    connection.settings_dict["TEST"]["NAME"] = f"walk_{os.getpid()}"
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        yield
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)
