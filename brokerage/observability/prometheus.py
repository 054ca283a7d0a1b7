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
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

log = structlog.get_logger(__name__)

FIRST_BLOCKS = 1 << 16
MOST_AROUND_KEY = 40  # bytes of an entry beside its key: length, padding, value, time


def folder() -> Path | None:
    """Where the children of this role write their numbers; None in a process that keeps its own in memory."""
    named = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return Path(named) if named else None


def prepare() -> None:
    """Make the folder and name each writer's files. To be called before the first metric is made."""
    if shared := folder():
        shared.mkdir(parents=True, exist_ok=True)
        values.MmapedDict = NumberFile  # type: ignore[assignment, attr-defined]  # what the line below makes its files with
        values.ValueClass = values.MultiProcessValue(writer)


def writer() -> str:
    """Whose file it is: a Celery child's place in the pool, any other process's pid.

    Celery replaces its children every few minutes. The new one goes on counting in the file of the one whose place it
    took; by pid, thousands of files would be left behind in a day, and each scrape would read them all.
    """
    place = getattr(current_process(), "index", None)
    return str(os.getpid()) if place is None else f"child{place}"


class NumberFile:
    """A writer's file, with blocks on the disk for all that is mapped of it.

    The library maps files that are holes at first, and who writes into a hole while the disk is full is ended by
    SIGBUS. Here a number that finds no room stays with the metric, which writes it whole at each change: it is missing
    from the page until there is room again, and nothing else suffers.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._mapped: MmapedDict | None = None
        self._told = False

    def read_value(self, key: str) -> tuple[float, float]:
        mapped = self._with_room_for(key)
        return mapped.read_value(key) if mapped else (0.0, 0.0)

    def write_value(self, key: str, value: float, timestamp: float) -> None:
        if mapped := self._with_room_for(key):
            mapped.write_value(key, value, timestamp)

    def close(self) -> None:
        if self._mapped:
            self._mapped.close()

    def _with_room_for(self, key: str) -> MmapedDict | None:
        """The mapped file, with blocks for an entry of this key; None if there are none."""
        try:
            mapped = self._mapped = self._mapped or _opened(self._name)
            if key not in mapped._positions and mapped._used + len(key.encode()) + MOST_AROUND_KEY > mapped._capacity:
                _allocate(self._name, 2 * mapped._capacity)
        except OSError as error:
            if not self._told:
                self._told = True
                log.warning("metrics_find_no_room", file=self._name, error=str(error))
            return None
        return mapped


def _opened(name: str) -> MmapedDict:
    """Under its name there is a whole file or none: a reader would fail on an empty one."""
    if not os.path.exists(name):
        fresh = f"{name}.new"
        try:
            _allocate(fresh, FIRST_BLOCKS)
            os.rename(fresh, name)
        except OSError:
            Path(fresh).unlink(missing_ok=True)
            raise
    return MmapedDict(name)


def _allocate(name: str, size: int) -> None:
    """Have blocks for this many bytes of the file. Raises OSError when there are none left."""
    file = os.open(name, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        os.posix_fallocate(file, 0, size)
    finally:
        os.close(file)


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
