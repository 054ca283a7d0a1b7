"""What /proc tells about processes, and ending some of them by pid.

Processes that start sessions of their own or lose their parent are in nobody's process group any more (Erlang's port
programs, PostgreSQL's backends). So a process is recognised by the mark it inherited in its environment, by its
session, or, as PostgreSQL overwrites its environment with its title, by its working directory.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

PROC = Path("/proc")
MARK = "BROKERAGE_STACK_PROCESS"

Match = Callable[[int], bool]


def pids() -> list[int]:
    """All processes except ourselves."""
    own = os.getpid()
    return [int(name) for name in os.listdir(PROC) if name.isdigit() and int(name) != own]


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that ended and was not collected yet does not."""
    fields = _stat(pid)
    return bool(fields) and fields[0] not in ("Z", "X")


def session(pid: int) -> int | None:
    """The id of the process's session, or None when the process is gone."""
    fields = _stat(pid)
    return int(fields[3]) if fields else None


def mark(pid: int) -> str | None:
    """The mark in the process's environment, if we may read it and it has one."""
    try:
        environ = (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return None
    prefix = f"{MARK}=".encode()
    for entry in environ.split(b"\0"):
        if entry.startswith(prefix):
            return os.fsdecode(entry[len(prefix) :])
    return None


def works_in(pid: int, folder: Path) -> bool:
    """Whether this folder, existing or removed, is the process's working directory."""
    try:
        where = os.readlink(PROC / str(pid) / "cwd")
    except OSError:
        return False
    return where.removesuffix(" (deleted)") == str(folder)


def end(match: Match, *, grace: float = 0.0, timeout: float = 10.0) -> list[int]:
    """End every process that matches: SIGTERM first if there is a grace, then SIGKILL; returns those it met.

    Looks again until none is left, as a dying process may still start another.
    """
    met: set[int] = set()
    started = time.monotonic()
    while found := [pid for pid in pids() if match(pid) and is_alive(pid)]:
        waited = time.monotonic() - started
        if waited > grace + timeout:
            break
        for pid in found:
            if waited >= grace:
                _send(pid, signal.SIGKILL, match)
            elif pid not in met:
                _send(pid, signal.SIGTERM, match)
        met.update(found)
        time.sleep(0.05)
    return sorted(met)


def _send(pid: int, number: signal.Signals, match: Match) -> None:
    """Signal the process that has this pid *and* still matches: the handle keeps a re-used pid from being hit."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if match(pid):
            signal.pidfd_send_signal(handle, number)
    except OSError:
        return
    finally:
        os.close(handle)


def _stat(pid: int) -> list[str]:
    """The fields after the name: state, parent, group, session, …"""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return []
    return text[text.rindex(")") + 2 :].split()
