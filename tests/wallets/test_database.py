"""What the database itself refuses, whoever asks."""

from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from wallets import services
from wallets.models import WalletEntry


def run(sql: str, *values: object) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, values)


class TestWallet:
    @pytest.mark.parametrize(
        ("change", "constraint"),
        [
            ("blocked = -0.01", "wallet_blocked_within_balance"),
            ("blocked = 100.01", "wallet_blocked_within_balance"),
            ("balance = -0.01", "wallet_blocked_within_balance"),
            ("balance = 'NaN'", "wallet_blocked_within_balance"),
            ("debt = -0.01", "wallet_debt_not_negative"),
            ("debt = 'NaN', blocked = 100", "wallet_debt_not_negative"),
            ("debt = 0.01", "wallet_in_debt_has_nothing_available"),
        ],
    )
    def test_refuses(self, dora: int, change: str, constraint: str) -> None:
        with pytest.raises(IntegrityError, match=constraint):
            run(f"UPDATE wallets_wallet SET {change} WHERE trader_id = %s", dora)  # noqa: S608

    def test_takes_a_debt_when_all_is_blocked(self, dora: int) -> None:
        with transaction.atomic():
            run("UPDATE wallets_wallet SET debt = 5, blocked = balance WHERE trader_id = %s", dora)
            transaction.set_rollback(True)


def entry(trader_id: int, **differences: object) -> WalletEntry:
    zero = Decimal(0)
    facts = {
        "kind": "DEPOSIT", "contra": "bank", "amount": Decimal(1), "blocked_change": zero, "debt_change": zero,
        "balance_after": Decimal(101), "blocked_after": zero, "debt_after": zero, "key": "k", "at": "2026-01-05T10:00Z",
    }  # fmt: skip
    return WalletEntry(trader_id=trader_id, **facts | differences)


class TestEntry:
    @pytest.mark.parametrize(
        "differences",
        [
            {"contra": "clearing"},
            {"amount": -1},
            {"amount": 0},
            {"blocked_change": 1},
            {"debt_change": 1},
            {"key": None},
            {"kind": "WITHDRAWAL"},
            {"kind": "GIFT"},
            {"kind": "BLOCK", "contra": "own", "trade_id": uuid4()},
            {"kind": "BLOCK", "contra": "own", "amount": 0, "blocked_change": 1},
            {"kind": "RELEASE", "contra": "own", "amount": 0, "blocked_change": 1, "trade_id": uuid4()},
            {"kind": "SETTLE", "contra": "clearing", "trade_id": uuid4()},
            {"kind": "SETTLE", "contra": "clearing", "execution": "E1"},
            {"kind": "FEE", "contra": "fees"},
            {"kind": "LOAN", "contra": "house"},
            {"kind": "REPAY", "contra": "house", "debt_change": 1},
        ],
    )
    def test_must_fit_its_kind(self, dora: int, differences: dict[str, object]) -> None:
        with pytest.raises(IntegrityError, match="wallet_entry_fits_its_kind"), transaction.atomic():
            entry(dora, **differences).save()

    @pytest.mark.parametrize("after", [{"balance_after": -1}, {"blocked_after": 102}, {"blocked_after": -1}])
    def test_must_leave_a_possible_wallet(self, dora: int, after: dict[str, int]) -> None:
        with pytest.raises(IntegrityError, match="wallet_entry_leaves_blocked_within_balance"), transaction.atomic():
            entry(dora, **after).save()

    def test_uses_a_key_once_per_trader(self, dora: int) -> None:
        with pytest.raises(IntegrityError, match="wallet_entry_key_once_per_trader"), transaction.atomic():
            entry(dora, key="dora's money").save()


class TestJournal:
    @pytest.mark.parametrize(
        "sql",
        [
            "UPDATE wallets_walletentry SET note = 'changed'",
            "DELETE FROM wallets_walletentry",
            "DELETE FROM wallets_walletentry WHERE false",
            "TRUNCATE wallets_walletentry",
        ],
    )
    def test_is_append_only(self, dora: int, sql: str) -> None:
        with pytest.raises(DatabaseError, match="wallets_walletentry is append-only"):
            run(sql)

    def test_refuses_the_orm_too(self, dora: int) -> None:
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            WalletEntry.objects.filter(trader_id=dora).delete()
        receipt = services.deposit(trader_id=dora, amount=Decimal(1), key="another")
        receipt.entry.note = "changed"
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            receipt.entry.save()
