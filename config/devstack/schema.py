"""Recognises a database of an older version of this clone, before migrating it ends in a traceback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from config.devstack.errors import StackError
from config.devstack.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

# Versions before the first release had it, with migrations of which some bear the names of today's.
FORMER_TABLE = "trades_requestkey"


def check_schema(owner_url: str, var: Path, *, is_private: bool) -> None:
    """Raise StackError if the database has migrations that this clone does not have: it cannot be migrated.

    `is_private` says that its server is the stack's own, which `make clean` removes.
    """
    with psycopg.connect(owner_url, connect_timeout=5) as connection:
        is_former = _exists(connection, FORMER_TABLE)
        if not is_former and not _exists(connection, "django_migrations"):
            return
        recorded = set(connection.execute("SELECT app, name FROM django_migrations").fetchall())
    known = known_migrations()
    apps = {app for app, _ in known}
    if not is_former and all(migration in known for migration in recorded if migration[0] in apps):
        return
    if is_private:
        raise StackError(
            f"the database in {var} was made by an older version of this clone: run `make clean`, then start again"
        )
    raise StackError(
        "the database of DATABASE_URL was made by an older version of this clone: name an empty one, "
        "or unset it for a private PostgreSQL (`make clean` removes those of older versions)"
    )


def known_migrations() -> set[tuple[str, str]]:
    """Return (app, name) of every migration in this clone."""
    return {(file.parts[-3], file.stem) for file in ROOT.glob("*/migrations/[0-9]*.py")}


def _exists(connection: psycopg.Connection, table: str) -> bool:
    row = connection.execute("SELECT to_regclass(%s)", [table]).fetchone()
    return row is not None and row[0] is not None
