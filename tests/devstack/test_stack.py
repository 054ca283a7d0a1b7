"""The whole stack, really started: in a folder of its own, with a space in its path."""

import http.client
import os
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest

from config.devstack.paths import ROOT
from config.devstack.process_table import belongs_to_stack, find_processes
from config.devstack.readiness import responds
from tests.running import RunningStack

NAMES = {
    *("web", "stream", "dispatcher", "worker", "reports", "beat", "audit", "flower", "simulator"),
    *("postgres", "rabbitmq"),
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    stack = RunningStack(tmp_path_factory.mktemp("with a space") / "var", is_fresh=True, AUDIT_INTERVAL_S="2")
    try:
        stack.wait_until_ready()
        yield stack
    finally:
        stack.stop()


def test_stack_json_has_every_address(stack):
    described = stack.description
    urls = (
        "web_url",
        "stream_url",
        "flower_url",
        "database_url",
        "database_owner_url",
        "celery_broker_url",
        "exchange_url",
    )
    assert all(described[name] for name in urls)
    assert responds(f"{described['web_url']}/readyz")
    assert responds(f"{described['stream_url']}/livez")
    assert described["processes"].keys() == NAMES
    assert described["metrics_urls"].keys() == {"web", "stream", "worker", "audit", "dispatcher", "reports"}
    assert all(responds(url) for url in described["metrics_urls"].values())


def test_flower_sees_the_worker(stack):
    """It inspects the workers from several threads at once, each with two connections of the pool."""
    deadline = time.monotonic() + 20
    while "flower_worker_online{" not in (seen := read(f"{stack.description['flower_url']}/metrics")):
        assert time.monotonic() < deadline, seen
        time.sleep(0.5)


def test_the_books_are_audited_by_the_process_for_it(stack):
    log = stack.var / "log" / "audit.log"
    deadline = time.monotonic() + 30
    while log.read_text().count("audit_done") < 2:
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)
    assert "scope=INCREMENTAL" in log.read_text()
    assert "audit_done" not in (stack.var / "log" / "worker.log").read_text()
    page = read(stack.description["metrics_urls"]["audit"])
    assert {
        'brokerage_audit_discrepancies{scope="full"} 0.0',
        'brokerage_audit_discrepancies{scope="incremental"} 0.0',
    } <= {*page.splitlines()}


def read(url: str) -> str:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=5)
    connection.request("GET", address.path)
    return connection.getresponse().read().decode()


@pytest.mark.parametrize(("name", "command"), [("rabbitmq", "beam.smp"), ("postgres", "postgres"), ("web", "python")])
def test_its_pids_are_those_that_do_the_work(stack, name, command):
    assert Path(f"/proc/{stack.pid(name)}/comm").read_text().startswith(command)


def test_servers_listen_on_loopback_only(stack):
    """As /proc writes them: 127.0.0.1, and ::1, on which Erlang's port mapper insists."""
    processes = find_processes(lambda process: belongs_to_stack(process, stack.var))
    owned = {link for process in processes for link in open_sockets(process.pid)}
    listening = [
        fields
        for table in ("tcp", "tcp6")
        for fields in (line.split() for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:])
        if fields[3] == "0A" and f"socket:[{fields[9]}]" in owned
    ]
    assert listening
    assert {fields[1].split(":")[0] for fields in listening} <= {"0100007F", f"{1 << 24:032X}"}


def open_sockets(pid: int) -> set[str]:
    try:
        return {os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir()}
    except OSError:
        return set()


def test_the_runtime_role_owns_nothing_and_has_its_limits(stack):
    with psycopg.connect(stack.description["database_url"]) as connection:
        (owned,) = connection.execute(
            "SELECT count(*) FROM pg_class WHERE relowner = (SELECT oid FROM pg_roles WHERE rolname = current_user)"
        ).fetchone()
        limits = [connection.execute(f"SHOW {name}").fetchone()[0] for name in ("lock_timeout", "statement_timeout")]
        (durable,) = connection.execute(
            "SELECT current_setting('fsync') || current_setting('synchronous_commit')"
        ).fetchone()
    assert owned == 0
    assert limits == ["3s", "10s"]
    assert durable == "onon"


def test_a_second_start_beside_it_is_refused_in_words(stack):
    second = subprocess.run(stack.command, cwd=ROOT, env=stack.env, capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert "is running" in second.stderr
    assert "Traceback" not in second.stderr


@pytest.mark.parametrize("name", ["worker", "dispatcher", "reports", "simulator", "web", "postgres", "rabbitmq"])
def test_a_killed_process_is_back_within_ten_seconds(stack, name):
    killed = stack.pid(name)
    os.kill(killed, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while stack.pid(name) == killed:
        assert time.monotonic() < deadline, stack.output.read_text()[-3000:]
        time.sleep(0.05)
    assert psutil.Process(stack.pid(name)).status() != psutil.STATUS_ZOMBIE


def test_it_serves_again_after_all_that(stack):
    url = urlsplit(stack.description["web_url"])
    deadline = time.monotonic() + 30
    while not responds(f"{url.geturl()}/readyz"):
        assert time.monotonic() < deadline, stack.output.read_text()[-3000:]
        time.sleep(0.2)
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=5)
    connection.request("GET", "/api/v1/wallet")
    assert connection.getresponse().status == http.HTTPStatus.UNAUTHORIZED


def test_sigterm_stops_everything_and_leaves_no_process(stack):
    assert stack.running_commands()
    stack.process.terminate()
    assert stack.process.wait(60) == 0
    assert stack.running_commands() == []
    assert not (stack.var / "stack.json").exists()
