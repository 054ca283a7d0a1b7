"""`python -m config.devstack up | demo | test | screenshots | clean`: what the Makefile calls."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from config.devstack.clean import clean
from config.devstack.demo import demo
from config.devstack.errors import StackError, in_one_line
from config.devstack.paths import NESTED_STACKS, ROOT
from config.devstack.screenshots import screenshots
from config.devstack.test_runner import test
from config.devstack.up import up


def main(arguments: list[str]) -> int:
    """Run one of the commands; an error the user can cure is one message, not a traceback."""
    parser = argparse.ArgumentParser(prog="python -m config.devstack", description=__doc__)
    parser.add_argument("--var", type=Path, help="the stack's folder (default: var/, or var/COMMAND)")
    parser.add_argument("command", choices=("up", *NESTED_STACKS, "clean"))
    parser.add_argument("rest", nargs=argparse.REMAINDER, help="for `test`: pytest's arguments")
    chosen = parser.parse_args(arguments)
    default = ROOT / "var" / chosen.command if chosen.command in NESTED_STACKS else ROOT / "var"
    var = (chosen.var or default).resolve()
    try:
        match chosen.command:
            case "up":
                return up(var)
            case "demo":
                return demo(var)
            case "test":
                return test(var, chosen.rest)
            case "screenshots":
                return screenshots(var)
            case _:
                return clean(var)
    except (StackError, OSError) as error:
        print(f"error: {in_one_line(error, var)}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
