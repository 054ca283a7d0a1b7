"""Describes a process to the supervisor that keeps it running."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache
from pathlib import Path

from config.devstack.paths import ROOT


class StopOrder(IntEnum):
    """Processes of a lower order are gone before those of a higher one are told to stop."""

    INTAKE = 0  # takes work in
    WORK = 1  # carries out what was taken in
    SERVERS = 2
    PORT_MAPPER = 3  # Erlang's, which RabbitMQ needs to the end


def _nothing() -> None:
    """Most processes need nothing done before a start."""


@dataclass(frozen=True, kw_only=True)
class ProcessSpec:
    """One process of the stack: the command must become the working process itself (exec), not its parent."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    cwd: Path = ROOT
    port: int | None = None
    stop_order: StopOrder = StopOrder.INTAKE
    stop_signal: signal.Signals = signal.SIGTERM
    repeats_stop_signal: bool = False
    """Whether the stop signal is sent each second until the process ends."""
    stop_timeout_s: float = 15
    listed: bool = True
    """Whether it stands among the processes of stack.json."""
    echo: bool = True
    """Whether its log is shown on the terminal as well."""
    before_start: Callable[[], None] = field(default=_nothing)
    work_folder: Path | None = None
    """A folder that only this process and its children work in: what works there belongs to it."""
    privileges: Sequence[str] = ()
    """A command that gives privileges up and then becomes the command behind it."""

    @property
    def argv(self) -> list[str]:
        """Return the whole command line; the kernel will stop the process when the thread that started it dies.

        Privileges go first: changing them makes the kernel forget the parent-death signal.
        """
        on_our_death = ["setpriv", "--pdeathsig", self.stop_signal.name.removeprefix("SIG"), "--"]
        return [*self.privileges, *(on_our_death if has_death_signal() else ()), *self.command]


@cache
def has_death_signal() -> bool:
    """Return whether this machine's setpriv (util-linux 2.33) knows the parent-death signal."""
    if not shutil.which("setpriv"):
        return False
    return subprocess.run(["setpriv", "--pdeathsig", "TERM", "true"], capture_output=True, check=False).returncode == 0
