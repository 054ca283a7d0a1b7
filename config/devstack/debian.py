"""Unpacks Debian's packages into the clone, without root.

Nothing of the machine changes: apt works on a state of its own, with the machine's sources and proxy settings but
none of its hooks, and dpkg only unpacks. What the packages need and the machine lacks comes along.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from config.devstack.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SYSTEM_ROOT = Path("/")
UNFINISHED = "unfinished-"
PROGRESS_STEP_PERCENT = 20

APT_CONF = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Install-Pkgs;
#clear DPkg::Post-Invoke;
Dir::State "{folder}/state";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "{folder}/cache";
Dir::Log "{folder}/log";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
APT::Sandbox::User "";
APT::Install-Recommends "false";
APT::Status-Fd "1";
Debug::NoLocking "true";
"""


@dataclass(frozen=True)
class DebianPackages:
    """The packages that hold a program, and what to do where they cannot be had."""

    name: str
    names: tuple[str, ...]
    megabytes: int
    remedy: str

    def unavailable(self, reason: str) -> StackError:
        """Return the error that names the reason and the remedy."""
        return StackError(f"no {self.name} here, and it cannot be fetched ({reason}): {self.remedy}")


def ensure_unpacked(
    packages: DebianPackages,
    folder: Path,
    *,
    is_usable: Callable[[Path], bool],
    finish: Callable[[Path], None],
    announce: Callable[[str], None],
) -> Path:
    """Return the folder in which these packages lie as Debian has them below /.

    They are fetched now if they are not there or are not usable any more: the machine they were unpacked for has
    changed. `finish` may still change what was unpacked, before it is moved to its place.
    """
    root = folder / "root"
    with _locked(folder, on_wait=lambda: announce(f"{packages.name}: another command is fetching it …")):
        if is_usable(root):
            return root
        for left in folder.glob(f"{UNFINISHED}*"):  # by a run that was killed
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=folder, ignore_cleanup_errors=True) as unfinished:
            fresh = Path(unfinished) / "root"
            _unpack(packages, _download(packages, Path(unfinished), announce), fresh, announce)
            finish(fresh)
            if not is_usable(fresh):
                raise packages.unavailable("Debian's packages were unpacked, but do not run on this machine")
            shutil.rmtree(root, ignore_errors=True)
            fresh.rename(root)
    return root


def library_path(root: Path) -> str:
    """Return the LD_LIBRARY_PATH of the shared libraries that were unpacked because the machine lacks them."""
    libraries = (file for lib in ("lib", "usr/lib") for file in root.glob(f"{lib}/*-linux-*/**/lib*.so*"))
    return ":".join(sorted({str(file.parent) for file in libraries}))


def succeeds(*command: str | Path, env: dict[str, str] | None = None) -> bool:
    """Return whether this command ends with exit code 0."""
    try:
        done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


@contextmanager
def _locked(folder: Path, *, on_wait: Callable[[], None]) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _download(packages: DebianPackages, folder: Path, announce: Callable[[str], None]) -> list[Path]:
    """Download these packages, and those they need that the machine lacks; return their files."""
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise packages.unavailable("this machine has no apt-get")
    for part in ("state/lists/partial", "cache/archives/partial", "log"):
        (folder / part).mkdir(parents=True)
    conf = folder / "apt.conf"
    conf.write_text(APT_CONF.format(folder=folder))
    announce(f"{packages.name}: fetching Debian's packages (about {packages.megabytes} MB, kept in {folder.parent}) …")
    # A source of the machine that cannot be reached is no reason to stop: ours may be among the others.
    _, unreachable = _apt(conf, "update", announce=lambda text: None)
    # Those named come even where the machine has them already, in whatever version.
    install = ("install", "--yes", "--download-only", "--reinstall", "--allow-downgrades", *packages.names)
    code, reasons = _apt(conf, *install, announce=lambda text: announce(f"{packages.name}: {text}"))
    if code:
        reasons = [*unreachable[:1], *reasons[:1]] or [f"exit code {code}"]
        raise packages.unavailable(f"apt-get says: {'; '.join(reasons)}")
    return sorted((folder / "cache/archives").glob("*.deb"))


def _apt(conf: Path, *arguments: str, announce: Callable[[str], None]) -> tuple[int, list[str]]:
    """Run apt-get on the private state; return its exit code and its error messages."""
    command = ["apt-get", "-c", str(conf), *arguments]
    env = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive", "TMPDIR": str(conf.parent)}
    errors = []
    steps = 0
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env
    ) as apt:
        try:
            for line in apt.stdout or ():
                kind, _, text = line.strip().partition(" ")
                if kind.startswith("dlstatus:"):
                    percent = int(float(kind.split(":")[2]))
                    if percent // PROGRESS_STEP_PERCENT > steps:
                        steps = percent // PROGRESS_STEP_PERCENT
                        announce(f"{steps * PROGRESS_STEP_PERCENT} % fetched")
                elif kind == "E:" or text.startswith("Failed to fetch"):
                    errors.append(text)
        except BaseException:  # also when asked to stop: a download nobody waits for would go on
            apt.kill()
            raise
    return apt.returncode, errors


def _unpack(packages: DebianPackages, archives: list[Path], fresh: Path, announce: Callable[[str], None]) -> None:
    announce(f"{packages.name}: unpacking {len(archives)} packages …")
    fresh.mkdir()
    for archive in archives:
        done = subprocess.run(["dpkg", "-x", archive, fresh], capture_output=True, text=True, check=False)
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"dpkg: exit code {done.returncode}"]
            raise packages.unavailable(next((line for line in lines if "No space left" in line), lines[-1]))
