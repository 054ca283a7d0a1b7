"""The errors that a user of the stack sees: one line each, with its cure."""

from __future__ import annotations

import errno
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# RabbitMQ takes no messages while less than 50 MB are free.
FULL_DISK_BYTES = 64_000_000
NEEDED_BYTES = 300_000_000
FULL_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT)
PERMISSION_ERRORS = (errno.EACCES, errno.EPERM, errno.EROFS)


class StackError(Exception):
    """Something the user can cure; its message is one line that says how. Shown without a traceback."""


def free_bytes(folder: Path) -> int:
    """Return how many bytes are free where this folder is or would be."""
    while not folder.exists():
        folder = folder.parent
    disk = shutil.disk_usage(folder)
    return disk.free if disk.total else NEEDED_BYTES  # the kernel's own file systems have neither


def check_disk_space(var: Path) -> None:
    """Raise StackError where there is too little room: better now than in the middle."""
    if (free := free_bytes(var)) < NEEDED_BYTES:
        wanted = NEEDED_BYTES // 1_000_000
        raise StackError(f"only {free // 1_000_000} MB are free in {var}, and a stack wants {wanted}: make room there")


def describe_error(error: StackError | OSError, var: Path) -> str:
    """Return in one line what went wrong, and its cure.

    A full disk shows itself in a hundred ways, so it is looked for before the error is believed. An error of the
    operating system that no user can cure is raised again.
    """
    if free_bytes(var) < FULL_DISK_BYTES or (isinstance(error, OSError) and error.errno in FULL_DISK_ERRORS):
        return f"the disk of {var} is full: make room there and start again"
    if isinstance(error, StackError):
        return str(error)
    if error.errno in PERMISSION_ERRORS:
        return (
            f"{error.filename or var} may not be written ({error.strerror}): let this user, or use a clone of its own"
        )
    raise error
