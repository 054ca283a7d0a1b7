"""Finds a RabbitMQ to run: the machine's own, or Debian's packages unpacked into the clone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from config.devstack import debian
from config.devstack.debian import MACHINE, Wanted, runs, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable

ERLANG = "usr/lib/erlang"
RABBITMQ = Wanted(
    name="RabbitMQ",
    packages=(
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
    cures="install rabbitmq-server, or set CELERY_BROKER_URL to a running one, or use `docker compose up`",
)


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
        return "" if self.base == MACHINE else debian.library_path(self.base)


def installation(packages: Path, *, say: Callable[[str], None]) -> Installation:
    """The machine's RabbitMQ, or the one unpacked in this folder, which is fetched now if it is not there."""
    found = _look(MACHINE) or _look(unpacked(RABBITMQ, packages, works=_works, finish=_make_movable, say=say))
    if not found:
        raise RABBITMQ.missing("nor is it in Debian's packages")
    return found


def _look(base: Path) -> Installation | None:
    homes = [server.parents[1] for server in base.glob("usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server")]
    if not homes or not (base / ERLANG / "bin" / "erl").exists():
        return None
    newest = max(homes, key=lambda home: [int(number) for number in re.findall(r"\d+", home.name)])
    return Installation(base, newest)


def _works(base: Path) -> bool:
    """Whether it is there, and its Erlang finds its libraries on this machine."""
    found = _look(base)
    return found is not None and runs(
        found.erlang / "bin" / "erl",
        "+V",
        env={"ERLANG_ROOT": str(found.erlang), "LD_LIBRARY_PATH": found.library_path},
    )


def _make_movable(base: Path) -> None:
    """Let Erlang's start scripts take its place from ERLANG_ROOT, so that any path will do and the clone may move."""
    erlang = base / ERLANG
    for script in (*erlang.glob("bin/*"), *erlang.glob("erts-*/bin/*")):
        if script.name in ("erl", "start"):
            content = script.resolve().read_text()
            script.write_text(content.replace(f"/{ERLANG}", '"$ERLANG_ROOT"'))
