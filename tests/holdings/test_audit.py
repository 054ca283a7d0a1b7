"""The audit finds what it is there to find. Each test damages the books, looks, and takes the damage back."""

from uuid import UUID

import pytest
from django.db import connection, transaction

from holdings import services
from holdings.audit import audit
from holdings.services import Key

# The trades named here exist in the holdings' journal only.
pytestmark = [pytest.mark.breaks_the_books, pytest.mark.usefixtures("own_books")]


@pytest.fixture
def journal(dora: Key, trade: UUID) -> Key:
    with transaction.atomic():
        ledger = services.open_ledger([dora])
        ledger.block(dora, 50, trade_id=trade)
        ledger.settle(dora, amount=-20, hold_change=-20, trade_id=trade, execution="E1")
        ledger.post()
    return dora


def found_after(*damage: str) -> dict[str, tuple[str, str]]:
    """Return what the audit finds, by code, once the triggers are off and `damage` is done."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("ALTER TABLE holdings_holdingentry DISABLE TRIGGER USER")
            for statement in damage:
                cursor.execute(statement)
        found = {each.code: (each.expected, each.found) for each in audit()}
        transaction.set_rollback(True)
    return found


def test_finds_nothing_in_clean_books(journal: Key) -> None:
    assert found_after() == {}


@pytest.mark.parametrize(
    ("damage", "code", "expected", "found"),
    [
        ("UPDATE holdings_holding SET quantity = quantity + 1", "holding.quantity", "80", "81"),
        ("UPDATE holdings_holding SET blocked = blocked - 1", "holding.blocked", "30", "29"),
        ("UPDATE holdings_holding SET short = 1, blocked = quantity", "holding.short", "0", "1"),
        ("DELETE FROM holdings_holding", "holding.quantity", "80", "None"),
        ("DELETE FROM holdings_holdingentry WHERE kind = 'SETTLE'", "holding.quantity", "100", "80"),
        ("UPDATE holdings_holding SET quantity = quantity + 1", "holding.trial_balance",
         "80 (depository 100, clearing -20)", "81"),
        ("UPDATE holdings_holdingentry SET quantity_after = 99 WHERE kind = 'BLOCK'", "holding.chain",
         "quantity 79, blocked 30, short 0", "quantity 80, blocked 30, short 0"),
        ("DELETE FROM holdings_holdingentry WHERE kind = 'BLOCK'", "holding.trade_hold", "at least 0", "-20"),
    ],
)  # fmt: skip
def test_finds(journal: Key, damage: str, code: str, expected: str, found: str) -> None:
    assert found_after(damage)[code] == (expected, found)


def test_finds_what_a_dropped_constraint_let_in(journal: Key) -> None:
    found = found_after(
        "ALTER TABLE holdings_holding DROP CONSTRAINT holding_blocked_within_quantity",
        "UPDATE holdings_holding SET blocked = quantity + 1",
    )
    assert found["holding.limits"][1] == "quantity 80, blocked 81, short 0"


def test_finds_an_execution_settled_twice(journal: Key) -> None:
    found = found_after(
        "DROP INDEX holding_entry_settles_an_execution_once",
        "INSERT INTO holdings_holdingentry (trader_id, symbol, kind, contra, amount, blocked_change, short_change,"
        " quantity_after, blocked_after, short_after, trade_id, execution, note, at)"
        " SELECT trader_id, symbol, kind, contra, amount, blocked_change, short_change, quantity_after,"
        " blocked_after, short_after, trade_id, execution, note, at FROM holdings_holdingentry WHERE kind = 'SETTLE'",
    )
    assert found["holding.settled_once"] == ("1 entry", "2")
