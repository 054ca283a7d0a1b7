"""Keeps one process running: starts it again when it died, after whatever is left of it was ended."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from typing import IO, TYPE_CHECKING

from config.devstack.ports import wait_until_free
from config.devstack.process_table import TAG_VARIABLE, end_processes, format_tag, is_in_session, read_tag, works_in
from config.devstack.terminal import LogFile

if TYPE_CHECKING:
    from collections.abc import Callable

    import psutil

    from config.devstack.paths import StackPaths
    from config.devstack.process_spec import ProcessSpec
    from config.devstack.terminal import Terminal

FIRST_DELAY_S = 0.2
MAX_DELAY_S = 5.0
STEADY_S = 30.0
PORT_TIMEOUT_S = 10.0
MAX_FAILED_STARTS = 3


def next_restart_delay(last_delay_s: float, uptime_s: float) -> float:
    """Return how long to wait before the next start, in seconds: doubled each time, until the process stays up."""
    return FIRST_DELAY_S if uptime_s >= STEADY_S else min(max(last_delay_s * 2, FIRST_DELAY_S), MAX_DELAY_S)


class ProcessMonitor:
    """A thread per process. It must outlive the process: the kernel's parent-death signal goes by thread."""

    def __init__(
        self, spec: ProcessSpec, *, paths: StackPaths, terminal: Terminal, on_change: Callable[[], None]
    ) -> None:
        self.spec = spec
        self.log = LogFile(paths.logs / f"{spec.name}.log")
        self.pid: int | None = None
        self._started = 0.0
        self._exits = 0
        self._tag = format_tag(paths.var, spec.name)
        self._terminal = terminal
        self._on_change = on_change
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        # Held to start, signal and collect the process: so none is started behind a stop, nor a freed pid signalled.
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"monitor-{spec.name}", daemon=True)

    def start(self) -> None:
        """Begin to keep the process running."""
        self._thread.start()

    def is_alive(self) -> bool:
        """Return whether the process is still kept running or being stopped."""
        return self._thread.is_alive()

    def join(self, timeout_s: float) -> None:
        """Wait that long at most for the end after a stop."""
        self._thread.join(timeout_s)

    def stop(self) -> None:
        """Begin to stop it; `join` waits for the end."""
        with self._lock:
            self._stopping.set()
            if self._process:
                os.kill(self._process.pid, self.spec.stop_signal)

    def kill(self) -> None:
        """End it at once, when its time to stop is over."""
        with self._lock:
            if self._process:
                self._note("killed, as it did not stop in time")
                os.kill(self._process.pid, signal.SIGKILL)

    def is_steady(self, uptime_s: float) -> bool:
        """Return whether the process has been up that long."""
        with self._lock:
            return self._process is not None and time.monotonic() - self._started > uptime_s

    def startup_failure(self) -> str | None:
        """Return the end of its log if it died again and again since the stack began to start; else None."""
        return self.log_tail() if self._exits >= MAX_FAILED_STARTS else None

    def log_tail(self) -> str:
        """Return the end of its log, and where the rest is."""
        return f"see {self.log.path}\n{self.log.tail(15)}"

    def _run(self) -> None:
        """Start, wait for the end, clean up, wait, start again; until told to stop."""
        delay_s = 0.0
        while not self._stopping.is_set():
            if self.spec.port and not wait_until_free(self.spec.port, timeout_s=PORT_TIMEOUT_S):
                self._note(f"port {self.spec.port} is still taken")
            started = time.monotonic()
            outcome = self._run_once()
            if self._stopping.is_set():
                break
            self._exits += 1
            delay_s = next_restart_delay(delay_s, time.monotonic() - started)
            self._note(f"{outcome}: starting again in {delay_s:.1f} s")
            self._stopping.wait(delay_s)

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
        end_processes(lambda candidate: self._owns(candidate, process.pid))
        with self._lock:
            code = process.wait()
            self._process = None
        return f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"

    def _start(self) -> subprocess.Popen[bytes] | None:
        self.spec.before_start()
        with self._lock:
            if self._stopping.is_set():
                return None
            self._started = time.monotonic()
            process = self._process = subprocess.Popen(
                self.spec.argv,
                cwd=self.spec.cwd,
                env={**self.spec.env, TAG_VARIABLE: self._tag},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        threading.Thread(target=self._copy_output, args=(process.stdout,), daemon=True).start()
        self.pid = process.pid
        self._on_change()
        return process

    def _owns(self, candidate: psutil.Process, leader: int) -> bool:
        """Return whether this process is left of ours, whose session has this leader."""
        return (
            is_in_session(candidate, leader)
            or read_tag(candidate) == self._tag
            or (self.spec.work_folder is not None and works_in(candidate, self.spec.work_folder))
        )

    def _copy_output(self, output: IO[bytes]) -> None:
        with output:
            for line in output:
                self.log.write(line)
                if self.spec.echo:
                    self._terminal.log(self.spec.name, line.decode(errors="replace").rstrip("\r\n"))

    def _note(self, text: str) -> None:
        self.log.write(f"-- {text}\n".encode())
        self._terminal.log(self.spec.name, f"-- {text}")
