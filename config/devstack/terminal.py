"""Shows the user progress, and the log lines of every process with its name before them."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import BinaryIO

COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
LOG_BYTES = 20_000_000


class Terminal:
    """Writes to standard output from many threads. A reader that went away is no error: the log files go on."""

    def __init__(self, *, names: tuple[str, ...] = (), quiet: bool = False) -> None:
        self._lock = threading.Lock()
        self._quiet = quiet
        self._coloured = sys.stdout.isatty()
        self._width = max((len(name) for name in names), default=0)
        self._colours = {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(names)}

    def announce(self, text: str) -> None:
        """Write a message of the stack itself, in one piece."""
        self._write(f"{text}\n")

    def log(self, name: str, text: str) -> None:
        """Write a line of a process's output; when quiet it is left to the log files."""
        if self._quiet:
            return
        label = f"{name:<{self._width}} |"
        if self._coloured:
            label = f"\x1b[{self._colours.get(name, 0)}m{label}\x1b[0m"
        self._write(f"{label} {text}\n")

    def _write(self, text: str) -> None:
        with self._lock:
            try:
                sys.stdout.write(text)
                sys.stdout.flush()
            except (OSError, ValueError):
                return


class LogFile:
    """The log of one process: emptied at each start of the stack, at most two files of bounded size."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO = path.open("wb", buffering=0)

    def write(self, line: bytes) -> None:
        """Append one line; a full disk loses log lines, never the process that writes them."""
        try:
            if self._file.tell() > LOG_BYTES:
                self._rotate()
            self._file.write(line)
        except OSError:
            return

    def _rotate(self) -> None:
        """Go on in a fresh file. The old one is closed last: writing to a closed one would end the monitor."""
        fresh = self.path.with_name(f"{self.path.name}.new").open("wb", buffering=0)
        self.path.replace(self.path.with_name(f"{self.path.name}.1"))
        Path(fresh.name).replace(self.path)
        self._file.close()
        self._file = fresh

    def tail(self, lines: int) -> str:
        """Return the last lines, for an error message."""
        return "\n".join(self.path.read_text(errors="replace").splitlines()[-lines:])
