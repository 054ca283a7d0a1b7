"""Makes the roles of the private PostgreSQL: an owner who migrates, and a runtime role that owns nothing.

The runtime role can neither alter, truncate nor disable the triggers of what it writes to.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from config.devstack.errors import StackError
from config.devstack.postgres import DATABASE, OWNER, RUNTIME, SUPERUSER, url

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RUNTIME_SETTINGS = {
    "lock_timeout": "3s",
    "statement_timeout": "10s",
    "idle_in_transaction_session_timeout": "10s",
}


def wait_for_server(password: str, port: int, *, timeout_s: float, failure: Callable[[], str | None]) -> None:
    """Wait until the server lets its superuser in; `failure` returns why it never will, if it knows."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            psycopg.connect(url(SUPERUSER, password, port, "postgres"), connect_timeout=3).close()
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise StackError(
                    "the kept password does not open the kept database: `make clean` starts afresh"
                ) from error
            reason = failure()
            if reason is None and time.monotonic() > deadline:
                reason = str(error).strip()
            if reason is not None:
                raise StackError(f"PostgreSQL did not start: {reason}") from error
            time.sleep(0.1)
        else:
            return


def make_roles(secrets: Mapping[str, str], port: int) -> None:
    """Create or repair the roles, the database and the default privileges; safe to run at every start."""
    password = secrets["postgres_superuser"]
    with psycopg.connect(url(SUPERUSER, password, port, "postgres"), autocommit=True) as connection:
        _make_role(connection, OWNER, secrets["postgres_owner"], "CREATEDB")
        _make_role(connection, RUNTIME, secrets["postgres_runtime"], "NOCREATEDB")
        owner, runtime = sql.Identifier(OWNER), sql.Identifier(RUNTIME)
        # Tests empty append-only tables with their triggers off.
        connection.execute(sql.SQL("GRANT SET ON PARAMETER session_replication_role TO {}").format(owner))
        for name, value in RUNTIME_SETTINGS.items():
            connection.execute(
                sql.SQL("ALTER ROLE {} SET {} = {}").format(runtime, sql.Identifier(name), sql.Literal(value))
            )
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), owner))
    # In template1 too: databases made from it, those of the tests, begin with the same default privileges.
    for database in (DATABASE, "template1"):
        with psycopg.connect(url(SUPERUSER, password, port, database), autocommit=True) as connection:
            for what, rights in (("TABLES", "SELECT, INSERT, UPDATE, DELETE"), ("SEQUENCES", "USAGE, SELECT")):
                connection.execute(
                    sql.SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {} GRANT {} ON {} TO {}").format(
                        owner, sql.SQL(rights), sql.SQL(what), runtime
                    )
                )


def _make_role(connection: psycopg.Connection, name: str, password: str, rights: str) -> None:
    exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone()
    verb = "ALTER" if exists else "CREATE"
    connection.execute(
        sql.SQL("{} ROLE {} LOGIN NOSUPERUSER {} PASSWORD {}").format(
            sql.SQL(verb), sql.Identifier(name), sql.SQL(rights), sql.Literal(password)
        )
    )
