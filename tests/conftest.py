"""Fixtures for every test. Each test that used the database is followed by an audit of the books."""

import os
from collections.abc import Iterator
from decimal import Decimal

import pytest
from django.db import connection
from django.db.backends.postgresql.operations import DatabaseOperations
from hypothesis import settings

import config.celery  # noqa: F401  (tasks are published and run by this application)
from brokerage.models import Instrument, Trader
from holdings import services as holdings
from tests.factories import InstrumentFactory, TraderFactory, UserFactory
from trades.queries.audit import discrepancies
from wallets import services as wallets

pytest_plugins = ["tests.distribution", "tests.tools"]


settings.register_profile("proofs", max_examples=1_000, deadline=None)
if os.environ.get("PROOFS"):
    settings.load_profile("proofs")


@pytest.fixture(scope="session", autouse=True)
def _append_only_tables_can_be_emptied_between_tests() -> Iterator[None]:
    """Triggers keep everybody from truncating a journal. The owner may lift them for one transaction; only tests do."""
    flush = DatabaseOperations.execute_sql_flush

    def flush_without_triggers(self: DatabaseOperations, statements: list[str]) -> None:
        flush(self, ["SET LOCAL session_replication_role = replica", *statements])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "execute_sql_flush", flush_without_triggers)
        yield


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what tests counted (`record_property`): how far a search went is a part of its result."""
    counted = [
        (report.nodeid, *counts)
        for report in terminalreporter.getreports("passed")
        for counts in report.user_properties
    ]
    if counted:
        terminalreporter.section("counted")
    for test, name, number in counted:
        terminalreporter.line(f"{number} {name} by {test}")


@pytest.fixture(autouse=True)
def audit_after(request: pytest.FixtureRequest) -> Iterator[None]:
    """The books must be clean after every test that used the database, unless it broke them on purpose."""
    uses_database = any(name in request.fixturenames for name in ("db", "transactional_db"))
    if not uses_database and not request.node.get_closest_marker("django_db"):
        yield
        return
    request.getfixturevalue("_django_db_helper")
    yield
    if request.node.get_closest_marker("breaks_the_books"):
        return
    connection.check_constraints()
    found = [str(discrepancy) for discrepancy in discrepancies()]
    assert not found, "the books do not agree after the test:\n" + "\n".join(found)


@pytest.fixture
def share() -> Instrument:
    """A share with tick 0.05, lot 1, reference price 100.00 and a band of ±50 %."""
    return InstrumentFactory(symbol="ACME")


@pytest.fixture
def alice() -> Trader:
    """Alice has cash: 100,000.00."""
    return _trader("alice", cash="100000.00")


@pytest.fixture
def bob() -> Trader:
    """Bob has shares: 1,000 of ACME."""
    return _trader("bob", shares={"ACME": 1000})


@pytest.fixture
def carol() -> Trader:
    """Carol has nothing."""
    return _trader("carol")


def _trader(username: str, *, cash: str | None = None, shares: dict[str, int] | None = None) -> Trader:
    trader = TraderFactory(name=username.title())
    UserFactory(username=username, trader=trader)
    if cash:
        wallets.deposit(trader_id=trader.pk, amount=Decimal(cash), key="opening")
    for symbol, quantity in (shares or {}).items():
        holdings.deposit(trader_id=trader.pk, symbol=symbol, amount=quantity, key=f"opening-{symbol}")
    return trader
