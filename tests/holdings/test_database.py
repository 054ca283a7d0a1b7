"""What the database itself refuses, whoever asks."""

from uuid import uuid4

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from holdings import services
from holdings.models import HoldingEntry
from holdings.services import Key


def run(sql: str, *values: object) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, values)


class TestHolding:
    @pytest.mark.parametrize(
        ("change", "constraint"),
        [
            ("blocked = -1", "holding_blocked_within_quantity"),
            ("blocked = 101", "holding_blocked_within_quantity"),
            ("quantity = -1", "holding_blocked_within_quantity"),
            ("short = -1, blocked = quantity", "holding_short_not_negative"),
            ("short = 1", "holding_short_has_nothing_available"),
        ],
    )
    def test_refuses(self, dora: Key, change: str, constraint: str) -> None:
        with pytest.raises(IntegrityError, match=constraint):
            run(f"UPDATE holdings_holding SET {change} WHERE trader_id = %s", dora[0])  # noqa: S608

    def test_is_there_once_per_trader_and_symbol(self, dora: Key) -> None:
        with pytest.raises(IntegrityError, match="holding_once_per_trader_and_symbol"):
            run(
                "INSERT INTO holdings_holding (trader_id, symbol, quantity, blocked, short, updated_at)"
                " VALUES (%s, %s, 0, 0, 0, now())",
                *dora,
            )

    def test_is_short_when_all_is_blocked(self, dora: Key) -> None:
        with transaction.atomic():
            run("UPDATE holdings_holding SET short = 5, blocked = quantity WHERE trader_id = %s", dora[0])
            transaction.set_rollback(True)


def entry(of: Key, **differences: object) -> HoldingEntry:
    facts = {
        "kind": "DEPOSIT", "contra": "depository", "amount": 1, "blocked_change": 0, "short_change": 0,
        "quantity_after": 101, "blocked_after": 0, "short_after": 0, "key": "k", "at": "2026-01-05T10:00Z",
    }  # fmt: skip
    return HoldingEntry(trader_id=of[0], symbol=of[1], **facts | differences)


class TestEntry:
    @pytest.mark.parametrize(
        "differences",
        [
            {"contra": "clearing"},
            {"amount": -1},
            {"amount": 0},
            {"blocked_change": 1},
            {"short_change": 1},
            {"key": None},
            {"kind": "WITHDRAWAL"},
            {"kind": "GIFT"},
            {"kind": "BLOCK", "contra": "own", "trade_id": uuid4()},
            {"kind": "BLOCK", "contra": "own", "amount": 0, "blocked_change": 1},
            {"kind": "RELEASE", "contra": "own", "amount": 0, "blocked_change": 1, "trade_id": uuid4()},
            {"kind": "SETTLE", "contra": "clearing", "trade_id": uuid4()},
            {"kind": "SETTLE", "contra": "clearing", "execution": "E1"},
            {"kind": "LOAN", "contra": "house"},
            {"kind": "REPAY", "contra": "house", "short_change": 1},
        ],
    )
    def test_must_fit_its_kind(self, dora: Key, differences: dict[str, object]) -> None:
        with pytest.raises(IntegrityError, match="holding_entry_fits_its_kind"), transaction.atomic():
            entry(dora, **differences).save()

    @pytest.mark.parametrize("after", [{"quantity_after": -1}, {"blocked_after": 102}, {"blocked_after": -1}])
    def test_must_leave_a_possible_holding(self, dora: Key, after: dict[str, int]) -> None:
        with pytest.raises(IntegrityError, match="holding_entry_leaves_blocked_within_quantity"), transaction.atomic():
            entry(dora, **after).save()

    def test_uses_a_key_once_per_trader(self, dora: Key) -> None:
        with pytest.raises(IntegrityError, match="holding_entry_key_once_per_trader"), transaction.atomic():
            entry(dora, key="dora's shares").save()


class TestJournal:
    @pytest.mark.parametrize(
        "sql",
        [
            "UPDATE holdings_holdingentry SET note = 'changed'",
            "DELETE FROM holdings_holdingentry",
            "DELETE FROM holdings_holdingentry WHERE false",
            "TRUNCATE holdings_holdingentry",
        ],
    )
    def test_is_append_only(self, dora: Key, sql: str) -> None:
        with pytest.raises(DatabaseError, match="holdings_holdingentry is append-only"):
            run(sql)

    def test_refuses_the_orm_too(self, dora: Key) -> None:
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            HoldingEntry.objects.filter(trader_id=dora[0]).delete()
        receipt = services.deposit(trader_id=dora[0], symbol=dora[1], amount=1, key="another")
        receipt.entry.note = "changed"
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            receipt.entry.save()
