"""Programs from Debian's packages, unpacked into the clone without root.

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

MACHINE = Path("/")
UNFINISHED = "unfinished-"
PROGRESS_STEP = 20

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
class Wanted:
    """Packages that hold a program, and what else helps where they cannot be had."""

    name: str
    packages: tuple[str, ...]
    megabytes: int
    cures: str

    def missing(self, why: str) -> StackError:
        """The error that says so."""
        return StackError(f"no {self.name} here, and it cannot be fetched ({why}): {self.cures}")


def unpacked(
    wanted: Wanted,
    folder: Path,
    *,
    works: Callable[[Path], bool],
    finish: Callable[[Path], None],
    say: Callable[[str], None],
) -> Path:
    """The tree of these packages in this folder, laid out as Debian does below /.

    It is fetched now if there is none, or if the one there does not work: the machine it was made for has changed.
    `finish` may still change what was unpacked, before it is moved to its place.
    """
    root = folder / "root"
    with _locked(folder, waiting=lambda: say(f"{wanted.name}: another command is fetching it …")):
        if works(root):
            return root
        for left in folder.glob(f"{UNFINISHED}*"):  # by a run that was killed
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=folder, ignore_cleanup_errors=True) as unfinished:
            fresh = Path(unfinished) / "root"
            _unpack(wanted, _download(wanted, Path(unfinished), say), fresh, say)
            finish(fresh)
            if not works(fresh):
                raise wanted.missing("Debian's packages were unpacked, but do not run on this machine")
            shutil.rmtree(root, ignore_errors=True)
            fresh.rename(root)
    return root


def library_path(root: Path) -> str:
    """Where the shared libraries lie that came along because the machine lacks them."""
    libraries = (file for lib in ("lib", "usr/lib") for file in root.glob(f"{lib}/*-linux-*/**/lib*.so*"))
    return ":".join(sorted({str(file.parent) for file in libraries}))


def runs(*command: str | Path, env: dict[str, str] | None = None) -> bool:
    """Whether this command ends well."""
    try:
        done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


@contextmanager
def _locked(folder: Path, *, waiting: Callable[[], None]) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _download(wanted: Wanted, folder: Path, say: Callable[[str], None]) -> list[Path]:
    """The packages and those they need that the machine lacks."""
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise wanted.missing("this machine has no apt-get")
    for part in ("state/lists/partial", "cache/archives/partial", "log"):
        (folder / part).mkdir(parents=True)
    conf = folder / "apt.conf"
    conf.write_text(APT_CONF.format(folder=folder))
    say(f"{wanted.name}: fetching Debian's packages (about {wanted.megabytes} MB, kept in {folder.parent}) …")
    # A source of the machine that cannot be reached is no reason to stop: ours may be among the others.
    _, unreachable = _apt(conf, "update", say=lambda text: None)
    # Those named come even where the machine has them already, in whatever version.
    install = ("install", "--yes", "--download-only", "--reinstall", "--allow-downgrades", *wanted.packages)
    code, reasons = _apt(conf, *install, say=lambda text: say(f"{wanted.name}: {text}"))
    if code:
        reasons = [*unreachable[:1], *reasons[:1]] or [f"exit code {code}"]
        raise wanted.missing(f"apt-get says: {'; '.join(reasons)}")
    return sorted((folder / "cache/archives").glob("*.deb"))


def _apt(conf: Path, *arguments: str, say: Callable[[str], None]) -> tuple[int, list[str]]:
    """Run apt-get on the private state; returns its exit code and what it complained about."""
    command = ["apt-get", "-c", str(conf), *arguments]
    env = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive", "TMPDIR": str(conf.parent)}
    complaints = []
    told = 0
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env
    ) as apt:
        try:
            for line in apt.stdout or ():
                kind, _, text = line.strip().partition(" ")
                if kind.startswith("dlstatus:"):
                    percent = int(float(kind.split(":")[2]))
                    if percent // PROGRESS_STEP > told:
                        told = percent // PROGRESS_STEP
                        say(f"{told * PROGRESS_STEP} % fetched")
                elif kind == "E:" or text.startswith("Failed to fetch"):
                    complaints.append(text)
        except BaseException:  # also when told to stop: a download nobody waits for would go on
            apt.kill()
            raise
    return apt.returncode, complaints


def _unpack(wanted: Wanted, archives: list[Path], fresh: Path, say: Callable[[str], None]) -> None:
    say(f"{wanted.name}: unpacking {len(archives)} packages …")
    fresh.mkdir()
    for archive in archives:
        done = subprocess.run(["dpkg", "-x", archive, fresh], capture_output=True, text=True, check=False)
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"dpkg: exit code {done.returncode}"]
            raise wanted.missing(next((line for line in lines if "No space left" in line), lines[-1]))
