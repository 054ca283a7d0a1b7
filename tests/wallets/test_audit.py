"""The audit finds what it is there to find. Each test damages the books, looks, and takes the damage back."""

from decimal import Decimal
from uuid import UUID

import pytest
from django.db import connection, transaction

from wallets import services
from wallets.audit import audit

# The trades named here exist in the wallets' journal only.
pytestmark = [pytest.mark.breaks_the_books, pytest.mark.usefixtures("own_books")]


@pytest.fixture
def journal(dora: int, trade: UUID) -> int:
    with transaction.atomic():
        ledger = services.open_ledger([dora])
        ledger.block(dora, Decimal("50.00"), trade_id=trade)
        ledger.settle(dora, amount=Decimal("-20.00"), hold_change=Decimal("-20.00"), trade_id=trade, execution="E1")
        ledger.post()
    return dora


def found_after(*damage: str) -> dict[str, tuple[str, str]]:
    """Return what the audit finds, by code, once the triggers are off and `damage` is done."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("ALTER TABLE wallets_walletentry DISABLE TRIGGER USER")
            for statement in damage:
                cursor.execute(statement)
        found = {each.code: (each.expected, each.found) for each in audit()}
        transaction.set_rollback(True)
    return found


def test_finds_nothing_in_clean_books(journal: int) -> None:
    assert found_after() == {}


@pytest.mark.parametrize(
    ("damage", "code", "expected", "found"),
    [
        ("UPDATE wallets_wallet SET balance = balance + 1", "wallet.balance", "80.00", "81.00"),
        ("UPDATE wallets_wallet SET blocked = blocked - 1", "wallet.blocked", "30.00", "29.00"),
        ("UPDATE wallets_wallet SET debt = 1, blocked = balance", "wallet.debt", "0.00", "1.00"),
        ("DELETE FROM wallets_wallet", "wallet.balance", "80.00", "None"),
        ("DELETE FROM wallets_walletentry WHERE kind = 'SETTLE'", "wallet.balance", "100.00", "80.00"),
        ("UPDATE wallets_wallet SET balance = balance + 1", "wallet.trial_balance",
         "80.00 (bank 100.00, clearing -20.00, fees 0)", "81.00"),
        ("UPDATE wallets_walletentry SET balance_after = 99 WHERE kind = 'BLOCK'", "wallet.chain",
         "balance 79.00, blocked 30.00, debt 0.00", "balance 80.00, blocked 30.00, debt 0.00"),
        ("DELETE FROM wallets_walletentry WHERE kind = 'BLOCK'", "wallet.trade_hold", "at least 0", "-20.00"),
    ],
)  # fmt: skip
def test_finds(journal: int, damage: str, code: str, expected: str, found: str) -> None:
    assert found_after(damage)[code] == (expected, found)


def test_finds_what_a_dropped_constraint_let_in(journal: int) -> None:
    found = found_after(
        "ALTER TABLE wallets_wallet DROP CONSTRAINT wallet_blocked_within_balance",
        "UPDATE wallets_wallet SET blocked = balance + 1",
    )
    assert found["wallet.limits"][1] == "balance 80.00, blocked 81.00, debt 0.00"


def test_finds_an_execution_settled_twice(journal: int) -> None:
    found = found_after(
        "DROP INDEX wallet_entry_settles_an_execution_once",
        "INSERT INTO wallets_walletentry (trader_id, kind, contra, amount, blocked_change, debt_change, balance_after,"
        " blocked_after, debt_after, trade_id, execution, note, at)"
        " SELECT trader_id, kind, contra, amount, blocked_change, debt_change, balance_after,"
        " blocked_after, debt_after, trade_id, execution, note, at FROM wallets_walletentry WHERE kind = 'SETTLE'",
    )
    assert found["wallet.settled_once"] == ("1 entry", "2")
