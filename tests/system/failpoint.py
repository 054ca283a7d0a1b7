"""Holds one worker between the broker's confirm and the noting of SENT: from outside, the product knows nothing of it.

A stack that is started with the settings `tests.system.failpoint_settings` has this app beside its own. The test and
the worker talk by renaming one file in the stack's folder: who renames it first is held, and nobody else.
"""

import os
import time
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings


class Failpoint:
    """The two sides of it, as `var`, the stack's folder, shows them to each other."""

    def __init__(self, var: Path) -> None:
        self._armed, self._held, self._released = (
            var / f"failpoint-{state}" for state in ("armed", "held", "released")
        )

    # --- the test's ---

    def arm(self) -> None:
        """Hold the next worker that comes here."""
        self._armed.touch()

    def holds(self) -> int | None:
        """The pid of the process that is held."""
        return int(self._held.read_text() or 0) if self._held.exists() else None

    def release(self) -> None:
        """Let it go on."""
        self._held.rename(self._released)

    def is_over(self) -> bool:
        """Whether the released process has done what it was kept from."""
        return not self._released.exists()

    def forget(self) -> None:
        """Whoever was held is dead."""
        self._held.unlink()

    # --- the worker's ---

    def come_by(self) -> None:
        """Wait here, if it is armed and nobody else took it."""
        try:
            self._armed.rename(self._held)
        except FileNotFoundError:
            return
        self._held.write_text(str(os.getpid()))
        while self._held.exists():
            time.sleep(0.01)

    def leave(self) -> None:
        self._released.unlink(missing_ok=True)


class FailpointConfig(AppConfig):
    name = "tests.system.failpoint"

    def ready(self) -> None:
        from trades.steps import send  # noqa: PLC0415  (models are not there before)

        failpoint, note_sent = Failpoint(settings.VAR_DIR), send.note_sent

        def note_sent_later(*args: Any, **named: Any) -> None:
            failpoint.come_by()
            note_sent(*args, **named)
            failpoint.leave()

        send.note_sent = note_sent_later
