"""Runs `make up` in a process of its own, in a folder of its own: for tests that look at the whole from outside."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

from config.devstack.paths import ROOT, read_json
from config.devstack.process_spec import ProcessSpec
from config.devstack.process_table import belongs_to_stack, find_processes
from tests.prepared_cluster import copy_prepared_cluster

STACK_VARIABLES = (
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
READY_TIMEOUT_S = 150


def inherited_environment() -> dict[str, str]:
    """Return our environment without what would name the servers or the exchange of another stack."""
    return {name: value for name, value in os.environ.items() if name not in STACK_VARIABLES}


class RunningStack:
    """`up` in a process of its own, on a copy of the prepared cluster unless it is to make one itself."""

    def __init__(self, var: Path, *, is_fresh: bool = False, **environment: str) -> None:
        self.var = var
        self._environment = environment
        if not is_fresh:
            copy_prepared_cluster(var, env=inherited_environment())
        self.output = var.with_name("output.txt")
        # A worker of the tests may be ended before its fixtures are: the stack ends with it, however it comes.
        spec = ProcessSpec(name="up", command=self.command, env=self.env)
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(spec.argv, cwd=ROOT, env=self.env, stdout=output, stderr=subprocess.STDOUT)

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "config.devstack", "--var", str(self.var), "up"]

    @property
    def env(self) -> dict[str, str]:
        return inherited_environment() | self._environment

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
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

    def running_commands(self) -> list[str]:
        """Return the command lines of what this stack started and still runs."""
        found = find_processes(lambda process: belongs_to_stack(process, self.var))
        return [" ".join(process.cmdline()) for process in found]

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `manage.py` against this stack."""
        env = self.env | {"STACK": str(self.var / "stack.json")}
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)
