from typing import Any

import structlog
from django.core.management.base import BaseCommand

from brokerage.observability import prometheus
from brokerage.process import on_stop
from trades.pipeline import report_consumer

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Apply the exchange's reports, until told to stop. Further copies stand by."

    def handle(self, **options: Any) -> None:
        consumer = report_consumer()
        on_stop(consumer.stop)
        prometheus.clear_directory()
        prometheus.start_server()
        log.info("reports_ready")
        consumer.run()
        log.info("reports_stopped")
