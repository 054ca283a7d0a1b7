"""How metrics leave a process: one page per role, summed over its processes.

Each process counts in files of its own in PROMETHEUS_MULTIPROC_DIR, and whoever is scraped adds the files up
(prometheus_client's multiprocess mode). The directory belongs to one role, which clears it when it starts.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import structlog
from billiard import current_process
from django.conf import settings
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

DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
MIN_FREE_BYTES = 64 * 1024 * 1024


def multiprocess_directory() -> Path | None:
    """Return the directory that the processes of this role share; None if this process counts in memory."""
    configured = os.environ.get(DIRECTORY_VARIABLE)
    return Path(configured) if configured else None


def prepare() -> None:
    """Make the directory and name this process's files. Call it after logging is set up, before any metric is made.

    On a file system that is nearly full the process counts in memory instead, and its page shows only its own numbers.
    """
    directory = multiprocess_directory()
    if directory is None:
        return
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < MIN_FREE_BYTES:
        # The files are sparse and mapped into memory: writing to one when no block is left is SIGBUS, which ends the
        # process. Metrics are not worth that.
        del os.environ[DIRECTORY_VARIABLE]
        values.ValueClass = values.MutexValue
        log.warning("metrics_in_memory", directory=str(directory), free_bytes=free)
        return
    directory.mkdir(parents=True, exist_ok=True)
    values.ValueClass = values.MultiProcessValue(process_identifier)


def process_identifier() -> str:
    """Return what names this process's files: a Celery child's slot in the pool, any other process's pid.

    Celery replaces its children every few minutes. By pid they would leave thousands of files a day, all read at each
    scrape; by slot, a new child goes on counting in the file of the one that it replaces.
    """
    slot = getattr(current_process(), "index", None)
    return str(os.getpid()) if slot is None else f"child{slot}"


def clear_directory() -> None:
    """Delete what an earlier run of this role counted: it would be added again. For the master, before it forks."""
    if directory := multiprocess_directory():
        for file in directory.glob("*.db"):
            if not file.stem.endswith(f"_{process_identifier()}"):
                file.unlink(missing_ok=True)


def mark_child_dead(identifier: str | int) -> None:
    """Drop the gauges of a child that ended, and keep what it counted."""
    if multiprocess_directory():
        mark_process_dead(identifier)


def registry(*collectors: Collector) -> CollectorRegistry:
    """Return all metrics of this role, and those of `collectors`."""
    combined = CollectorRegistry()
    if directory := multiprocess_directory():
        MultiProcessCollector(combined, path=str(directory))
    else:
        combined.register(REGISTRY)
    for collector in collectors:
        combined.register(collector)
    return combined


def start_server() -> None:
    """Serve the metrics on METRICS_PORT, in a thread, for a role without a web server; do nothing without a port."""
    if not settings.METRICS_PORT:
        return
    if not settings.PROMETHEUS_MULTIPROC_DIR:  # a gauge that this process never sets would be served as 0
        raise ImproperlyConfigured(f"METRICS_PORT needs {DIRECTORY_VARIABLE}: an empty directory of this role's own")
    start_http_server(settings.METRICS_PORT, addr=settings.METRICS_ADDRESS, registry=registry())
    log.info("metrics_ready", port=settings.METRICS_PORT)


def metrics_view(*collectors: Collector) -> Callable[[HttpRequest], HttpResponse]:
    """Return the view of /metrics for the roles with a web server."""

    def metrics(request: HttpRequest) -> HttpResponse:
        return HttpResponse(generate_latest(registry(*collectors)), content_type=CONTENT_TYPE_LATEST)

    return metrics
