"""Free TCP ports on 127.0.0.1, the same ones at each start where possible."""

from __future__ import annotations

import random
import socket
import time
from typing import TYPE_CHECKING

from config.devstack.errors import StackError
from config.devstack.paths import read_json, write_json

if TYPE_CHECKING:
    from pathlib import Path

HOST = "127.0.0.1"
# Below the range from which Linux takes the ports of outgoing connections, so none of those sits on ours.
CHOICE = range(20_000, 32_000)


def is_free(port: int) -> bool:
    """Whether a server could listen there now. Connections of an earlier server that only time out do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen()
        except OSError:
            return False
    return True


def is_open(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def wait_until_free(port: int, *, seconds: float) -> bool:
    """Wait for whoever leaves the port; False if it is still taken after that time."""
    deadline = time.monotonic() + seconds
    while not is_free(port):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


class Ports:
    """The ports of one stack, by name.

    Between choosing a port and listening on it seconds pass, in which a stack of another clone would find it free as
    well. A claim closes that gap: an abstract Unix socket named after the port, which is seen by the whole machine,
    writes nothing to disk and vanishes with us.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._remembered = read_json(file)
        self._claims: list[socket.socket] = []
        self._ports: dict[str, int] = {}

    def get(self, name: str, *, preferred: int | None = None) -> int:
        """The port of this name: the preferred one, the one of last time, or any that is free."""
        if name not in self._ports:
            candidates = [preferred, self._remembered.get(name), *random.sample(CHOICE, 200)]
            port = next((port for port in candidates if port and self._claim(port)), None)
            if port is None:
                raise StackError(
                    f"no port is free on {HOST}: stop what takes {CHOICE[0]} to {CHOICE[-1]}, or bring the loopback up"
                )
            self._keep(name, port)
        return self._ports[name]

    def pin(self, name: str, port: int) -> int:
        """This port and no other."""
        if not self._claim(port):
            raise StackError(f"port {port} is taken, or kept for root: choose another with PORT=")
        self._keep(name, port)
        return port

    def release(self) -> None:
        """Give all claims back."""
        while self._claims:
            self._claims.pop().close()

    def _claim(self, port: int) -> bool:
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0brokerage-port-{port}")
        except OSError:
            claim.close()
            return False
        if not is_free(port):
            claim.close()
            return False
        self._claims.append(claim)
        return True

    def _keep(self, name: str, port: int) -> None:
        self._ports[name] = port
        self._remembered[name] = port
        write_json(self._file, self._remembered)
