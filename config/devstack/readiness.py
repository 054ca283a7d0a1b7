"""When is a process ready? When it does what it is for, not when it has a pid."""

from __future__ import annotations

import http.client
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from config.devstack.errors import StackError
from config.devstack.process_specs import HOUSEKEEPING, PIPELINE_QUEUES
from config.devstack.rabbitmq import consumers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from config.devstack.process_monitor import Keeper
    from config.devstack.process_specs import WebAddresses
    from config.devstack.servers import Addresses

STEADY_SECONDS = 2.0


def checks(web: WebAddresses, servers: Addresses, keepers: Mapping[str, Keeper]) -> dict[str, Callable[[], bool]]:
    """What must be true of each process that runs in this stack."""

    def scraped(name: str) -> bool:
        return answers(web.metrics[name])

    wanted: dict[str, Callable[[], bool]] = {
        "web": lambda: answers(f"{web.web}/readyz"),
        "stream": lambda: answers(f"{web.stream}/livez"),
        "flower": lambda: answers(f"{web.flower}/"),
        "worker": lambda: all(consumers(servers.celery_broker, q) for q in PIPELINE_QUEUES) and scraped("worker"),
        "audit": lambda: consumers(servers.celery_broker, HOUSEKEEPING) > 0 and scraped("audit"),
        "reports": lambda: consumers(servers.exchange, "exchange.reports") > 0 and scraped("reports"),
        "simulator": lambda: consumers(servers.exchange, "exchange.orders") > 0,
        "dispatcher": lambda: keepers["dispatcher"].is_steady(STEADY_SECONDS) and scraped("dispatcher"),
        "beat": lambda: keepers["beat"].is_steady(STEADY_SECONDS),
    }
    return {name: check for name, check in wanted.items() if name in keepers}


def wait_until_ready(
    wanted: Mapping[str, Callable[[], bool]],
    keepers: Mapping[str, Keeper],
    *,
    seconds: float,
    say: Callable[[str], None],
) -> None:
    """Wait for every check; a process that keeps dying, or is not ready in time, is an error that shows its log."""
    waiting = dict(wanted)
    deadline = time.monotonic() + seconds
    next_word = time.monotonic() + 10
    while True:
        waiting = {name: check for name, check in waiting.items() if not check()}
        if not waiting:
            return
        for name in waiting:
            if why := keepers[name].why_it_fails():
                raise StackError(f"{name} does not start: {why}")
        if time.monotonic() > deadline:
            name = next(iter(waiting))
            raise StackError(f"{', '.join(waiting)} not up after {seconds:.0f} s; {name}: {keepers[name].last_words()}")
        if time.monotonic() > next_word:
            next_word += 10
            say(f"Still waiting for {', '.join(waiting)} …")
        time.sleep(0.2)


def answers(url: str) -> bool:
    """Whether a GET is answered with 200. Asks directly: a proxy of the environment has no business on loopback."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
