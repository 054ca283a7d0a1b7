"""Keeps a migrated and seeded PostgreSQL cluster for the stacks of tests: copying it is quicker than making another.

It is made anew when any code of ours or a locked requirement changed.
"""

import fcntl
import hashlib
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from config.devstack.paths import ROOT, StackPaths

PREPARED = StackPaths(ROOT / "var" / "test" / "prepared")
DIGEST_FILE = PREPARED.var.with_name("prepared.sha256")
LOCK_FILE = PREPARED.var.with_name("prepared.lock")
PACKAGES = ("brokerage", "config", "exchange", "holdings", "trades", "wallets")
PREPARE = """
import sys
from pathlib import Path
from config.devstack.stack import Stack

with Stack.running(Path(sys.argv[1]), fresh=True) as stack:
    stack.servers.start_postgres(throwaway=True)
    stack.servers.wait_for_postgres()
    stack.prepare_database()
"""


def copy_prepared_cluster(var: Path, *, env: Mapping[str, str]) -> None:
    """Put a cluster, and the passwords that open it, into the folder of a stack that has not been started yet."""
    paths = StackPaths(var)
    paths.var.mkdir(parents=True, exist_ok=True)
    LOCK_FILE.parent.mkdir(parents=True, exist_ok=True)
    with LOCK_FILE.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests may run in several processes
        _prepare(env)
        # `cp` keeps the owner: root's PostgreSQL runs as somebody else.
        subprocess.run(["cp", "-a", PREPARED.postgres, PREPARED.secrets_file, paths.var], check=True)


def _prepare(env: Mapping[str, str]) -> None:
    digest = _digest()
    if DIGEST_FILE.exists() and DIGEST_FILE.read_text() == digest:
        return
    DIGEST_FILE.unlink(missing_ok=True)
    command = [sys.executable, "-c", PREPARE, str(PREPARED.var)]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    DIGEST_FILE.write_text(digest)


def _digest() -> str:
    """Return a digest of whatever may change what migrating and seeding make."""
    sources = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    digest = hashlib.sha256()
    for path in (*sources, ROOT / "requirements.txt"):
        digest.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return digest.hexdigest()
