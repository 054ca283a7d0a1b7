"""The virtual environment that every command brings about: in a clone that holds nothing but its bootstrap script."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from config.devstack.paths import ROOT

BOOTSTRAP = Path("config/devstack/bootstrap.py")


class Clone:
    """A clone without requirements, and with a package index that nobody serves."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / BOOTSTRAP).parent.mkdir(parents=True)
        shutil.copy(ROOT / BOOTSTRAP, folder / BOOTSTRAP)
        shutil.copy(ROOT / "Makefile", folder)
        self.require("")

    def require(self, requirements: str) -> None:
        (self.folder / "requirements.txt").write_text(requirements)
        (self.folder / "requirements-dev.txt").write_text("")

    def change(self, old: str, new: str) -> None:
        """Change the script."""
        text = (self.folder / BOOTSTRAP).read_text()
        assert old in text
        (self.folder / BOOTSTRAP).write_text(text.replace(old, new))

    def setup(self, *, python: str = sys.executable, **environment: str) -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "MAKE"))}
        index = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:1/simple", "PIP_RETRIES": "1"}
        return subprocess.run(
            ["make", "--silent", "setup", f"PYTHON={python}"],
            cwd=self.folder,
            env=inherited | index | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def refusal(self, **how: str) -> str:
        """The one line of ours; the other is make's."""
        done = self.setup(**how)
        assert done.returncode != 0
        ours, makes_own = done.stderr.splitlines()
        assert ours.startswith("error: ")
        assert makes_own.startswith("make: ***")
        return ours

    @property
    def is_complete(self) -> bool:
        return (self.folder / ".venv" / "requirements.sha256").exists()


@pytest.fixture
def clone(tmp_path):
    return Clone(tmp_path / "a clone")


class TestSetup:
    def test_makes_the_environment_once_and_again_what_was_never_complete(self, clone):
        half_made = clone.folder / ".venv/bin/python"
        half_made.parent.mkdir(parents=True)
        half_made.touch(mode=0o755)
        assert "creating" in clone.setup().stdout
        assert clone.is_complete
        assert clone.setup().stdout == ""
        clone.require("# something else\n")
        assert "creating" not in (again := clone.setup()).stdout
        assert "complete" in again.stdout

    def test_leaves_the_environment_of_another_clone_alone(self, clone, tmp_path):
        theirs = tmp_path / "theirs"
        theirs.mkdir()
        (theirs / "pyvenv.cfg").touch()
        (clone.folder / ".venv").symlink_to(theirs)
        clone.change('command = [sys.executable, "-m", "venv", str(VENV)]', 'command = ["false"]')
        assert ".venv could not be made" in clone.refusal()
        assert [path.name for path in theirs.iterdir()] == ["pyvenv.cfg"]


class TestGoingWrong:
    def test_without_network(self, clone):
        clone.require(f"sample==1.0 --hash=sha256:{'0' * 64}\n")
        assert "check the network" in clone.refusal()
        assert not clone.is_complete

    def test_without_python(self, clone):
        assert "Python 3.11 or newer is needed" in clone.refusal(python="/nowhere/python3")

    def test_with_a_python_that_is_too_old(self, clone):
        clone.change("MIN_PYTHON = (3, 11)", "MIN_PYTHON = (3, 99)")
        clone.change('("python3.14", "python3.13", "python3.12", "python3.11")', "()")
        assert "Python 3.11 or newer is needed, this is 3." in clone.refusal()

    def test_with_a_python_that_cannot_make_environments(self, clone, tmp_path):
        (tmp_path / "ensurepip.py").write_text("raise ImportError")
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        assert f"install python{version}-venv" in clone.refusal(PYTHONPATH=str(tmp_path))

    def test_where_it_may_not_write(self, clone):
        (clone.folder / "var").symlink_to("/sys/brokerage")
        assert "let this user write there" in clone.refusal()

    def test_on_a_full_disk(self, clone):
        clone.change("NEEDED_BYTES = 800_000_000", "NEEDED_BYTES = 10**18")
        assert "make room there" in clone.refusal()
        assert not (clone.folder / ".venv").exists()
