"""Waits until each process does what it is for, not only has a pid."""

from __future__ import annotations

import http.client
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from config.devstack.errors import StackError
from config.devstack.process_specs import HOUSEKEEPING, PIPELINE_QUEUES
from config.devstack.rabbitmq import count_consumers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from config.devstack.process_monitor import ProcessMonitor
    from config.devstack.process_specs import WebAddresses
    from config.devstack.servers import Addresses

STEADY_UPTIME_S = 2.0


def readiness_checks(
    web: WebAddresses, servers: Addresses, monitors: Mapping[str, ProcessMonitor]
) -> dict[str, Callable[[], bool]]:
    """Return the readiness check of each process that runs in this stack, by name."""

    def scraped(name: str) -> bool:
        return responds(web.metrics[name])

    all_checks: dict[str, Callable[[], bool]] = {
        "web": lambda: responds(f"{web.web}/readyz"),
        "stream": lambda: responds(f"{web.stream}/livez"),
        "flower": lambda: responds(f"{web.flower}/"),
        "worker": lambda: (
            all(count_consumers(servers.celery_broker, queue) for queue in PIPELINE_QUEUES) and scraped("worker")
        ),
        "audit": lambda: count_consumers(servers.celery_broker, HOUSEKEEPING) > 0 and scraped("audit"),
        "reports": lambda: count_consumers(servers.exchange, "exchange.reports") > 0 and scraped("reports"),
        "simulator": lambda: count_consumers(servers.exchange, "exchange.orders") > 0,
        "dispatcher": lambda: monitors["dispatcher"].is_steady(STEADY_UPTIME_S) and scraped("dispatcher"),
        "beat": lambda: monitors["beat"].is_steady(STEADY_UPTIME_S),
    }
    return {name: check for name, check in all_checks.items() if name in monitors}


def wait_until_ready(
    required: Mapping[str, Callable[[], bool]],
    monitors: Mapping[str, ProcessMonitor],
    *,
    timeout_s: float,
    announce: Callable[[str], None],
) -> None:
    """Wait for every check; a process that keeps dying, or is not ready in time, is an error that shows its log."""
    waiting = dict(required)
    deadline = time.monotonic() + timeout_s
    next_notice = time.monotonic() + 10
    while True:
        waiting = {name: check for name, check in waiting.items() if not check()}
        if not waiting:
            return
        for name in waiting:
            if failure := monitors[name].startup_failure():
                raise StackError(f"{name} does not start: {failure}")
        if time.monotonic() > deadline:
            name = next(iter(waiting))
            raise StackError(
                f"{', '.join(waiting)} not up after {timeout_s:.0f} s; {name}: {monitors[name].log_tail()}"
            )
        if time.monotonic() > next_notice:
            next_notice += 10
            announce(f"Still waiting for {', '.join(waiting)} …")
        time.sleep(0.2)


def responds(url: str) -> bool:
    """Return whether a GET is answered with 200. Connects directly: a proxy has no business on loopback."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
