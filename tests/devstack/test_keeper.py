"""Keeping processes running, and leaving none behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from config.devstack import procfs
from config.devstack.paths import ROOT, Layout, read_json
from config.devstack.process_monitor import Keeper, next_pause
from config.devstack.process_spec import Program, has_death_signal
from config.devstack.supervisor import Supervisor, end_leftovers
from config.devstack.terminal import Terminal

# A process with a child that left its session, as Erlang's port programs do.
WITH_STRAY = "import subprocess, time; subprocess.Popen(['sleep', '600'], start_new_session=True); time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
)


def python(code: str, **options) -> Program:
    return Program(name="sample", command=[sys.executable, "-c", code], env=dict(os.environ), **options)


def wait_for(condition, seconds: float = 10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def bearing_mark_of(var: Path) -> list[int]:
    return [pid for pid in procfs.pids() if (procfs.mark(pid) or "").startswith(f"{var}:") and procfs.is_alive(pid)]


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path)


@pytest.fixture
def supervisor(layout):
    supervisor = Supervisor(layout, Terminal(quiet=True))
    yield supervisor
    supervisor.stop()


class TestBackOff:
    def test_doubles_from_a_fifth_of_a_second_to_five_seconds(self):
        pauses = [0.0]
        for _ in range(7):
            pauses.append(next_pause(pauses[-1], uptime=0.1))
        assert pauses[1:] == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]

    def test_begins_again_after_half_a_minute_up(self):
        assert next_pause(5.0, uptime=31) == 0.2


class TestKeeper:
    def test_starts_a_killed_process_again_and_writes_its_new_pid(self, supervisor, layout):
        keeper = supervisor.start(python("import time; time.sleep(600)"))
        wait_for(lambda: keeper.pid)
        supervisor.publish({"web_url": "here"})
        first = read_json(layout.stack_file)["processes"]["sample"]
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: read_json(layout.stack_file)["processes"]["sample"] != first)
        assert procfs.is_alive(keeper.pid)
        assert read_json(layout.stack_file)["web_url"] == "here"

    def test_ends_a_stray_child_before_it_starts_the_process_again(self, supervisor, layout):
        keeper = supervisor.start(python(WITH_STRAY))
        wait_for(lambda: len(bearing_mark_of(layout.var)) == 2)
        first = set(bearing_mark_of(layout.var))
        os.kill(keeper.pid, signal.SIGKILL)
        wait_for(lambda: len(bearing_mark_of(layout.var)) == 2 and not first & set(bearing_mark_of(layout.var)))

    def test_leaves_nothing_behind_when_stopped(self, supervisor, layout):
        supervisor.start(python(WITH_STRAY))
        wait_for(lambda: len(bearing_mark_of(layout.var)) == 2)
        supervisor.stop()
        assert bearing_mark_of(layout.var) == []
        assert not layout.stack_file.exists()

    def test_kills_what_does_not_stop_in_its_time(self, supervisor, layout):
        keeper = supervisor.start(python(STUBBORN, stop_seconds=0.3))
        wait_for(lambda: "deaf" in keeper.log.tail(5))
        supervisor.stop()
        assert bearing_mark_of(layout.var) == []
        assert "did not stop in time" in keeper.log.tail(5)

    def test_says_why_a_process_keeps_dying(self, layout):
        keeper = Keeper(
            python("raise SystemExit('no luck')"), layout=layout, terminal=Terminal(quiet=True), changed=list
        )
        keeper.start()
        wait_for(keeper.why_it_fails)
        keeper.stop()
        assert "no luck" in keeper.why_it_fails()


class TestOrphans:
    """The supervisor itself is killed: by the kernel's word its processes stop, or the next start ends them."""

    SUPERVISE = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from config.devstack.paths import Layout\n"
        "from config.devstack.process_spec import Program\n"
        "from config.devstack.supervisor import Supervisor\n"
        "from config.devstack.terminal import Terminal\n"
        "code = sys.argv[2]\n"
        "supervisor = Supervisor(Layout(Path(sys.argv[1])), Terminal(quiet=True))\n"
        "supervisor.start(Program(name='sample', command=[sys.executable, '-c', code], env=dict(os.environ)))\n"
        "time.sleep(600)\n"
    )

    def orphan(self, layout, code):
        command = [sys.executable, "-c", self.SUPERVISE, str(layout.var), code]
        with subprocess.Popen(command, cwd=ROOT) as supervisor:
            log = layout.logs / "sample.log"
            wait_for(lambda: log.exists() and "deaf" in log.read_text())
            supervisor.kill()

    @pytest.mark.skipif(not has_death_signal(), reason="no setpriv --pdeathsig here")
    def test_stop_by_themselves(self, layout):
        self.orphan(layout, "import time; print('not deaf', flush=True); time.sleep(600)")
        wait_for(lambda: bearing_mark_of(layout.var) == [])

    def test_are_ended_by_the_next_start_if_they_do_not(self, layout):
        self.orphan(layout, STUBBORN)
        (orphan,) = bearing_mark_of(layout.var)
        assert procfs.end(lambda pid: pid == orphan, grace=0.2) == [orphan]
        assert end_leftovers(layout) == []
