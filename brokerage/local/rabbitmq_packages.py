"""Finds a RabbitMQ to run: the machine's own, or Debian's packages unpacked into the clone without root.

Nothing of the machine changes: apt works on a state of its own, with the machine's sources and proxy settings but
none of its hooks, and dpkg only unpacks.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from brokerage.local.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Callable

MACHINE = Path("/")
ERLANG = "usr/lib/erlang"
# Named one by one so that they come even where the machine has some of them already, in whatever version.
PACKAGES = (
    "rabbitmq-server",
    *(
        f"erlang-{part}"
        for part in (
            *("base", "asn1", "crypto", "eldap", "ftp", "inets", "mnesia", "os-mon", "parsetools", "public-key"),
            *("runtime-tools", "snmp", "ssl", "syntax-tools", "tftp", "tools", "xmerl"),
        )
    ),
)
NO_RABBITMQ = (
    "no RabbitMQ here: install rabbitmq-server, or set CELERY_BROKER_URL to a running one, or use `docker compose up`"
)

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
Acquire::Retries "3";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
APT::Sandbox::User "";
APT::Install-Recommends "false";
Debug::NoLocking "true";
"""


@dataclass(frozen=True)
class Installation:
    """A RabbitMQ with its Erlang, below `base` as Debian lays it out below /."""

    base: Path
    home: Path

    @property
    def version(self) -> tuple[int, ...]:
        return tuple(int(number) for number in re.findall(r"\d+", self.home.name.removeprefix("rabbitmq_server-")))

    @property
    def erlang(self) -> Path:
        return self.base / ERLANG

    @property
    def epmd(self) -> Path:
        return next(self.erlang.glob("erts-*/bin/epmd"))

    @property
    def library_path(self) -> str:
        """Where the shared libraries lie that came along because the machine lacks them."""
        if self.base == MACHINE:
            return ""
        folders = sorted(
            {file.parent for lib in ("lib", "usr/lib") for file in self.base.glob(f"{lib}/*-linux-*/*.so*")}
        )
        return ":".join(str(folder) for folder in folders)


def installation(packages: Path, *, say: Callable[[str], None]) -> Installation:
    """The machine's RabbitMQ, or the one unpacked in this folder, which is fetched now if it is not there."""
    if found := _look(MACHINE):
        return found
    packages.mkdir(parents=True, exist_ok=True)
    with (packages / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = _look(packages / "root")
        if not found:
            _fetch(packages, say)
            found = _look(packages / "root")
    if not found:
        raise StackError(NO_RABBITMQ)
    return found


def _look(base: Path) -> Installation | None:
    homes = [server.parents[1] for server in base.glob("usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server")]
    if not homes or not (base / ERLANG / "bin" / "erl").exists():
        return None
    newest = max(homes, key=lambda home: [int(number) for number in re.findall(r"\d+", home.name)])
    return Installation(base, newest)


def _fetch(packages: Path, say: Callable[[str], None]) -> None:
    """Download the packages, unpack them beside their place, make them movable, and move them there."""
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise StackError(NO_RABBITMQ)
    apt, fresh = packages / "apt", packages / "root.new"
    for folder in (apt, fresh):
        shutil.rmtree(folder, ignore_errors=True)
    for folder in (apt / "state/lists/partial", apt / "cache/archives/partial", apt / "log", fresh):
        folder.mkdir(parents=True)
    conf = apt / "apt.conf"
    conf.write_text(APT_CONF.format(folder=apt))
    say("RabbitMQ: fetching Debian's packages (about 45 MB, kept in var/rabbitmq-server) …")
    # A source of the machine that cannot be reached is no reason to stop: ours may be among the others.
    _apt(conf, "update", say=None)
    _apt(conf, "install", "--yes", "--download-only", "--reinstall", "--allow-downgrades", *PACKAGES, say=say)
    archives = sorted((apt / "cache/archives").glob("*.deb"))
    say(f"RabbitMQ: unpacking {len(archives)} packages …")
    for archive in archives:
        subprocess.run(["dpkg", "-x", str(archive), str(fresh)], check=True, capture_output=True)
    _make_movable(fresh)
    fresh.rename(packages / "root")
    shutil.rmtree(apt)


def _apt(conf: Path, *arguments: str, say: Callable[[str], None] | None) -> None:
    """Run apt-get on the private state; `say` gets a line per package, and a failure is an error only with it."""
    command = ["apt-get", "-c", str(conf), *arguments]
    env = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env) as apt:
        lines = []
        for line in apt.stdout:
            lines.append(line)
            if say and line.startswith("Get:"):
                say(f"RabbitMQ: {line.split(' ', 1)[1].strip()}")
    if apt.returncode and say:
        reasons = [line.removeprefix("E: ").strip() for line in lines if line.startswith("E: ")]
        raise StackError(f"{NO_RABBITMQ} (apt-get said: {'; '.join(reasons[:2]) or apt.returncode})")


def _make_movable(base: Path) -> None:
    """Let Erlang's start scripts take its place from ERLANG_ROOT, so that any path will do and the clone may move."""
    erlang = base / ERLANG
    for script in (*erlang.glob("bin/*"), *erlang.glob("erts-*/bin/*")):
        if script.name in ("erl", "start"):
            content = script.resolve().read_text()
            script.write_text(content.replace(f"/{ERLANG}", '"$ERLANG_ROOT"'))
