"""Runs one stack from start to end: its lock, its servers, its processes, and the signals that end it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from config.devstack.errors import StackError, check_disk_space
from config.devstack.paths import StackPaths, load_secrets
from config.devstack.ports import Ports
from config.devstack.process_spec import ProcessSpec
from config.devstack.process_specs import (
    PYTHON,
    WITHOUT_BROKER,
    StackOptions,
    WebAddresses,
    application_specs,
    web_addresses,
)
from config.devstack.process_table import TAG_VARIABLE, format_tag
from config.devstack.readiness import readiness_checks, wait_until_ready
from config.devstack.schema import check_schema
from config.devstack.servers import Servers
from config.devstack.supervisor import Supervisor, end_leftovers
from config.devstack.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import FrameType

NAMES = (
    *("web", "stream", "dispatcher", "worker", "reports", "beat", "audit", "flower", "simulator"),
    *("postgres", "rabbitmq"),
)
READY_TIMEOUT_S = 90
SAME_SIGNAL_S = 1.0


class StopRequested(BaseException):
    """A signal tells us to stop. Not an Exception: nothing on the way may take it for a failure to handle."""


class Stack:
    """The running stack; made by `running`."""

    def __init__(self, paths: StackPaths, terminal: Terminal) -> None:
        self.paths = paths
        self.terminal = terminal
        self.announce = terminal.announce
        paths.logs.mkdir(parents=True, exist_ok=True)
        self.secrets = load_secrets(paths.secrets_file)
        self.ports = Ports(paths.ports_file)
        self.supervisor = Supervisor(paths, terminal)
        self.servers = Servers(paths, self.ports, self.secrets, self.supervisor, self.announce)
        self.env = self._environment()
        self._stopping = False
        self._signalled_at = 0.0

    @classmethod
    @contextmanager
    def running(cls, var: Path, *, quiet: bool = False, fresh: bool = False) -> Iterator[Self]:
        """Hold the lock, clear what an earlier run left running, and stop everything at the end, however it comes.

        `fresh` removes what the earlier one kept as well; `quiet` leaves the processes' log lines to the log files.
        """
        paths = StackPaths(var)
        with paths.locked():
            if ended := end_leftovers(paths):
                print(f"Ended {len(ended)} processes that an earlier run left behind.")
            if fresh:
                paths.wipe()
            check_disk_space(paths.var)
            stack = cls(paths, Terminal(names=NAMES, quiet=quiet))
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup means it
                    signal.signal(number, stack._on_signal)
            try:
                yield stack
            finally:
                stack._stop()

    def start_processes(self, options: StackOptions) -> WebAddresses:
        """Migrate, seed, start every process, and return when all are ready."""
        web = web_addresses(self.ports, options)
        self.servers.start(throwaway=False)
        self.servers.wait_for_postgres()
        self.prepare_database()
        self.announce("Brokerage: starting the processes …")
        specs = application_specs(self.paths, self.ports, self.env, options)
        monitors = {spec.name: self.supervisor.start(spec) for spec in specs if spec.name in WITHOUT_BROKER}
        self.servers.wait_for_rabbitmq()
        monitors |= {spec.name: self.supervisor.start(spec) for spec in specs if spec.name not in WITHOUT_BROKER}
        self.publish(web)
        checks = readiness_checks(web, self.servers.addresses, monitors)
        wait_until_ready(checks, monitors, timeout_s=READY_TIMEOUT_S, announce=self.announce)
        return web

    def prepare_database(self) -> None:
        """Migrate and seed the database, which must be empty or of this version."""
        owner_url = self.servers.addresses.database_owner
        check_schema(owner_url, self.paths.var, is_private=self.servers.has_own_postgres)
        self.announce("Database: migrating, adding demo data …")
        command = (*PYTHON, "config.devstack.prepare_database")
        env = {**self.env, "DATABASE_URL": owner_url, "PROCESS_NAME": "prepare_database"}
        self.run_once(ProcessSpec(name="prepare_database", command=command, env=env))

    def publish(self, web: WebAddresses) -> None:
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

    def run_once(self, spec: ProcessSpec) -> str:
        """Run a process to its end and return its output, which is also the message of its failure."""
        env = {**spec.env, TAG_VARIABLE: format_tag(self.paths.var, spec.name)}
        done = subprocess.run(
            spec.argv,
            cwd=spec.cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        (self.paths.logs / f"{spec.name}.log").write_text(done.stdout)
        if done.returncode:
            raise StackError(f"{spec.name} failed (exit code {done.returncode}):\n{done.stdout.rstrip()}")
        return done.stdout

    def _environment(self) -> dict[str, str]:
        # STACK names another one. Without bytecode each process would compile all of the project again.
        unwanted = ("STACK", "PYTHONDONTWRITEBYTECODE")
        inherited = {name: value for name, value in os.environ.items() if name not in unwanted}
        return {
            **inherited,
            **self.servers.addresses.as_environment(),
            "ENVIRONMENT": "development",
            "SECRET_KEY": self.secrets["django_secret_key"],
            "VAR_DIR": str(self.paths.var),
            "PYTHONUNBUFFERED": "1",
        }

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """End the work in hand at the first signal; at a later Ctrl-C kill what does not stop.

        Whoever signals our whole process group signals us twice: make passes on what it gets.
        """
        now = time.monotonic()
        if self._stopping:
            if number == signal.SIGINT and now - self._signalled_at > SAME_SIGNAL_S:
                self.supervisor.kill_at_once.set()
            return
        self._stopping = True
        self._signalled_at = now
        raise StopRequested

    def _stop(self) -> None:
        self._stopping = True
        if not self.supervisor.started:
            return
        self.announce("Stopping …")
        started = time.monotonic()
        self.supervisor.stop()
        self.ports.release()
        self.announce(f"Stopped in {time.monotonic() - started:.1f} s; no process is left.")
