"""gunicorn's settings for the roles `web` and `stream`."""

import os
from typing import Any

from brokerage.observability import logging, prometheus

workers = int(os.environ.get("WEB_WORKERS", "2"))
if os.environ.get("GUNICORN_ROLE") != "stream":  # an event loop has no use for threads
    worker_class = "gthread"
    threads = int(os.environ.get("WEB_THREADS", "8"))
timeout = 30
graceful_timeout = 10
keepalive = 75
max_requests = 0
preload_app = False
control_socket_disable = True  # it would be made in the home directory
accesslog = None  # the application logs one line per event
logconfig_dict = logging.configuration(
    json=os.environ.get("ENVIRONMENT") == "production", level=os.environ.get("LOG_LEVEL", "INFO")
)


def on_starting(server: Any) -> None:
    """Delete what an earlier run counted: it would be added again."""
    prometheus.clear_directory()


def child_exit(server: Any, worker: Any) -> None:
    """Drop the gauges of a worker that ended, and keep what it counted."""
    prometheus.mark_child_dead(worker.pid)
