"""`python -m config.devstack up | demo | test | screenshots | clean`: the commands behind the Makefile's."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from config.devstack.clean import clean
from config.devstack.demo import demo
from config.devstack.errors import StackError, describe_error
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
    parsed = parser.parse_args(arguments)
    default = ROOT / "var" / parsed.command if parsed.command in NESTED_STACKS else ROOT / "var"
    var = (parsed.var or default).resolve()
    try:
        match parsed.command:
            case "up":
                return up(var)
            case "demo":
                return demo(var)
            case "test":
                return test(var, parsed.rest)
            case "screenshots":
                return screenshots(var)
            case _:
                return clean(var)
    except (StackError, OSError) as error:
        print(f"error: {describe_error(error, var)}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
