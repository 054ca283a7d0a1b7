"""The files of a stack: one folder (VAR) for each, nothing outside the clone."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from config.devstack.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]

# The stacks of these commands lie in the folder of `make up`.
NESTED_STACKS = ("demo", "test", "screenshots", "walk")
# What was unpacked from Debian's packages: one copy for every stack of this clone.
DOWNLOADS = {name: ROOT / "var" / name for name in ("rabbitmq-server", "promtool", "chromium")}
SECRET_NAMES = (
    "django_secret_key",
    "postgres_superuser",
    "postgres_owner",
    "postgres_runtime",
    "rabbitmq_celery",
    "rabbitmq_exchange",
    "erlang_cookie",
)


@dataclass(frozen=True)
class StackPaths:
    """The files of one stack."""

    var: Path

    @property
    def logs(self) -> Path:
        return self.var / "log"

    @property
    def stack_file(self) -> Path:
        return self.var / "stack.json"

    @property
    def secrets_file(self) -> Path:
        return self.var / "secrets.json"

    @property
    def ports_file(self) -> Path:
        return self.var / "ports.json"

    @property
    def postgres(self) -> Path:
        return self.var / "postgres"

    @property
    def rabbitmq(self) -> Path:
        return self.var / "rabbitmq"

    @property
    def metrics(self) -> Path:
        return self.var / "metrics"

    def wipe(self) -> None:
        """Remove everything of this stack but its lock, the downloads, and the stacks below it."""
        kept = {"lock", "setup.lock", *DOWNLOADS, *NESTED_STACKS}
        for path in self.var.iterdir():
            if path.name in kept:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold this stack alone; the kernel lets go of the lock however we end."""
        self.var.mkdir(parents=True, exist_ok=True)
        with (self.var / "lock").open("a+b", buffering=0) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                holder = lock.read().decode().strip() or "unknown"
                raise StackError(
                    f"a stack is running in {self.var} already (process {holder}): stop it first, or use another clone"
                ) from None
            lock.truncate(0)
            with suppress(OSError):  # a full disk, which `make clean` is there to cure
                lock.write(f"{os.getpid()}\n".encode())
            yield


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in this file; an empty one if there is none, or if a full disk cut it off."""
    try:
        content = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Replace the file atomically, so that a reader never sees half of it. Only its owner may read it."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(content, file, indent=2)
            file.write("\n")
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def load_secrets(path: Path) -> dict[str, str]:
    """Return the stack's random passwords, made on first use and kept."""
    kept = read_json(path)
    fresh = {name: secrets.token_urlsafe(36) for name in SECRET_NAMES if name not in kept}
    if fresh:
        kept |= fresh
        write_json(path, kept)
    return kept
