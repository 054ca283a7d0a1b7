"""What a user of the stack sees when something goes wrong: one line, with its cure."""

from __future__ import annotations

import errno
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# RabbitMQ takes no messages while less than 50 MB are free.
FULL = 64_000_000
WANTED = 300_000_000
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)


class StackError(Exception):
    """Something the user can cure; its message is one line that says how. Shown without a traceback."""


def free_space(folder: Path) -> int:
    """How many bytes are free where this folder is or would be."""
    while not folder.exists():
        folder = folder.parent
    disk = shutil.disk_usage(folder)
    return disk.free if disk.total else WANTED  # the kernel's own file systems have neither


def check_room(var: Path) -> None:
    """Refuse to begin what would soon end in the middle."""
    if (free := free_space(var)) < WANTED:
        raise StackError(
            f"only {free // 1_000_000} MB are free in {var}, and a stack wants {WANTED // 1_000_000}: make room there"
        )


def in_one_line(error: StackError | OSError, var: Path) -> str:
    """What went wrong, and its cure. A full disk has a hundred faces, so it is looked for before the face is believed.

    An error of the operating system that no user can cure is raised again.
    """
    if free_space(var) < FULL or (isinstance(error, OSError) and error.errno in NO_ROOM):
        return f"the disk of {var} is full: make room there and start again"
    if isinstance(error, StackError):
        return str(error)
    if error.errno in NOT_ALLOWED:
        return (
            f"{error.filename or var} may not be written ({error.strerror}): let this user, or use a clone of its own"
        )
    raise error
