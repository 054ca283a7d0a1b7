"""Runs the processes of one stack and writes down which they are."""

from __future__ import annotations

import threading
import time
from itertools import groupby
from typing import TYPE_CHECKING, Any

from config.devstack.paths import write_json
from config.devstack.process_monitor import ProcessMonitor
from config.devstack.process_table import belongs_to_stack, end_processes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from config.devstack.paths import StackPaths
    from config.devstack.process_spec import ProcessSpec
    from config.devstack.terminal import Terminal

STACK_VERSION = 1
LEFTOVER_GRACE_S = 8
STOP_SIGNAL_INTERVAL_S = 1.0


class Supervisor:
    """The monitors of a stack's processes, and its stack.json."""

    def __init__(self, paths: StackPaths, terminal: Terminal) -> None:
        self._paths = paths
        self._terminal = terminal
        self._monitors: dict[str, ProcessMonitor] = {}
        self._lock = threading.Lock()
        self._published: Mapping[str, Any] | None = None
        self._is_stale = False
        self.kill_at_once = threading.Event()

    def start(self, spec: ProcessSpec) -> ProcessMonitor:
        """Keep this process running from now on."""
        monitor = ProcessMonitor(spec, paths=self._paths, terminal=self._terminal, on_change=self._note_change)
        self._monitors[spec.name] = monitor
        monitor.start()
        return monitor

    @property
    def started(self) -> bool:
        """Whether there is anything to stop."""
        return bool(self._monitors)

    def monitor(self, name: str) -> ProcessMonitor:
        """Return the monitor of this process, which was started."""
        return self._monitors[name]

    def publish(self, facts: Mapping[str, Any]) -> None:
        """Write stack.json with these facts beside the processes, and again whenever a pid changes."""
        self._published = facts
        self._write()

    def stop(self) -> None:
        """Stop everything, in the order of the specs, and leave no process and no stack.json."""
        monitors = sorted(self._monitors.values(), key=lambda monitor: monitor.spec.stop_order)
        for _, same_order in groupby(monitors, key=lambda monitor: monitor.spec.stop_order):
            stopping = list(same_order)
            for monitor in stopping:
                monitor.stop()
            self._await_end(stopping)
        with self._lock:
            self._published = None
            self._paths.stack_file.unlink(missing_ok=True)

    def _await_end(self, monitors: Sequence[ProcessMonitor]) -> None:
        """Wait until these are gone; kill those that take longer than they may, or all when in a hurry."""
        started = signalled = time.monotonic()
        while alive := [monitor for monitor in monitors if monitor.is_alive()]:
            now = time.monotonic()
            for monitor in alive:
                if self.kill_at_once.is_set() or now - started > monitor.spec.stop_timeout_s:
                    monitor.kill()
                elif monitor.spec.repeats_stop_signal and now - signalled > STOP_SIGNAL_INTERVAL_S:
                    monitor.stop()
                    signalled = now
            alive[0].join(0.1)

    def refresh(self) -> None:
        """Write stack.json if that failed when a pid changed."""
        if self._is_stale:
            self._note_change()

    def _note_change(self) -> None:
        """Write the new pid down. That the disk is full is no reason to lose hold of the process that has it."""
        try:
            self._write()
        except OSError:
            self._is_stale = True

    def _write(self) -> None:
        with self._lock:
            if self._published is None:
                return
            processes = {
                name: monitor.pid for name, monitor in self._monitors.items() if monitor.spec.listed and monitor.pid
            }
            write_json(self._paths.stack_file, {**self._published, "processes": processes, "version": STACK_VERSION})
            self._is_stale = False


def end_leftovers(paths: StackPaths) -> list[int]:
    """End what an earlier supervisor of this stack left running when it was killed itself; return the pids.

    Only to be called while holding the stack's lock: then no supervisor lives, so whatever bears its tag is orphaned.
    """
    ended = end_processes(lambda process: belongs_to_stack(process, paths.var), grace_s=LEFTOVER_GRACE_S)
    paths.stack_file.unlink(missing_ok=True)
    return ended
