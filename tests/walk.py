"""One buy through the real code, file by file: `.venv/bin/python -m tests.walk`.

Plays one buy, one amendment and one fill in one process, on a real PostgreSQL and a real RabbitMQ, and prints for each
leg our files and functions in the order in which the interpreter enters them. The last line is
`one buy: N files, M functions, R returns`; what these are is said in tests/walking/calls.py. The servers are those of
DATABASE_URL and CELERY_BROKER_URL, if both are set (no worker may be taking tasks there), else a stack in var/walk.

Everything is played again until nothing differs from the time before, and the last time is shown: by then modules are
imported, connections are open and caches are full, and the machine was not so slow that a connection went stale.
"""

import io
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import django
from django.core.management import call_command

from tests.walking import project, servers
from tests.walking.calls import Recorder
from tests.walking.output import lines
from tests.walking.scenario import Scenario, Walk

MOST_PLAYS = 8


def main() -> int:
    """Play the trade among the servers that are named, or start some and do it among them."""
    if servers.are_named():
        print("\n".join(play()))
        return 0
    try:
        done = servers.run_among_servers_of_its_own("tests.walk")
    except project.part(project.STOPPED):
        return 130
    except project.part(project.STACK_ERROR) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(done.stdout, end="")  # the servers' own last words are said, and the last line is the walk's
    return done.returncode


def play() -> list[str]:
    """Play the trade in a database of its own, and return the lines that tell of it."""
    os.environ |= {"DJANGO_SETTINGS_MODULE": project.SETTINGS, "ENVIRONMENT": "development", "LOG_LEVEL": "INFO"}
    django.setup()
    recorder = Recorder(project.ROOT, project.PACKAGES, [project.SIMULATOR])
    with servers.database(), _log_kept_back():
        call_command(project.SEED, stdout=io.StringIO())
        with recorder.installed():
            scenario = Scenario(recorder)
            walk = _settled(scenario)
            scenario.close()
    return list(lines(walk))


def _settled(scenario: Scenario) -> Walk:
    """Play until a play enters what the one before it entered; each time other terms, not one order placed twice."""
    walk = scenario.play(quantity=10)
    for quantity in range(11, 10 + MOST_PLAYS):
        before, walk = walk, scenario.play(quantity=quantity)
        if walk == before:
            break
    return walk


@contextmanager
def _log_kept_back() -> Iterator[None]:
    """Keep the log's lines from among those of the walk; when it fails, they are shown."""
    kept = io.StringIO()
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(kept)
    try:
        yield
    except BaseException:
        print(kept.getvalue(), file=sys.stderr)
        raise


if __name__ == "__main__":
    sys.exit(main())
