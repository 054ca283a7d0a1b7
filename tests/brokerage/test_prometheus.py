"""One page of metrics for many processes. Each case is a process of its own: the library decides when imported."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from brokerage.observability import prometheus
from config.devstack.paths import ROOT

START = """
import os, shutil, sys
from types import SimpleNamespace
from billiard import Process
from prometheus_client import generate_latest
from brokerage.observability import prometheus
{before}
prometheus.prepare()
from brokerage.observability import metrics

def fill(count):
    metrics.trades_filled.labels("BUY", "API").inc(count)

def fill_in_child(count, slot=None):
    process = Process(target=fill, args=(count,))
    if slot is not None:
        process.index = slot
    process.start()
    process.join()

def filled():
    page = generate_latest(prometheus.registry()).decode()
    return [line.split()[-1] for line in page.splitlines() if line.startswith("brokerage_trades_filled_total{{")]
"""
DISK_IS_FULL = "shutil.disk_usage = lambda path: SimpleNamespace(free=prometheus.MIN_FREE_BYTES - 1)"


def run(directory: Path, script: str, *, before: str = "") -> str:
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(directory)}
    command = [sys.executable, "-c", START.format(before=before) + script]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_page_is_the_sum_over_the_children(tmp_path: Path) -> None:
    assert run(tmp_path / "made", "fill_in_child(2); fill_in_child(3); print(*filled())") == "5.0"


def test_a_child_goes_on_counting_in_the_file_of_the_one_it_replaces(tmp_path: Path) -> None:
    children = "fill_in_child(2, slot=0); fill_in_child(3, slot=1); fill_in_child(4, slot=0)"
    assert run(tmp_path, f"{children}; print(*filled())") == "9.0"
    assert {file.name for file in tmp_path.glob("counter_*")} == {"counter_child0.db", "counter_child1.db"}


def test_what_an_earlier_run_counted_is_not_counted_again(tmp_path: Path) -> None:
    run(tmp_path, "fill_in_child(2, slot=0); fill(1)")
    assert run(tmp_path, "prometheus.clear_directory(); fill_in_child(3, slot=0); print(*filled())") == "3.0"


class TestNearlyFullDisk:
    """The files are sparse: who writes to one when the disk has no block left is ended by SIGBUS."""

    def test_lets_the_process_count_in_memory_with_one_warning(self, tmp_path: Path) -> None:
        directory = tmp_path / "metrics"
        output = run(directory, "fill(2); fill(3); print(*filled())", before=DISK_IS_FULL).splitlines()
        assert output[-1] == "5.0"
        assert [line for line in output[:-1] if "metrics_in_memory" in line] == output[:-1]
        assert len(output) == 2
        assert not directory.exists()

    def test_shows_of_each_process_its_own_numbers_only(self, tmp_path: Path) -> None:
        script = "fill(1); fill_in_child(2, slot=0); prometheus.mark_child_dead('child0'); print(*filled())"
        assert run(tmp_path, script, before=DISK_IS_FULL).splitlines()[-1] == "1.0"


def test_a_gauge_that_nobody_has_set_is_not_on_the_page(tmp_path: Path) -> None:
    """Zero discrepancies would be a lie of every process that does not audit."""
    page = "print(generate_latest(prometheus.registry()).decode())"
    unset = run(tmp_path, f"fill(1); {page}")
    assert "\nbrokerage_trades_filled_total{" in unset
    assert "\nbrokerage_audit" not in unset
    found_none = "metrics.audit_discrepancies.labels('full').set(0)"
    assert '\nbrokerage_audit_discrepancies{scope="full"} 0.0' in run(tmp_path, f"{found_none}; {page}")


def test_a_port_needs_a_directory(settings: Any) -> None:
    settings.METRICS_PORT, settings.PROMETHEUS_MULTIPROC_DIR = 0, ""
    prometheus.start_server()
    settings.METRICS_PORT = 9100
    with pytest.raises(ImproperlyConfigured, match="PROMETHEUS_MULTIPROC_DIR"):
        prometheus.start_server()
