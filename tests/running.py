"""`make up` in a process of its own, in a folder of its own: for tests that look at the whole from outside."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

from config.devstack import procfs
from config.devstack.paths import ROOT, read_json
from config.devstack.process_spec import Program

OUR_VARIABLES = (
    "DATABASE_URL",
    "DATABASE_OWNER_URL",
    "CELERY_BROKER_URL",
    "EXCHANGE_URL",
    "EXCHANGE",
    "EXCHANGE_FAULTS",
    "EXCHANGE_SCRIPTS",
    "PORT",
    "STACK",
)
READY_SECONDS = 150


class RunningStack:
    """`up` in a process of its own."""

    def __init__(self, var: Path, **environment: str) -> None:
        self.var = var
        self._environment = environment
        self.output = var.with_name("output.txt")
        # A worker of the tests may be ended before its fixtures are: the stack ends with it, however it comes.
        program = Program(name="up", command=self.command, env=self.env)
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                program.argv, cwd=ROOT, env=self.env, stdout=output, stderr=subprocess.STDOUT
            )

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "config.devstack", "--var", str(self.var), "up"]

    @property
    def env(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name not in OUR_VARIABLES}
        return inherited | self._environment

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not re.search(r"ready$", self.output.read_text(), re.MULTILINE):
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < deadline, self.output.read_text()
            time.sleep(0.2)

    @property
    def description(self) -> dict:
        return read_json(self.var / "stack.json")

    @property
    def secrets(self) -> dict[str, str]:
        """The passwords of its servers."""
        return read_json(self.var / "secrets.json")

    def pid(self, name: str) -> int:
        return self.description["processes"][name]

    def left(self) -> list[str]:
        """The command lines of what this stack started and still runs."""
        return [
            Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
            for pid in procfs.pids()
            if (procfs.mark(pid) or "").startswith(f"{self.var}:") or procfs.works_in(pid, self.var / "postgres")
        ]

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `manage.py` against this stack."""
        env = self.env | {"STACK": str(self.var / "stack.json")}
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)
