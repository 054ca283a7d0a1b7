"""Keeps one process running: starts it again when it died, after whatever is left of it was ended."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from typing import IO, TYPE_CHECKING

from config.devstack import procfs
from config.devstack.ports import wait_until_free
from config.devstack.terminal import LogFile

if TYPE_CHECKING:
    from collections.abc import Callable

    from config.devstack.paths import Layout
    from config.devstack.process_spec import Program
    from config.devstack.terminal import Terminal

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0
STEADY_SECONDS = 30.0
PORT_SECONDS = 10.0
HOPELESS_DEATHS = 3


def next_pause(pause: float, uptime: float) -> float:
    """How long to wait before the next start, from the last wait and how long the process lived."""
    return FIRST_PAUSE if uptime >= STEADY_SECONDS else min(max(pause * 2, FIRST_PAUSE), LONGEST_PAUSE)


class Keeper:
    """A thread per process. It must outlive the process: the kernel's parent-death signal goes by thread."""

    def __init__(self, program: Program, *, layout: Layout, terminal: Terminal, changed: Callable[[], None]) -> None:
        self.program = program
        self.log = LogFile(layout.logs / f"{program.name}.log")
        self.pid: int | None = None
        self._started = 0.0
        self._deaths = 0
        self._mark = f"{layout.var}:{program.name}"
        self._terminal = terminal
        self._changed = changed
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        # Held to start, signal and collect the process: so none is started behind a stop, nor a freed pid signalled.
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"keeper-{program.name}", daemon=True)

    def start(self) -> None:
        """Begin to keep the process running."""
        self._thread.start()

    def is_alive(self) -> bool:
        """Whether the process is still kept running or being stopped."""
        return self._thread.is_alive()

    def join(self, seconds: float) -> None:
        """Wait that long at most for the end after a stop."""
        self._thread.join(seconds)

    def stop(self) -> None:
        """Begin to stop it; `join` waits for the end."""
        with self._lock:
            self._stopping.set()
            if self._process:
                os.kill(self._process.pid, self.program.stop_signal)

    def kill(self) -> None:
        """End it at once, when its time to stop is over."""
        with self._lock:
            if self._process:
                self._note("killed, as it did not stop in time")
                os.kill(self._process.pid, signal.SIGKILL)

    def is_steady(self, seconds: float) -> bool:
        """Whether the process has lived that long."""
        with self._lock:
            return self._process is not None and time.monotonic() - self._started > seconds

    def why_it_fails(self) -> str | None:
        """Its last words if it died again and again since the stack began to start; else None."""
        return self.last_words() if self._deaths >= HOPELESS_DEATHS else None

    def last_words(self) -> str:
        """The end of its log, and where the rest is."""
        return f"see {self.log.path}\n{self.log.tail(15)}"

    def _run(self) -> None:
        """Start, wait for the end, clean up, pause, start again; until told to stop."""
        pause = 0.0
        while not self._stopping.is_set():
            if self.program.port and not wait_until_free(self.program.port, seconds=PORT_SECONDS):
                self._note(f"port {self.program.port} is still taken")
            started = time.monotonic()
            outcome = self._run_once()
            if self._stopping.is_set():
                break
            self._deaths += 1
            pause = next_pause(pause, time.monotonic() - started)
            self._note(f"{outcome}: starting again in {pause:.1f} s")
            self._stopping.wait(pause)

    def _run_once(self) -> str:
        """Start the process and return what became of it when it and all it left behind are gone."""
        try:
            process = self._start()
        except OSError as error:
            return f"cannot be started ({error})"
        if process is None:
            return "not started"
        # Waiting without collecting: until it is collected its pid, which names its session, cannot go to another.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        procfs.end(lambda pid: self._belongs(pid, process.pid))
        with self._lock:
            code = process.wait()
            self._process = None
        return f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"

    def _start(self) -> subprocess.Popen[bytes] | None:
        self.program.before_start()
        with self._lock:
            if self._stopping.is_set():
                return None
            self._started = time.monotonic()
            process = self._process = subprocess.Popen(
                self.program.argv,
                cwd=self.program.cwd,
                env={**self.program.env, procfs.MARK: self._mark},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        threading.Thread(target=self._copy_output, args=(process.stdout,), daemon=True).start()
        self.pid = process.pid
        self._changed()
        return process

    def _belongs(self, pid: int, leader: int) -> bool:
        return (
            procfs.session(pid) == leader
            or procfs.mark(pid) == self._mark
            or (self.program.home is not None and procfs.works_in(pid, self.program.home))
        )

    def _copy_output(self, output: IO[bytes]) -> None:
        with output:
            for line in output:
                self.log.write(line)
                if self.program.echo:
                    self._terminal.log(self.program.name, line.decode(errors="replace").rstrip("\r\n"))

    def _note(self, text: str) -> None:
        self.log.write(f"-- {text}\n".encode())
        self._terminal.log(self.program.name, f"-- {text}")
