"""What may go wrong at a start: one line with its cure, and nothing left that the next start would stumble over."""

import errno
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from config.devstack import ports, postgres
from config.devstack.clean import clean
from config.devstack.errors import StackError, check_disk_space, describe_error
from config.devstack.paths import ROOT, StackPaths, read_json
from config.devstack.ports import Ports
from config.devstack.process_spec import ProcessSpec
from config.devstack.supervisor import Supervisor
from config.devstack.terminal import Terminal
from tests.running import inherited_environment

NOBODY_HOME = "127.0.0.1:1"


def with_password(url: str, password: str) -> str:
    parts = urlsplit(url)
    return url.replace(f":{parts.password}@", f":{password}@")


def wait_for(condition, seconds: float = 10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


class TestStarting:
    @pytest.fixture
    def refusal(self, tmp_path):
        """The one line with which `up` refuses to start."""

        def start(var=tmp_path / "var", **environment: str) -> str:
            command = [sys.executable, "-m", "config.devstack", "--var", str(var), "up"]
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=inherited_environment() | environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 1
            (line,) = done.stderr.splitlines()
            assert line.startswith("error: ")
            assert "starting" not in done.stdout
            return line

        return start

    def test_with_a_database_that_does_not_answer(self, refusal):
        line = refusal(DATABASE_URL=f"postgresql://somebody:secret@{NOBODY_HOME}/brokerage")
        assert "DATABASE_URL" in line
        assert "refused" in line
        assert "secret" not in line

    def test_with_the_wrong_password_for_the_database(self, refusal):
        line = refusal(DATABASE_URL=with_password(os.environ["DATABASE_URL"], "wrong"))
        assert "DATABASE_URL" in line
        assert "password authentication failed" in line

    def test_with_an_owner_who_may_not_come_in(self, refusal):
        right = os.environ["DATABASE_URL"]
        assert "DATABASE_OWNER_URL" in refusal(DATABASE_URL=right, DATABASE_OWNER_URL=with_password(right, "wrong"))

    @pytest.mark.parametrize("name", ["CELERY_BROKER_URL", "EXCHANGE_URL"])
    def test_with_a_broker_that_does_not_answer(self, refusal, name):
        line = refusal(**{name: f"amqp://somebody:secret@{NOBODY_HOME}//"})
        assert f"{name} does not let us in" in line
        assert "secret" not in line

    def test_with_the_wrong_password_for_the_broker(self, refusal):
        line = refusal(CELERY_BROKER_URL=with_password(os.environ["CELERY_BROKER_URL"], "wrong"))
        assert "CELERY_BROKER_URL" in line

    def test_with_a_port_that_is_taken(self, refusal):
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen()
            assert "choose another with PORT=" in refusal(PORT=str(server.getsockname()[1]))

    @pytest.mark.parametrize(
        ("faults", "reason"),
        [
            ("nonsense=2", "no fault is called 'nonsense'; there are acks_late, fills_first, "),
            ("drops=0.1,delays=2", "'delays=2' has no rate from 0 to 1"),
        ],
    )
    def test_with_faults_that_the_exchange_does_not_have(self, refusal, tmp_path, faults, reason):
        assert refusal(EXCHANGE_FAULTS=faults).startswith(f"error: EXCHANGE_FAULTS={faults}: {reason}")
        assert not (tmp_path / "var").exists()

    def test_where_it_may_not_write(self, refusal):
        assert "may not be written" in refusal(var=Path("/sys/brokerage"))


class TestManagePy:
    def line(self, **environment: str) -> str:
        """The one line with which a command ends that found no database."""
        command = [sys.executable, "manage.py", "audit_books"]
        done = subprocess.run(
            command, cwd=ROOT, env=inherited_environment() | environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        return line

    def test_without_a_running_stack(self):
        line = self.line(DATABASE_URL=f"postgresql://somebody:secret@{NOBODY_HOME}/brokerage")
        assert "start `make up`" in line
        assert "secret" not in line

    def test_with_the_wrong_password(self):
        wrong = with_password(os.environ["DATABASE_URL"], "wrong")
        assert "password authentication failed" in self.line(DATABASE_URL=wrong)

    def test_with_a_stack_it_may_not_read(self, tmp_path):
        """A folder in its place: root may read every file."""
        assert "another user" in self.line(STACK=str(tmp_path))


class TestPorts:
    def test_all_taken(self, tmp_path, monkeypatch):
        monkeypatch.setattr(ports, "is_free", lambda port: False)
        with pytest.raises(StackError, match="no port is free"):
            Ports(tmp_path / "ports.json").get("web")


class TestFullDisk:
    @pytest.fixture
    def full(self, monkeypatch):
        monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9 - 1000, 1000))

    def test_is_noticed_before_anything_is_begun(self, full, tmp_path):
        with pytest.raises(StackError, match="make room"):
            check_disk_space(tmp_path / "not yet there")

    def test_is_the_cause_of_whatever_went_wrong(self, full, tmp_path):
        assert "is full: make room" in describe_error(StackError("worker does not start"), tmp_path)

    def test_is_reported_by_the_system_too_as_a_quota_may_be_used_up(self, tmp_path):
        assert "is full: make room" in describe_error(OSError(errno.EDQUOT, "Disk quota exceeded"), tmp_path)

    def test_is_cured_by_make_clean(self, full, tmp_path):
        (tmp_path / "log").mkdir()
        assert clean(tmp_path) == 0
        assert not (tmp_path / "log").exists()

    def test_does_not_make_us_lose_a_process_or_its_pid(self, tmp_path, monkeypatch):
        """stack.json cannot be replaced while a process is started again: it is written as soon as there is room."""
        paths = StackPaths(tmp_path)
        supervisor = Supervisor(paths, Terminal(quiet=True))
        try:
            supervisor.publish({})
            paths.stack_file.unlink()
            paths.stack_file.mkdir()  # what replaces it fails now
            monitor = supervisor.start(ProcessSpec(name="sample", command=["sleep", "600"], env=dict(os.environ)))
            wait_for(lambda: monitor.is_steady(0.3))
            paths.stack_file.rmdir()
            wait_for(lambda: supervisor.refresh() or paths.stack_file.exists())
            assert read_json(paths.stack_file)["processes"] == {"sample": monitor.pid}
        finally:
            supervisor.stop()


class TestWords:
    def test_a_bug_keeps_its_traceback(self, tmp_path):
        with pytest.raises(OSError, match="Bad file descriptor"):
            describe_error(OSError(errno.EBADF, "Bad file descriptor"), tmp_path)

    def test_a_failed_initdb_says_why_and_where_the_rest_is(self, tmp_path, monkeypatch):
        bin_folder = tmp_path / "bin"
        bin_folder.mkdir()
        (bin_folder / "initdb").write_text("#!/bin/sh\necho creating\necho 'initdb: error: out of luck' >&2\nexit 1\n")
        (bin_folder / "initdb").chmod(0o755)
        monkeypatch.setattr(postgres, "binaries", lambda: bin_folder)
        monkeypatch.setattr(postgres, "_new_owner", lambda: (os.geteuid(), ()))
        paths = StackPaths(tmp_path / "var")
        paths.logs.mkdir(parents=True)
        with pytest.raises(StackError, match=r"^initdb failed \(error: out of luck\): see .*initdb\.log") as refused:
            postgres.make_cluster(paths, "password")
        assert "\n" not in str(refused.value)
        assert sorted(path.name for path in paths.var.iterdir()) == ["log"]


class TestUserWithoutName:
    """As in a container that is run with some user id: initdb insists on a name."""

    @pytest.fixture
    def nameless(self, monkeypatch):
        def unknown(uid):
            raise KeyError(uid)

        monkeypatch.setattr(postgres.pwd, "getpwuid", unknown)
        monkeypatch.setattr(os, "geteuid", lambda: 1234)

    def test_takes_nobodys_where_that_is_possible(self, nameless, monkeypatch):
        monkeypatch.setattr(postgres, "succeeds", lambda *command: True)
        assert postgres._user_name_prefix()[:2] == ("unshare", "--user")

    def test_is_refused_with_the_cure_where_it_is_not(self, nameless, monkeypatch):
        monkeypatch.setattr(postgres, "succeeds", lambda *command: False)
        with pytest.raises(StackError, match="add it to /etc/passwd"):
            postgres._user_name_prefix()
