"""How metrics leave a process: one page per role, true across its children.

Each child adds to files of its own in PROMETHEUS_MULTIPROC_DIR; whoever is asked adds the files up. The folder belongs
to one role and to one life of it: what an earlier life left would be counted again.
"""

import os
from collections.abc import Callable
from pathlib import Path

import structlog
from billiard import current_process
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    generate_latest,
    start_http_server,
    values,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

log = structlog.get_logger(__name__)


def folder() -> Path | None:
    """Where the children of this role write their numbers; None in a process that keeps its own in memory."""
    named = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return Path(named) if named else None


def prepare() -> None:
    """Make the folder and name each writer's files. To be called before the first metric is made."""
    if shared := folder():
        shared.mkdir(parents=True, exist_ok=True)
        values.ValueClass = values.MultiProcessValue(writer)


def writer() -> str:
    """Whose file it is: a Celery child's place in the pool, any other process's pid.

    Celery replaces its children every few minutes. The new one goes on counting in the file of the one whose place it
    took; by pid, thousands of files would be left behind in a day, and each scrape would read them all.
    """
    place = getattr(current_process(), "index", None)
    return str(os.getpid()) if place is None else f"child{place}"


def forget_earlier_life() -> None:
    """Remove what another life of this role left. For its master, before it has children."""
    if shared := folder():
        for file in shared.glob("*.db"):
            if not file.stem.endswith(f"_{writer()}"):
                file.unlink(missing_ok=True)


def forget_child(name: str | int) -> None:
    """Drop the gauges that only a living child may have, and keep what it counted."""
    if folder():
        mark_process_dead(name)


def registry(*collectors: Collector) -> CollectorRegistry:
    """All numbers of this role, and those of `collectors`."""
    whole = CollectorRegistry()
    if shared := folder():
        MultiProcessCollector(whole, path=str(shared))
    else:
        whole.register(REGISTRY)
    for collector in collectors:
        whole.register(collector)
    return whole


def serve(address: str, port: int | None) -> None:
    """Answer scrapes on a port of its own, in a thread; nothing without a port. For a role that has no web server."""
    if port and not folder():  # numbers in memory are this process's own, and a gauge nobody has set would be 0
        raise ImproperlyConfigured("METRICS_PORT needs PROMETHEUS_MULTIPROC_DIR: an empty folder of this role's own")
    if port:
        start_http_server(port, addr=address, registry=registry())
        log.info("metrics_ready", port=port)


def page(*collectors: Collector) -> Callable[[HttpRequest], HttpResponse]:
    """The view of /metrics for the roles with a web server."""

    def metrics(request: HttpRequest) -> HttpResponse:
        return HttpResponse(generate_latest(registry(*collectors)), content_type=CONTENT_TYPE_LATEST)

    return metrics
