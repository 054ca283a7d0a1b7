import threading
from typing import Any

import structlog
from django.core.management.base import BaseCommand

from brokerage.observability import prometheus
from brokerage.process import on_stop
from trades.pipeline import dispatch_forever

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Turn requests that are due into Celery chains, until told to stop. Several copies share the work."

    def handle(self, **options: Any) -> None:
        stopping = threading.Event()
        on_stop(stopping.set)
        prometheus.clear_directory()
        prometheus.start_server()
        log.info("dispatcher_ready")
        dispatch_forever(stopping.is_set)
        log.info("dispatcher_stopped")
