"""gunicorn's settings for the roles `web` and `stream`."""

import os
from typing import Any

from prometheus_client import multiprocess

workers = int(os.environ.get("WEB_WORKERS", "2"))
if os.environ.get("GUNICORN_ROLE") != "stream":  # an event loop has no use for threads
    worker_class = "gthread"
    threads = int(os.environ.get("WEB_THREADS", "8"))
timeout = 30
graceful_timeout = 10
keepalive = 75
max_requests = 0
preload_app = False
control_socket_disable = True  # it would stand in the home directory
accesslog = None  # the application logs one line per thing that happened


def child_exit(server: Any, worker: Any) -> None:
    """Keep the counters of a worker that ended and drop its gauges."""
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        multiprocess.mark_process_dead(worker.pid)
