"""`make up`: runs the whole stack in the foreground, until Ctrl-C."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

from config.devstack.errors import StackError
from config.devstack.paths import ROOT
from config.devstack.process_specs import MANAGE, StackOptions, WebAddresses
from config.devstack.stack import Stack, StopRequested

if TYPE_CHECKING:
    from pathlib import Path

WELCOME = """
  Back office  {web}/admin/
  API          {web}/api/v1          (to read and try: {web}/api/v1/docs)
  Workers      {flower}
  Metrics      {web}/metrics          (docs/monitoring.md; the other roles': see Addresses)

  Log in as    traders  alice (cash) · bob (shares) · carol (nothing)
               staff    agent · supervisor · ops · auditor · admin
               password demo          (development only)

  Logs         {logs}/NAME.log
  Addresses    {stack_file}
  Stop         Ctrl-C

Up in {seconds:.0f} s. Everything is ready"""


def up(var: Path) -> int:
    """Run the stack until a signal ends it."""
    started = time.monotonic()
    options = options_from_environment()
    check_faults(options.faults)
    try:
        with Stack.running(var) as stack:
            web = stack.start_processes(options)
            stack.announce(welcome(stack, web, time.monotonic() - started))
            wait_for_a_signal(stack)
    except StopRequested:
        return 0
    return 0


def options_from_environment() -> StackOptions:
    """Read PORT, which pins the web port, and EXCHANGE=external, which leaves the exchange to somebody else.

    EXCHANGE_SCRIPTS=1 lets prices script what ours does, EXCHANGE_FAULTS has it misbehave.
    """
    port = os.environ.get("PORT")
    if port and not (port.isdigit() and 0 < int(port) < 65_536):
        raise StackError(f"PORT={port} is no port: give a number from 1 to 65535")
    exchange = os.environ.get("EXCHANGE", "")
    if exchange not in ("", "simulator", "external"):
        raise StackError(f"EXCHANGE={exchange} is unknown: it is `simulator` (the default) or `external`")
    scripts = os.environ.get("EXCHANGE_SCRIPTS", "")
    if scripts not in ("", "0", "1"):
        raise StackError(f"EXCHANGE_SCRIPTS={scripts} is unknown: it is `0` (the default) or `1`")
    return StackOptions(
        simulator=exchange != "external",
        scripts=scripts == "1",
        faults=os.environ.get("EXCHANGE_FAULTS", ""),
        port=int(port) if port else None,
    )


def check_faults(faults: str) -> None:
    """Have the exchange check its faults, which it alone knows: with wrong ones it would die again and again.

    Whatever else may be wrong shows when it starts.
    """
    if not faults:
        return
    env = {name: value for name, value in os.environ.items() if name != "STACK"} | {"ENVIRONMENT": "development"}
    command = [*MANAGE, "run_exchange", "--check", f"--faults={faults}"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, errors="replace", check=False)
    _, refused, reason = done.stderr.strip().partition("--faults: ")
    if refused:
        raise StackError(f"EXCHANGE_FAULTS={faults}: {reason}")


def welcome(stack: Stack, web: WebAddresses, seconds: float) -> str:
    """Return what a newcomer wants to know, and the word that scripts wait for."""
    return WELCOME.format(
        web=web.web,
        flower=web.flower,
        logs=stack.paths.logs,
        stack_file=stack.paths.stack_file,
        seconds=seconds,
    )


def wait_for_a_signal(stack: Stack) -> None:
    """Wait while the monitors do the work; a signal ends this by raising StopRequested."""
    while True:
        time.sleep(5)
        stack.supervisor.refresh()
