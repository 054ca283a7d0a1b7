"""What the stack remembers between two starts."""

import json
import socket
import stat
import subprocess
import sys

import pytest

from config.devstack import terminal
from config.devstack.errors import StackError
from config.devstack.paths import StackPaths, load_secrets, read_json, write_json
from config.devstack.ports import HOST, Ports, is_free, is_open, wait_until_free
from config.devstack.terminal import LogFile


@pytest.fixture
def listener():
    """A server that somebody else runs on a free port."""
    with socket.socket() as server:
        server.bind((HOST, 0))
        server.listen()
        yield server


class TestSecrets:
    def test_are_made_once_and_only_ours_to_read(self, tmp_path):
        file = tmp_path / "secrets.json"
        first = load_secrets(file)
        assert load_secrets(file) == first
        assert len(set(first.values())) == len(first)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600

    def test_a_new_one_is_added_to_the_kept_ones(self, tmp_path):
        file = tmp_path / "secrets.json"
        write_json(file, {"postgres_owner": "kept"})
        assert load_secrets(file)["postgres_owner"] == "kept"
        assert "erlang_cookie" in read_json(file)

    def test_a_file_cut_short_counts_as_none(self, tmp_path):
        file = tmp_path / "secrets.json"
        file.write_text('{"postgres_owner": "ke')
        assert read_json(file) == {}

    def test_writing_leaves_nothing_beside_the_file(self, tmp_path):
        write_json(tmp_path / "stack.json", {"web_url": "here"})
        assert [path.name for path in tmp_path.iterdir()] == ["stack.json"]
        assert json.loads((tmp_path / "stack.json").read_text()) == {"web_url": "here"}


class TestLog:
    @pytest.fixture
    def log(self, tmp_path, monkeypatch):
        monkeypatch.setattr(terminal, "LOG_BYTES", 10)
        return LogFile(tmp_path / "web.log")

    def test_is_begun_anew_when_it_is_long_and_the_one_before_is_kept(self, log):
        for line in (b"first line\n", b"second line\n", b"third line\n"):
            log.write(line)
        assert log.path.read_text() == "third line\n"
        assert {path.name: path.read_text() for path in log.path.parent.iterdir() if path != log.path} == {
            "web.log.1": "second line\n"
        }

    def test_goes_on_when_it_could_not_be_begun_anew(self, log):
        """Whoever writes keeps a process: an error here would end the monitor, and nothing would start it again."""
        log.write(b"first line\n")
        in_the_way = log.path.with_name("web.log.new")
        in_the_way.mkdir()
        log.write(b"lost\n")
        in_the_way.rmdir()
        log.write(b"second line\n")
        assert log.path.read_text() == "second line\n"


class TestLock:
    def test_a_second_stack_in_the_same_folder_is_refused_in_words(self, tmp_path):
        code = (
            "import sys; from pathlib import Path; from config.devstack.paths import StackPaths; "
            "from config.devstack.errors import StackError\n"
            "try:\n  StackPaths(Path(sys.argv[1])).locked().__enter__()\n"
            "except StackError as error:\n  print(error)"
        )
        with StackPaths(tmp_path).locked():
            second = subprocess.run(
                [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
            )
        assert "is running" in second.stdout
        with StackPaths(tmp_path).locked():
            pass  # free again

    def test_wiping_keeps_the_downloads_and_the_stacks_below(self, tmp_path):
        for folder in ("rabbitmq-server", "chromium", "promtool", "demo", "postgres", "log"):
            (tmp_path / folder).mkdir()
        (tmp_path / "secrets.json").write_text("{}")
        StackPaths(tmp_path).wipe()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["chromium", "demo", "promtool", "rabbitmq-server"]


class TestPorts:
    def test_are_the_same_at_the_next_start(self, tmp_path):
        first = Ports(tmp_path / "ports.json")
        port = first.get("postgres")
        first.release()
        assert Ports(tmp_path / "ports.json").get("postgres") == port

    def test_two_stacks_never_choose_the_same_before_they_listen(self, tmp_path):
        one, other = Ports(tmp_path / "one.json"), Ports(tmp_path / "other.json")
        port = one.get("web")
        assert other.get("web", preferred=port) != port

    def test_a_taken_port_is_passed_over(self, tmp_path, listener):
        taken = listener.getsockname()[1]
        assert Ports(tmp_path / "ports.json").get("web", preferred=taken) != taken

    def test_a_pinned_port_that_is_taken_is_an_error_that_names_it(self, tmp_path, listener):
        taken = listener.getsockname()[1]
        with pytest.raises(StackError, match=f"port {taken} is taken"):
            Ports(tmp_path / "ports.json").pin("web", taken)

    def test_distinguishes_free_from_open(self, listener):
        port = listener.getsockname()[1]
        assert is_open(port)
        assert not is_free(port)
        assert not wait_until_free(port, timeout_s=0.1)
        listener.close()
        assert wait_until_free(port, timeout_s=1)
