"""Runs a private RabbitMQ node below VAR."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets as random_secrets
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

import amqp

from config.devstack.errors import StackError
from config.devstack.ports import HOST
from config.devstack.process_spec import ProcessSpec, StopOrder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from config.devstack.paths import StackPaths
    from config.devstack.ports import Ports
    from config.devstack.rabbitmq_packages import Installation

# User and virtual host have the same name. The exchange link shares nothing with the tasks.
CELERY = "brokerage"
EXCHANGE = "exchange"

CONFIG = """\
listeners.tcp.local = {host}:{port}
heartbeat = 15
consumer_timeout = 900000
load_definitions = definitions.json
log.console.level = warning
log.console.use_colors = off
log.file.level = info
raft.wal_max_size_bytes = 67108864
"""
# The machine may have two cores: schedulers do not spin when idle, and are not bound to cores other nodes use too.
QUIET = "+sbwt none +sbwtdcpu none +sbwtdio none +stbt u +B i"


def url(name: str, password: str, port: int) -> str:
    """Return the broker URL of a user on the virtual host of the same name."""
    return f"amqp://{name}:{quote(password, safe='')}@{HOST}:{port}/{name}"


def hash_password(password: str, salt: bytes) -> str:
    """Hash as rabbit_password_hashing_sha256 does: the 4 bytes of salt, then SHA-256 over salt and password."""
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def definitions(passwords: Mapping[str, str], version: tuple[int, ...]) -> dict[str, Any]:
    """Return users, virtual hosts and rights, to be loaded at each start. As there are some, no `guest` is made."""
    users = [
        {
            "name": name,
            "password_hash": hash_password(password, random_secrets.token_bytes(4)),
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": [],
        }
        for name, password in passwords.items()
    ]
    rights = [{"user": name, "vhost": name, "configure": ".*", "write": ".*", "read": ".*"} for name in passwords]
    # From 4.0 a quorum queue drops a message after 20 deliveries, unless a policy lifts the limit.
    # Older servers have no limit, and refuse such a policy.
    policies = [
        {
            "vhost": EXCHANGE,
            "name": "never-drop",
            "pattern": r"^exchange\.",
            "apply-to": "queues",
            "definition": {"delivery-limit": -1},
            "priority": 0,
        }
    ]
    return {
        "users": users,
        "vhosts": [{"name": name} for name in passwords],
        "permissions": rights,
        "policies": policies if version >= (4,) else [],
    }


def process_specs(
    paths: StackPaths, ports: Ports, secrets: Mapping[str, str], installation: Installation
) -> tuple[ProcessSpec, ProcessSpec]:
    """Return how to run Erlang's port mapper, ours so that none stays behind, and the node itself."""
    folder = paths.rabbitmq
    port, epmd_port = ports.get("rabbitmq"), ports.get("epmd")
    _write_files(folder, port, secrets, installation)
    # RabbitMQ does not quote these two, neither in its scripts nor to `df`: relative to its folder, they have no space.
    relative = {"RABBITMQ_SCRIPTS_DIR": "server/sbin", "RABBITMQ_MNESIA_BASE": "/proc/self/cwd/data"}
    env = {
        **relative,
        "PATH": f"{installation.erlang / 'bin'}:{os.environ.get('PATH', os.defpath)}",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "ERLANG_ROOT": str(installation.erlang),
        "ERL_EPMD_PORT": str(epmd_port),
        "ERL_EPMD_ADDRESS": HOST,
        "ERL_CRASH_DUMP": str(folder / "erl_crash.dump"),
        "RABBITMQ_NODENAME": "brokerage@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": HOST,
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(ports.get("erlang")),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{QUIET} -kernel inet_dist_use_interface {{127,0,0,1}}",
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "config"),
        # Have the script become the Erlang machine instead of watching over it: we do that.
        "RUNNING_UNDER_SYSTEMD": "true",
    }
    if installation.library_path:
        env["LD_LIBRARY_PATH"] = installation.library_path
    epmd = ProcessSpec(
        name="epmd",
        command=[str(installation.epmd), "-address", HOST, "-port", str(epmd_port)],
        env=env,
        cwd=folder,
        port=epmd_port,
        stop_order=StopOrder.PORT_MAPPER,
        listed=False,
        echo=False,
    )
    node = ProcessSpec(
        name="rabbitmq",
        command=["server/sbin/rabbitmq-server"],
        env=env,
        cwd=folder,
        port=port,
        stop_order=StopOrder.SERVERS,
        repeats_stop_signal=True,  # the node forgets one that comes early in its start, and would run on
        stop_timeout_s=30,
        echo=False,
    )
    return epmd, node


def _write_files(folder: Path, port: int, secrets: Mapping[str, str], installation: Installation) -> None:
    for part in ("data", "log", "config"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    passwords = {CELERY: secrets["rabbitmq_celery"], EXCHANGE: secrets["rabbitmq_exchange"]}
    definitions_file = folder / "definitions.json"
    definitions_file.write_text(json.dumps(definitions(passwords, installation.version), indent=2))
    definitions_file.chmod(0o600)
    (folder / "rabbitmq.conf").write_text(CONFIG.format(host=HOST, port=port))
    (folder / "rabbitmq-env.conf").write_text("")
    (folder / "enabled_plugins").write_text("[].\n")
    server = folder / "server"
    server.unlink(missing_ok=True)
    server.symlink_to(installation.home)
    cookie = folder / ".erlang.cookie"
    cookie.unlink(missing_ok=True)
    cookie.touch(mode=0o600)
    cookie.write_text(secrets["erlang_cookie"].replace("-", "x").replace("_", "y"))
    cookie.chmod(0o400)


def connect(broker_url: str) -> amqp.Connection:
    """Open an AMQP connection, to be closed by the caller."""
    parts = urlsplit(broker_url)
    connection = amqp.Connection(
        host=f"{parts.hostname}:{parts.port or 5672}",
        userid=unquote(parts.username or "guest"),
        password=unquote(parts.password or "guest"),
        virtual_host=unquote(parts.path[1:]) or "/",
        connect_timeout=3,
        read_timeout=5,
        write_timeout=5,
    )
    try:
        connection.connect()
    except BaseException:
        connection.collect()
        raise
    return connection


def count_consumers(broker_url: str, queue: str) -> int:
    """Return how many consumers this queue has; 0 if there is no such queue or no broker."""
    try:
        with connect(broker_url) as connection:
            declared = connection.channel().queue_declare(queue, passive=True)
            return declared[2] if declared else 0
    except (OSError, amqp.AMQPError):
        return 0


def wait_for_server(broker_url: str, *, timeout_s: float, failure: Callable[[], str | None]) -> None:
    """Wait until a client can log in; `failure` returns why that will never be, if it knows."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            connect(broker_url).close()
        except (OSError, amqp.AMQPError) as error:
            reason = failure()
            if reason is None and time.monotonic() > deadline:
                reason = str(error) or type(error).__name__
            if reason is not None:
                raise StackError(f"RabbitMQ did not start: {reason}") from error
            time.sleep(0.2)
        else:
            return
