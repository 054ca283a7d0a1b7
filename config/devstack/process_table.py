"""Finds the processes of a stack among all that run here, and ends them.

Processes that start sessions of their own or lose their parent are in nobody's process group any more (Erlang's port
programs, PostgreSQL's backends). So a process is recognised by the tag it inherited in its environment, by its
session, or, as PostgreSQL overwrites its environment with its title, by its working directory.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TAG_VARIABLE = "BROKERAGE_STACK_PROCESS"
POLL_S = 0.05


def format_tag(var: Path, name: str) -> str:
    """Return the tag of the process of this name in the stack whose folder is `var`."""
    return f"{var}:{name}"


def read_tag(process: psutil.Process) -> str | None:
    """Return the tag in the process's environment; None without one, or if we may not read it."""
    try:
        return process.environ().get(TAG_VARIABLE)
    except (psutil.Error, OSError):
        return None


def belongs_to_stack(process: psutil.Process, var: Path) -> bool:
    """Return whether a stack in this folder started the process, or the server that did."""
    return (read_tag(process) or "").startswith(format_tag(var, "")) or works_in(process, var / "postgres")


def works_in(process: psutil.Process, folder: Path) -> bool:
    """Return whether this folder, existing or removed, is the process's working directory."""
    try:
        return process.cwd() == str(folder)
    except (psutil.Error, OSError):
        return False


def is_in_session(process: psutil.Process, leader: int) -> bool:
    """Return whether the process is in the session of this leader, which has not been collected yet."""
    try:
        return os.getsid(process.pid) == leader
    except OSError:
        return False


def find_processes(matches: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    """Return the processes that match, except ourselves and those that ended and were not collected yet."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess):
            if process.pid != os.getpid() and matches(process) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def end_processes(
    matches: Callable[[psutil.Process], bool], *, grace_s: float = 0.0, timeout_s: float = 10.0
) -> list[int]:
    """End every process that matches and return their pids: SIGTERM first if there is a grace, then SIGKILL.

    Looks again until none is left, as a dying process may still start another. A pid that went to another process in
    the meantime is not hit: psutil compares the start times before it sends a signal.
    """
    ended: set[int] = set()
    started = time.monotonic()
    while found := find_processes(matches):
        waited = time.monotonic() - started
        if waited > grace_s + timeout_s:
            break
        for process in found:
            with suppress(psutil.Error):
                if waited >= grace_s:
                    process.kill()
                elif process.pid not in ended:
                    process.terminate()
        ended.update(process.pid for process in found)
        time.sleep(POLL_S)
    return sorted(ended)
