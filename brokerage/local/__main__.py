"""`python -m brokerage.local up | demo | test | screenshots | clean`: what the Makefile calls."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from brokerage.local.clean import clean
from brokerage.local.demo import demo
from brokerage.local.errors import StackError, in_one_line
from brokerage.local.layout import NESTED_STACKS, ROOT
from brokerage.local.pytest_run import test
from brokerage.local.screenshots import screenshots
from brokerage.local.up import up


def main(arguments: list[str]) -> int:
    """Run one of the commands; an error the user can cure is one message, not a traceback."""
    parser = argparse.ArgumentParser(prog="python -m brokerage.local", description=__doc__)
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
