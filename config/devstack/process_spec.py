"""What the supervisor needs to know of a process it keeps running."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from config.devstack.paths import ROOT


def _nothing() -> None:
    """Most programs need nothing done before a start."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """One process of the stack: the command must become the working process itself (exec), not its parent."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    cwd: Path = ROOT
    port: int | None = None
    stop_rank: int = 0
    """Lower ranks are stopped, and gone, before higher ones are told."""
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 15
    listed: bool = True
    """Whether it stands among the processes of stack.json."""
    echo: bool = True
    """Whether its log is shown on the terminal as well."""
    before_start: Callable[[], None] = field(default=_nothing)
    home: Path | None = None
    """A folder only this program works in: what works there belongs to it."""
    privileges: Sequence[str] = ()
    """A command that gives privileges up and then becomes the command behind it."""

    @property
    def argv(self) -> list[str]:
        """The whole command line; the kernel will stop the process when the thread that started it dies.

        Privileges go first: changing them makes the kernel forget the parent-death signal.
        """
        dying = ["setpriv", "--pdeathsig", self.stop_signal.name.removeprefix("SIG"), "--"]
        return [*self.privileges, *(dying if has_death_signal() else ()), *self.command]


@cache
def has_death_signal() -> bool:
    """Whether this machine's setpriv (util-linux 2.33) knows the parent-death signal."""
    if not shutil.which("setpriv"):
        return False
    return subprocess.run(["setpriv", "--pdeathsig", "TERM", "true"], capture_output=True, check=False).returncode == 0
