"""Runs the processes of one stack and writes down which they are."""

from __future__ import annotations

import threading
import time
from itertools import groupby
from typing import TYPE_CHECKING, Any

from config.devstack import procfs
from config.devstack.paths import write_json
from config.devstack.process_monitor import Keeper

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from config.devstack.paths import Layout
    from config.devstack.process_spec import Program
    from config.devstack.terminal import Terminal

STACK_VERSION = 1


class Supervisor:
    """The keepers of a stack, and its stack.json."""

    def __init__(self, layout: Layout, terminal: Terminal) -> None:
        self._layout = layout
        self._terminal = terminal
        self._keepers: dict[str, Keeper] = {}
        self._lock = threading.Lock()
        self._published: Mapping[str, Any] | None = None
        self._behind = False
        self.hurried = threading.Event()

    def start(self, program: Program) -> Keeper:
        """Keep this program running from now on."""
        keeper = Keeper(program, layout=self._layout, terminal=self._terminal, changed=self._note_change)
        self._keepers[program.name] = keeper
        keeper.start()
        return keeper

    @property
    def started(self) -> bool:
        """Whether there is anything to stop."""
        return bool(self._keepers)

    def keeper(self, name: str) -> Keeper:
        """The keeper of this program, which was started."""
        return self._keepers[name]

    def publish(self, facts: Mapping[str, Any]) -> None:
        """Write stack.json with these facts beside the processes, and again whenever a pid changes."""
        self._published = facts
        self._write()

    def stop(self) -> None:
        """Stop everything, rank by rank, and leave no process and no stack.json."""
        keepers = sorted(self._keepers.values(), key=lambda keeper: keeper.program.stop_rank)
        for _, rank in groupby(keepers, key=lambda keeper: keeper.program.stop_rank):
            stopping = list(rank)
            for keeper in stopping:
                keeper.stop()
            self._await_end(stopping)
        with self._lock:
            self._published = None
            self._layout.stack_file.unlink(missing_ok=True)

    def _await_end(self, keepers: Sequence[Keeper]) -> None:
        """Wait until these are gone; kill those that take longer than they may, or all when hurried."""
        started = time.monotonic()
        while alive := [keeper for keeper in keepers if keeper.is_alive()]:
            for keeper in alive:
                if self.hurried.is_set() or time.monotonic() - started > keeper.program.stop_seconds:
                    keeper.kill()
            alive[0].join(0.1)

    def catch_up(self) -> None:
        """Write down what could not be written when it happened."""
        if self._behind:
            self._note_change()

    def _note_change(self) -> None:
        """A pid changed. That the disk is full is no reason to lose hold of the process that has it."""
        try:
            self._write()
        except OSError:
            self._behind = True

    def _write(self) -> None:
        with self._lock:
            if self._published is None:
                return
            processes = {
                name: keeper.pid for name, keeper in self._keepers.items() if keeper.program.listed and keeper.pid
            }
            write_json(self._layout.stack_file, {**self._published, "processes": processes, "version": STACK_VERSION})
            self._behind = False


def end_leftovers(layout: Layout) -> list[int]:
    """End what an earlier supervisor of this stack left running when it was killed itself.

    Only to be called while holding the stack's lock: then no supervisor lives, so whatever bears the mark is orphaned.
    """
    prefix = f"{layout.var}:"
    postgres = layout.postgres
    found = procfs.end(
        lambda pid: (procfs.mark(pid) or "").startswith(prefix) or procfs.works_in(pid, postgres), grace=8
    )
    layout.stack_file.unlink(missing_ok=True)
    return found
