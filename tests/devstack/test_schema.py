"""A database of an older version is refused in one line, on a real PostgreSQL, instead of a traceback of `migrate`."""

import os
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import connection

from config.devstack.errors import StackError
from config.devstack.paths import ROOT
from config.devstack.schema import check_schema, known_migrations
from tests.running import inherited_environment

NAME = f"older_version_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"


def url_of(database: str) -> str:
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{database}").geturl()


@pytest.fixture
def url() -> Iterator[str]:
    """An empty database."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {NAME} (FORCE)")
        server.execute(f"CREATE DATABASE {NAME}")
        yield url_of(NAME)
        server.execute(f"DROP DATABASE {NAME} (FORCE)")


def record(url: str, *migrations: tuple[str, str]) -> None:
    with psycopg.connect(url) as database:
        database.execute("CREATE TABLE django_migrations (app text, name text)")
        database.cursor().executemany("INSERT INTO django_migrations VALUES (%s, %s)", migrations)


def refusal(url: str, tmp_path, *, is_private: bool = True) -> str:
    with pytest.raises(StackError) as refused:
        check_schema(url, tmp_path, is_private=is_private)
    message = str(refused.value)
    assert "\n" not in message
    return message


def test_an_empty_database_is_accepted(url, tmp_path):
    check_schema(url, tmp_path, is_private=True)


@pytest.mark.django_db
def test_todays_database_is_accepted(tmp_path):
    check_schema(url_of(connection.settings_dict["NAME"]), tmp_path, is_private=True)


def test_one_that_is_only_behind_is_accepted(url, tmp_path):
    record(url, ("trades", "0001_initial"), ("auth", "0001_initial"))
    check_schema(url, tmp_path, is_private=True)


def test_migrations_that_are_gone_are_refused_with_the_cure(url, tmp_path):
    record(url, *known_migrations(), ("trades", "0005_roles"))
    assert refusal(url, tmp_path) == (
        f"the database in {tmp_path} was made by an older version of this clone: run `make clean`, then start again"
    )


def test_a_table_that_is_gone_is_refused_whatever_is_recorded(url, tmp_path):
    record(url, ("trades", "0001_initial"))
    with psycopg.connect(url) as database:
        database.execute("CREATE TABLE trades_requestkey ()")
    assert "make clean" in refusal(url, tmp_path)


def test_one_that_the_environment_names_is_called_so(url, tmp_path):
    record(url, ("trades", "0005_roles"))
    assert refusal(url, tmp_path, is_private=False).startswith("the database of DATABASE_URL was made by an older")


def test_up_ends_with_that_one_line(url, tmp_path):
    record(url, ("trades", "0005_roles"))
    servers = {"DATABASE_URL": url, "CELERY_BROKER_URL": os.environ["CELERY_BROKER_URL"]}
    command = [sys.executable, "-m", "config.devstack", "--var", str(tmp_path / "var"), "up"]
    done = subprocess.run(
        command, cwd=ROOT, env=inherited_environment() | servers, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: the database of DATABASE_URL was made by an older version")
