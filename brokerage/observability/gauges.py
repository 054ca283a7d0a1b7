"""Figures read from the database when Prometheus asks: at most every few seconds, and never waited for long."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, wait

import structlog
from django.db import connection
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from brokerage.observability.metrics import DATABASE_UP, STANDING

log = structlog.get_logger(__name__)

KEEP = 3.0
"""Seconds that figures once read are good for."""

PATIENCE = 2.0
"""Seconds a scrape waits for them. Prometheus gives up on the whole page after ten."""

Figures = Mapping[str, float]


class Standing(Collector):
    """Gauges of how things stand. A database that is away or frozen costs these figures and nothing else.

    They are read in a thread: a frozen server keeps its connection open and never answers, and no timeout of its own
    runs. While one reading hangs no second one is begun.
    """

    def __init__(self, read: Callable[[], Figures]) -> None:
        """`read` returns a figure for each name in `STANDING` but the first, or raises."""
        self._read = read
        self._lock = threading.Lock()
        self._reading: Future[Figures | None] | None = None
        self._begun = 0.0

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing is read only to learn the names."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        figures = self._figures()
        yield _gauge(DATABASE_UP, 0 if figures is None else 1)
        for name, figure in (figures or {}).items():
            yield _gauge(name, figure)

    def _figures(self) -> Figures | None:
        """The figures; None if the database is away or did not answer in time."""
        with self._lock:
            reading = self._reading
            if reading is None or (reading.done() and time.monotonic() - self._begun > KEEP):
                reading, self._begun = _in_thread(self._read_once), time.monotonic()
                self._reading = reading
        wait([reading], timeout=PATIENCE)
        return reading.result() if reading.done() else None

    def _read_once(self) -> Figures | None:
        try:
            return self._read()
        except Exception as error:  # whatever it is, the other metrics are not to suffer for it
            log.warning("database_not_read", error=str(error).strip())
            return None
        finally:
            connection.close()


def _in_thread(work: Callable[[], Figures | None]) -> Future[Figures | None]:
    """Begin `work` in a thread that nobody waits for at the end of the process."""
    future: Future[Figures | None] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="standing", daemon=True).start()
    return future


def _gauge(name: str, figure: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, STANDING[name], value=figure)
