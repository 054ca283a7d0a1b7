"""Keeping processes running, and leaving none behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from config.devstack.paths import ROOT, StackPaths, read_json
from config.devstack.process_monitor import ProcessMonitor, next_restart_delay
from config.devstack.process_spec import ProcessSpec, has_death_signal
from config.devstack.process_table import belongs_to_stack, end_processes, find_processes
from config.devstack.supervisor import Supervisor, end_leftovers
from config.devstack.terminal import Terminal

# A process with a child that left its session, as Erlang's port programs do.
WITH_STRAY = "import subprocess, time; subprocess.Popen(['sleep', '600'], start_new_session=True); time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
)


# As RabbitMQ early in its start.
DEAF_ONCE = (
    "import signal, time; hear = lambda *_: signal.signal(signal.SIGTERM, signal.SIG_DFL); "
    "signal.signal(signal.SIGTERM, hear); print('deaf', flush=True); time.sleep(600)"
)


def python(code: str, **options) -> ProcessSpec:
    return ProcessSpec(name="sample", command=[sys.executable, "-c", code], env=dict(os.environ), **options)


def wait_for(condition, seconds: float = 10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def pids_of_stack(var: Path) -> list[int]:
    return [process.pid for process in find_processes(lambda process: belongs_to_stack(process, var))]


@pytest.fixture
def paths(tmp_path):
    return StackPaths(tmp_path)


@pytest.fixture
def supervisor(paths):
    supervisor = Supervisor(paths, Terminal(quiet=True))
    yield supervisor
    supervisor.stop()


class TestBackOff:
    def test_doubles_from_a_fifth_of_a_second_to_five_seconds(self):
        delays = [0.0]
        for _ in range(7):
            delays.append(next_restart_delay(delays[-1], uptime_s=0.1))
        assert delays[1:] == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]

    def test_begins_again_after_half_a_minute_up(self):
        assert next_restart_delay(5.0, uptime_s=31) == 0.2


class TestProcessMonitor:
    def test_starts_a_killed_process_again_and_writes_its_new_pid(self, supervisor, paths):
        monitor = supervisor.start(python("import time; time.sleep(600)"))
        wait_for(lambda: monitor.pid)
        supervisor.publish({"web_url": "here"})
        first = read_json(paths.stack_file)["processes"]["sample"]
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: read_json(paths.stack_file)["processes"]["sample"] != first)
        assert monitor.pid in pids_of_stack(paths.var)
        assert read_json(paths.stack_file)["web_url"] == "here"

    def test_ends_a_stray_child_before_it_starts_the_process_again(self, supervisor, paths):
        monitor = supervisor.start(python(WITH_STRAY))
        wait_for(lambda: len(pids_of_stack(paths.var)) == 2)
        first = set(pids_of_stack(paths.var))
        os.kill(monitor.pid, signal.SIGKILL)
        wait_for(lambda: len(pids_of_stack(paths.var)) == 2 and not first & set(pids_of_stack(paths.var)))

    def test_leaves_nothing_behind_when_stopped(self, supervisor, paths):
        supervisor.start(python(WITH_STRAY))
        wait_for(lambda: len(pids_of_stack(paths.var)) == 2)
        supervisor.stop()
        assert pids_of_stack(paths.var) == []
        assert not paths.stack_file.exists()

    def test_kills_what_does_not_stop_in_its_time(self, supervisor, paths):
        monitor = supervisor.start(python(STUBBORN, stop_timeout_s=0.3))
        wait_for(lambda: "deaf" in monitor.log.tail(5))
        supervisor.stop()
        assert pids_of_stack(paths.var) == []
        assert "did not stop in time" in monitor.log.tail(5)

    def test_repeats_a_stop_signal_that_may_be_lost(self, supervisor, paths):
        monitor = supervisor.start(python(DEAF_ONCE, repeats_stop_signal=True))
        wait_for(lambda: "deaf" in monitor.log.tail(5))
        supervisor.stop()
        assert pids_of_stack(paths.var) == []
        assert "did not stop in time" not in monitor.log.tail(5)

    def test_shows_the_last_lines_of_a_process_that_keeps_dying(self, paths):
        monitor = ProcessMonitor(
            python("raise SystemExit('no luck')"), paths=paths, terminal=Terminal(quiet=True), on_change=list
        )
        monitor.start()
        wait_for(monitor.startup_failure)
        monitor.stop()
        assert "no luck" in monitor.startup_failure()


class TestOrphans:
    """The supervisor itself is killed: by the kernel's word its processes stop, or the next start ends them."""

    SUPERVISE = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from config.devstack.paths import StackPaths\n"
        "from config.devstack.process_spec import ProcessSpec\n"
        "from config.devstack.supervisor import Supervisor\n"
        "from config.devstack.terminal import Terminal\n"
        "code = sys.argv[2]\n"
        "supervisor = Supervisor(StackPaths(Path(sys.argv[1])), Terminal(quiet=True))\n"
        "supervisor.start(ProcessSpec(name='sample', command=[sys.executable, '-c', code], env=dict(os.environ)))\n"
        "time.sleep(600)\n"
    )

    def orphan(self, paths, code):
        command = [sys.executable, "-c", self.SUPERVISE, str(paths.var), code]
        with subprocess.Popen(command, cwd=ROOT) as supervisor:
            log = paths.logs / "sample.log"
            wait_for(lambda: log.exists() and "deaf" in log.read_text())
            supervisor.kill()

    @pytest.mark.skipif(not has_death_signal(), reason="no setpriv --pdeathsig here")
    def test_stop_by_themselves(self, paths):
        self.orphan(paths, "import time; print('not deaf', flush=True); time.sleep(600)")
        wait_for(lambda: pids_of_stack(paths.var) == [])

    def test_are_ended_by_the_next_start_if_they_do_not(self, paths):
        self.orphan(paths, STUBBORN)
        (orphan,) = pids_of_stack(paths.var)
        assert end_processes(lambda process: process.pid == orphan, grace_s=0.2) == [orphan]
        assert end_leftovers(paths) == []
