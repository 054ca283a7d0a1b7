"""Finds free TCP ports on 127.0.0.1, the same ones at each start where possible."""

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
PORT_RANGE = range(20_000, 32_000)


def is_free(port: int) -> bool:
    """Return whether a server could listen there now. Connections of an earlier one that only time out do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen()
        except OSError:
            return False
    return True


def is_open(port: int) -> bool:
    """Return whether somebody listens there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def wait_until_free(port: int, *, timeout_s: float) -> bool:
    """Wait until nobody listens there; return False if somebody still does after that time."""
    deadline = time.monotonic() + timeout_s
    while not is_free(port):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


class Ports:
    """The ports of one stack, by name.

    Between choosing a port and listening on it seconds pass, in which a stack of another clone would find it free as
    well. A reservation closes that gap: an abstract Unix socket named after the port, which is seen by the whole
    machine, writes nothing to disk and vanishes with us.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._remembered = read_json(file)
        self._reservations: list[socket.socket] = []
        self._ports: dict[str, int] = {}

    def get(self, name: str, *, preferred: int | None = None) -> int:
        """Return the port of this name: the preferred one, the one of last time, or any that is free."""
        if name not in self._ports:
            candidates = [preferred, self._remembered.get(name), *random.sample(PORT_RANGE, 200)]
            port = next((port for port in candidates if port and self._reserve(port)), None)
            if port is None:
                first, last = PORT_RANGE[0], PORT_RANGE[-1]
                raise StackError(
                    f"no port is free on {HOST}: stop what takes {first} to {last}, or bring the loopback up"
                )
            self._remember(name, port)
        return self._ports[name]

    def pin(self, name: str, port: int) -> int:
        """Give this name this port and no other."""
        if not self._reserve(port):
            raise StackError(f"port {port} is taken, or kept for root: choose another with PORT=")
        self._remember(name, port)
        return port

    def release(self) -> None:
        """Let go of all reservations."""
        while self._reservations:
            self._reservations.pop().close()

    def _reserve(self, port: int) -> bool:
        reservation = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            reservation.bind(f"\0brokerage-port-{port}")
        except OSError:
            reservation.close()
            return False
        if not is_free(port):
            reservation.close()
            return False
        self._reservations.append(reservation)
        return True

    def _remember(self, name: str, port: int) -> None:
        self._ports[name] = port
        self._remembered[name] = port
        write_json(self._file, self._remembered)
