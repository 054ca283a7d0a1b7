"""Packages of Debian's, unpacked into a folder: with an apt-get that prints what the real one prints, and a dpkg."""

import os
import threading
from pathlib import Path

import pytest

from config.devstack.debian import UNFINISHED, DebianPackages, ensure_unpacked, succeeds
from config.devstack.errors import StackError

SAMPLE = DebianPackages(name="Sample", names=("sample",), megabytes=1, remedy="install sample, or name one in SAMPLE=")

APT_GET = """#!/bin/sh
cache=$(sed -n 's/^Dir::Cache "\\(.*\\)";$/\\1/p' "$2")
[ "$3" = update ] || echo "$*" >> "{called}"
{body}
[ "$3" = update ] && exit 0
mkdir -p made/usr/bin && printf '#!/bin/sh\\nexit 0\\n' > made/usr/bin/sample && chmod +x made/usr/bin/sample
echo "Get:1 http://deb.debian.org/debian bookworm/main amd64 sample amd64 1.0 [1,234 kB]"
echo "dlstatus:1:0.0000:Retrieving file 1 of 1"
echo "dlstatus:1:100.0000:Retrieving file 1 of 1"
tar -cf "$cache/archives/sample_1.0_amd64.deb" -C made .
"""
OFFLINE = """
if [ "$3" = update ]; then
  echo "Err:1 http://deb.debian.org/debian bookworm InRelease"
  echo "  Temporary failure resolving 'deb.debian.org'"
  echo "W: Failed to fetch http://deb.debian.org/debian/dists/bookworm/InRelease  Temporary failure resolving"
  exit 0
fi
echo "E: Unable to locate package sample"
exit 100
"""
NO_ROOM = """
[ "$3" = update ] || { echo "E: You don't have enough free space in $cache/archives/."; exit 100; }
"""
DPKG = '#!/bin/sh\n{body}\nexec tar -xf "$2" -C "$3"\n'
DPKG_WITHOUT_ROOM = """
echo "tar: ./usr/bin/sample: Cannot write: No space left on device" >&2
echo "dpkg-deb: error: tar subprocess returned error exit status 2" >&2
exit 2
"""


class Machine:
    """The commands of a machine, and what was fetched on it."""

    def __init__(self, tmp_path: Path) -> None:
        self.bin = tmp_path / "bin"
        self.bin.mkdir()
        self.called = tmp_path / "called"
        self.folder = tmp_path / "with a space" / "sample"
        self.announced: list[str] = []
        self.has()

    def has(self, *, apt_get: str = "", dpkg: str = "") -> None:
        for name, text in (("apt-get", APT_GET.replace("{called}", str(self.called)).replace("{body}", apt_get)),
                           ("dpkg", DPKG.format(body=dpkg))):  # fmt: skip
            (self.bin / name).write_text(text)
            (self.bin / name).chmod(0o755)

    def unpack(self, *, is_usable=lambda root: succeeds(root / "usr/bin/sample"), finish=lambda root: None) -> Path:
        return ensure_unpacked(SAMPLE, self.folder, is_usable=is_usable, finish=finish, announce=self.announced.append)

    @property
    def downloads(self) -> int:
        return len(self.called.read_text().splitlines()) if self.called.exists() else 0

    @property
    def kept(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def machine(tmp_path, monkeypatch):
    machine = Machine(tmp_path)
    monkeypatch.setenv("PATH", f"{machine.bin}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return machine


class TestFetching:
    def test_happens_once(self, machine):
        root = machine.unpack()
        assert succeeds(root / "usr/bin/sample")
        assert machine.unpack() == root
        assert machine.downloads == 1
        assert machine.kept == ["lock", "root"]

    def test_announces_its_progress(self, machine):
        machine.unpack()
        assert "1 MB" in machine.announced[0]
        assert "Sample: 100 % fetched" in machine.announced

    def test_happens_again_when_what_was_fetched_does_not_run_any_more(self, machine):
        (machine.unpack() / "usr/bin/sample").write_text("#!/bin/sh\nexit 1\n")
        assert succeeds(machine.unpack() / "usr/bin/sample")
        assert machine.downloads == 2

    def test_changes_what_is_to_be_changed_before_it_is_there(self, machine):
        root = machine.unpack(finish=lambda root: (root / "usr/bin/sample").rename(root / "moved"),
                                is_usable=lambda root: succeeds(root / "moved"))  # fmt: skip
        assert [path.name for path in root.iterdir() if path.is_file()] == ["moved"]

    def test_of_two_at_once_is_done_by_one(self, machine):
        both = [threading.Thread(target=machine.unpack) for _ in range(2)]
        for one in both:
            one.start()
        for one in both:
            one.join()
        assert machine.downloads == 1

    def test_clears_away_what_a_killed_run_left(self, machine):
        (machine.folder / f"{UNFINISHED}1").mkdir(parents=True)
        machine.unpack()
        assert machine.kept == ["lock", "root"]


class TestGoingWrong:
    """One line with the cause and the cure, nothing half-left, and the next try succeeds."""

    def refusal(self, machine, **how) -> str:
        with pytest.raises(StackError) as refused:
            machine.unpack(**how)
        message = str(refused.value)
        assert message.startswith("no Sample here")
        assert message.endswith("install sample, or name one in SAMPLE=")
        assert "\n" not in message
        assert machine.kept == ["lock"]
        machine.has()
        machine.unpack()
        assert machine.kept == ["lock", "root"]
        return message

    def test_without_network(self, machine):
        machine.has(apt_get=OFFLINE)
        assert "Temporary failure resolving" in self.refusal(machine)

    def test_without_room_for_the_download(self, machine):
        machine.has(apt_get=NO_ROOM)
        assert "enough free space" in self.refusal(machine)

    def test_without_room_for_what_is_unpacked(self, machine):
        machine.has(dpkg=DPKG_WITHOUT_ROOM)
        assert "No space left on device" in self.refusal(machine)

    def test_with_packages_that_do_not_run_on_this_machine(self, machine):
        assert "do not run" in self.refusal(machine, is_usable=lambda root: False)
