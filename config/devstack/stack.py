"""One stack from start to end: its lock, its servers, its processes, and the signals that end it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from config.devstack import process_specs, procfs
from config.devstack.errors import StackError, check_room
from config.devstack.paths import Layout, load_secrets
from config.devstack.ports import Ports
from config.devstack.readiness import checks, wait_until_ready
from config.devstack.servers import Servers
from config.devstack.supervisor import Supervisor, end_leftovers
from config.devstack.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import FrameType

    from config.devstack.process_spec import Program

NAMES = (
    *("web", "stream", "dispatcher", "worker", "reports", "beat", "audit", "flower", "simulator"),
    *("postgres", "rabbitmq"),
)
READY_SECONDS = 90
SAME_SIGNAL_SECONDS = 1.0


class Stopped(BaseException):
    """Somebody asked us to stop. Not an Exception: nothing on the way may take it for a failure to handle."""


class Stack:
    """The running stack; made by `running`."""

    def __init__(self, layout: Layout, terminal: Terminal) -> None:
        self.layout = layout
        self.terminal = terminal
        self.say = terminal.say
        layout.logs.mkdir(parents=True, exist_ok=True)
        self.secrets = load_secrets(layout.secrets_file)
        self.ports = Ports(layout.ports_file)
        self.supervisor = Supervisor(layout, terminal)
        self.servers = Servers(layout, self.ports, self.secrets, self.supervisor, self.say)
        self.env = self._environment()
        self._stopping = False
        self._told_at = 0.0

    @classmethod
    @contextmanager
    def running(cls, var: Path, *, quiet: bool = False, fresh: bool = False) -> Iterator[Self]:
        """Hold the lock, clear what an earlier run left running, and stop everything at the end, however it comes.

        `fresh` removes what the earlier one kept as well; `quiet` leaves the processes' log lines to the log files.
        """
        layout = Layout(var)
        with layout.locked():
            if left := end_leftovers(layout):
                print(f"Ended {len(left)} processes that an earlier run left behind.")
            if fresh:
                layout.wipe()
            check_room(layout.var)
            stack = cls(layout, Terminal(names=NAMES, quiet=quiet))
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup means it
                    signal.signal(number, stack._on_signal)
            try:
                yield stack
            finally:
                stack._stop()

    def start_processes(self, choice: process_specs.Choice) -> process_specs.WebAddresses:
        """Migrate, seed, start every process, and return when all are ready."""
        web = process_specs.web_addresses(self.ports, choice)
        owner = {**self.env, "DATABASE_URL": self.servers.addresses.database_owner}
        self.servers.start(throwaway=False)
        self.servers.wait_for_postgres()
        self.say("Database: migrating …")
        self.run_once(process_specs.command("migrate", owner, "migrate", "--no-input"))
        self.say("Database: demo data …")
        self.run_once(process_specs.command("seed_demo", owner, "seed_demo"))
        self.say("Brokerage: starting the processes …")
        chosen = process_specs.programs(self.layout, self.ports, self.env, choice)
        keepers = {it.name: self.supervisor.start(it) for it in chosen if it.name in process_specs.EARLY}
        self.servers.wait_for_rabbitmq()
        keepers |= {it.name: self.supervisor.start(it) for it in chosen if it.name not in process_specs.EARLY}
        self.publish(web)
        wait_until_ready(checks(web, self.servers.addresses, keepers), keepers, seconds=READY_SECONDS, say=self.say)
        return web

    def publish(self, web: process_specs.WebAddresses) -> None:
        """Write stack.json."""
        servers = self.servers.addresses
        self.supervisor.publish(
            {
                "web_url": web.web,
                "stream_url": web.stream,
                "flower_url": web.flower,
                "metrics_urls": dict(web.metrics),
                "database_url": servers.database,
                "database_owner_url": servers.database_owner,
                "celery_broker_url": servers.celery_broker,
                "exchange_url": servers.exchange,
            }
        )

    def run_once(self, program: Program) -> str:
        """Run a program to its end and return what it printed; its failure is shown whole."""
        env = {**program.env, procfs.MARK: f"{self.layout.var}:{program.name}"}
        done = subprocess.run(
            program.argv,
            cwd=program.cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        (self.layout.logs / f"{program.name}.log").write_text(done.stdout)
        if done.returncode:
            raise StackError(f"{program.name} failed (exit code {done.returncode}):\n{done.stdout.rstrip()}")
        return done.stdout

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name != "STACK"}  # that is another one
        return {
            **inherited,
            **self.servers.addresses.as_environment(),
            "ENVIRONMENT": "development",
            "SECRET_KEY": self.secrets["django_secret_key"],
            "VAR_DIR": str(self.layout.var),
            "PYTHONUNBUFFERED": "1",
        }

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """The first signal ends the work in hand; a later Ctrl-C ends the patience with what does not stop.

        Whoever signals our whole process group signals us twice: make passes on what it gets.
        """
        now = time.monotonic()
        if self._stopping:
            if number == signal.SIGINT and now - self._told_at > SAME_SIGNAL_SECONDS:
                self.supervisor.hurried.set()
            return
        self._stopping = True
        self._told_at = now
        raise Stopped

    def _stop(self) -> None:
        self._stopping = True
        if not self.supervisor.started:
            return
        self.say("Stopping …")
        started = time.monotonic()
        self.supervisor.stop()
        self.ports.release()
        self.say(f"Stopped in {time.monotonic() - started:.1f} s; no process is left.")
