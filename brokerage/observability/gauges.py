"""Gauges that are read from the database at each scrape: cached for seconds, and never waited for long."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, wait

import structlog
from django.db import connection
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from brokerage.observability.metrics import DATABASE_GAUGES, DATABASE_UP

log = structlog.get_logger(__name__)

CACHE_S = 3.0
"""How long values that were read are served again."""

SCRAPE_TIMEOUT_S = 2.0
"""How long a scrape waits for the database. Prometheus gives up on the whole page after ten seconds."""

GaugeValues = Mapping[str, float]
"""The value of each gauge by its name."""


class DatabaseGauges(Collector):
    """Export gauges read from the database. One that is down or frozen costs these gauges and nothing else.

    They are read in a thread: a frozen server keeps its connection open and never answers, and no timeout of its own
    runs. While one read hangs, no second one is started.
    """

    def __init__(self, read: Callable[[], GaugeValues]) -> None:
        """`read` returns a value for each name in `DATABASE_GAUGES` but `DATABASE_UP`, or raises."""
        self._read = read
        self._lock = threading.Lock()
        self._latest: Future[GaugeValues | None] | None = None
        self._started_at = 0.0

    def describe(self) -> list[GaugeMetricFamily]:
        """Return nothing, so that registering this collector does not read the database."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        gauge_values = self._values()
        yield _gauge(DATABASE_UP, 0 if gauge_values is None else 1)
        for name, value in (gauge_values or {}).items():
            yield _gauge(name, value)

    def _values(self) -> GaugeValues | None:
        """Return the values; None if the database is down or does not answer in time."""
        with self._lock:
            latest = self._latest
            if latest is None or (latest.done() and time.monotonic() - self._started_at > CACHE_S):
                latest, self._started_at = _in_thread(self._read_or_none), time.monotonic()
                self._latest = latest
        wait([latest], timeout=SCRAPE_TIMEOUT_S)
        return latest.result() if latest.done() else None

    def _read_or_none(self) -> GaugeValues | None:
        try:
            return self._read()
        except Exception as error:  # whatever it is, the other metrics must still be served
            log.warning("database_gauges_failed", error=str(error).strip())
            return None
        finally:
            connection.close()


def _in_thread(work: Callable[[], GaugeValues | None]) -> Future[GaugeValues | None]:
    """Run `work` in a daemon thread, so that a frozen read does not keep the process from ending."""
    future: Future[GaugeValues | None] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="database-gauges", daemon=True).start()
    return future


def _gauge(name: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, DATABASE_GAUGES[name], value=value)
