#!/usr/bin/env python
"""Django's command line. Talks to the stack that `STACK=` or `var/stack.json` names, unless the URLs are given."""

import importlib
import json
import os
import sys
from pathlib import Path

from django.core.management import execute_from_command_line
from django.db.utils import OperationalError

HERE = Path(__file__).resolve().parent


def load_stack() -> None:
    """Take the servers' addresses from the running stack's `stack.json`; what the environment has already wins."""
    named = os.environ.get("STACK")
    path = Path(named) if named else HERE / "var" / "stack.json"
    if not path.exists():
        if named:
            sys.exit(f"STACK={named}: there is no such file. Is the stack running? It is written by `make up`.")
        return
    try:
        stack = json.loads(path.read_text())
    except OSError as error:
        sys.exit(
            f"{path}: {error.strerror}. Is it the stack of another user? Set DATABASE_URL, or use a clone of your own."
        )
    except ValueError:
        stack = None
    if not isinstance(stack, dict):
        sys.exit(f"{path}: this is no stack.json. It is written by `make up`.")
    for variable in ("DATABASE_URL", "CELERY_BROKER_URL", "EXCHANGE_URL"):
        if address := stack.get(variable.lower()):
            os.environ.setdefault(variable, address)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    load_stack()
    importlib.import_module("config.celery")  # commands publish tasks; its settings are those of the stack just loaded
    try:
        execute_from_command_line(sys.argv)
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None):  # the server's own word: that is for whoever wrote the command
            raise
        reason = str(error).strip().partition("\n")[0]
        sys.exit(f"error: the database does not answer ({reason}): start `make up`, or correct DATABASE_URL")
