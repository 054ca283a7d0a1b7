"""Finds a RabbitMQ to run: the machine's own, or Debian's packages unpacked into the clone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from config.devstack import debian
from config.devstack.debian import SYSTEM_ROOT, DebianPackages, ensure_unpacked, succeeds

if TYPE_CHECKING:
    from collections.abc import Callable

ERLANG = "usr/lib/erlang"
RABBITMQ = DebianPackages(
    name="RabbitMQ",
    names=(
        "rabbitmq-server",
        *(
            f"erlang-{part}"
            for part in (
                *("base", "asn1", "crypto", "eldap", "ftp", "inets", "mnesia", "os-mon", "parsetools", "public-key"),
                *("runtime-tools", "snmp", "ssl", "syntax-tools", "tftp", "tools", "xmerl"),
            )
        ),
    ),
    megabytes=45,
    remedy="install rabbitmq-server, or set CELERY_BROKER_URL to a running one, or use `docker compose up`",
)


@dataclass(frozen=True)
class Installation:
    """A RabbitMQ with its Erlang, below `base` as Debian has it below /."""

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
        """The folders of the shared libraries that were unpacked because the machine lacks them."""
        return "" if self.base == SYSTEM_ROOT else debian.library_path(self.base)


def find_installation(folder: Path, *, announce: Callable[[str], None]) -> Installation:
    """Return the machine's RabbitMQ, or the one unpacked in this folder, which is fetched now if it is not there."""
    found = _installed_in(SYSTEM_ROOT) or _installed_in(
        ensure_unpacked(RABBITMQ, folder, is_usable=_is_usable, finish=_make_relocatable, announce=announce)
    )
    if not found:
        raise RABBITMQ.unavailable("nor is it in Debian's packages")
    return found


def _installed_in(base: Path) -> Installation | None:
    homes = [server.parents[1] for server in base.glob("usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server")]
    if not homes or not (base / ERLANG / "bin" / "erl").exists():
        return None
    newest = max(homes, key=lambda home: [int(number) for number in re.findall(r"\d+", home.name)])
    return Installation(base, newest)


def _is_usable(base: Path) -> bool:
    """Return whether it is there, and its Erlang finds its libraries on this machine."""
    found = _installed_in(base)
    return found is not None and succeeds(
        found.erlang / "bin" / "erl",
        "+V",
        env={"ERLANG_ROOT": str(found.erlang), "LD_LIBRARY_PATH": found.library_path},
    )


def _make_relocatable(base: Path) -> None:
    """Have Erlang's start scripts read its folder from ERLANG_ROOT, so that any path will do and the clone may move."""
    erlang = base / ERLANG
    for script in (*erlang.glob("bin/*"), *erlang.glob("erts-*/bin/*")):
        if script.name in ("erl", "start"):
            content = script.resolve().read_text()
            script.write_text(content.replace(f"/{ERLANG}", '"$ERLANG_ROOT"'))
