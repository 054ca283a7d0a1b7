"""Numbers of many processes as one page. Each case is a process of its own: the library decides when it is imported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from brokerage.observability import prometheus
from config.devstack.paths import ROOT

BEGIN = """
import os, sys
from billiard import Process
from prometheus_client import generate_latest
from brokerage import exposition
exposition.prepare()
from brokerage import metrics

def fill(many):
    metrics.trades_filled.labels("BUY", "API").inc(many)

def child(many, place=None):
    process = Process(target=fill, args=(many,))
    if place is not None:
        process.index = place
    process.start()
    process.join()

def filled():
    page = generate_latest(exposition.registry()).decode()
    return [line.split()[-1] for line in page.splitlines() if line.startswith("brokerage_trades_filled_total{")]
"""


def run(folder: Path, script: str) -> str:
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)}
    command = [sys.executable, "-c", BEGIN + script]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_page_is_the_sum_over_the_children(tmp_path: Path) -> None:
    assert run(tmp_path / "made", "child(2); child(3); print(*filled())") == "5.0"


def test_a_child_that_replaces_another_goes_on_in_its_file(tmp_path: Path) -> None:
    assert run(tmp_path, "child(2, place=0); child(3, place=1); child(4, place=0); print(*filled())") == "9.0"
    assert {file.name for file in tmp_path.glob("counter_*")} == {"counter_child0.db", "counter_child1.db"}


def test_what_an_earlier_life_counted_is_not_counted_again(tmp_path: Path) -> None:
    run(tmp_path, "child(2, place=0); fill(1)")
    assert run(tmp_path, "exposition.forget_earlier_life(); child(3, place=0); print(*filled())") == "3.0"


class TestFullDisk:
    """A hole in a mapped file is SIGBUS for who writes into it, once the disk is full."""

    def test_finds_no_file_with_holes(self, tmp_path: Path) -> None:
        grow = "for n in range(2000): metrics.messages_quarantined.labels(f'code-{n}').inc()"
        run(tmp_path, f"fill(1); metrics.audit_discrepancies.labels('full').set(0)\n{grow}")
        files = {file.name.split("_")[0]: file.stat() for file in tmp_path.iterdir()}
        assert files.keys() == {"counter", "gauge"}
        assert files["counter"].st_size > prometheus.FIRST_BLOCKS
        assert all(file.st_blocks * 512 >= file.st_size for file in files.values())

    def test_costs_numbers_only_until_there_is_room(self, tmp_path: Path) -> None:
        full = """
import errno
allocate = os.posix_fallocate
def refuse(*_):
    raise OSError(errno.ENOSPC, "No space left on device")
os.posix_fallocate = refuse
fill(2)
assert filled() == [], filled()
assert not list(exposition.folder().glob("counter*"))
os.posix_fallocate = allocate
fill(3)
print(*filled())
"""
        assert run(tmp_path, full).split()[-1] == "5.0"

    def test_keeps_those_on_the_page_true_that_had_room(self, tmp_path: Path) -> None:
        full = """
fill(2)
os.posix_fallocate = lambda *_: os.open("/nowhere/to/be/found", os.O_RDONLY)
for n in range(2000):
    metrics.messages_quarantined.labels(f"code-{n}").inc()
fill(3)
print(*filled())
"""
        assert run(tmp_path, full).split()[-1] == "5.0"


def test_a_gauge_that_nobody_has_set_is_not_shown(tmp_path: Path) -> None:
    """Zero discrepancies would be a lie of every process that does not audit."""
    shown = run(tmp_path, "fill(1); print(generate_latest(exposition.registry()).decode())")
    assert "\nbrokerage_trades_filled_total{" in shown
    assert "\nbrokerage_audit" not in shown
    set_it = "metrics.audit_discrepancies.labels('full').set(0)"
    shown = run(tmp_path, f"{set_it}; print(generate_latest(exposition.registry()).decode())")
    assert '\nbrokerage_audit_discrepancies{scope="full"} 0.0' in shown


def test_a_role_that_shares_no_folder_serves_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    prometheus.serve("127.0.0.1", 0)
    with pytest.raises(ImproperlyConfigured, match="PROMETHEUS_MULTIPROC_DIR"):
        prometheus.serve("127.0.0.1", 9100)
