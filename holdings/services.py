"""What the rest of the house calls to move shares."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from django.db import transaction

from brokerage.db.transactions import retrying
from holdings.ledger import Key, Ledger, Shortfall, UncoveredError, UnknownTraderError
from holdings.models import HoldingEntry, Kind
from holdings.opening import open_funded
from holdings.selectors import entries_with_keys

__all__ = [
    "Key",
    "KeyReusedError",
    "Ledger",
    "Receipt",
    "Shortfall",
    "UncoveredError",
    "UnknownTraderError",
    "deposit",
    "open_ledger",
    "open_many",
    "withdraw",
]

KEY_LENGTH = 128
OPENED_AT_ONCE = 5_000


class KeyReusedError(ValueError):
    """The trader's idempotency key already stands for another movement."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A deposit or withdrawal that was made: now, or earlier under the same key."""

    entry: HoldingEntry
    replayed: bool


def open_ledger(keys: Iterable[Key]) -> Ledger:
    """Lock the holdings of (trader_id, symbol) for movements in the caller's transaction. Raises UnknownTraderError."""
    return Ledger.open(keys)


@retrying
def deposit(*, trader_id: int, symbol: str, amount: int, key: str, note: str = "") -> Receipt:
    """Add `amount` > 0 shares from the depository, once per (trader, key).

    Raises UnknownTraderError, KeyReusedError if the key stands for another symbol, kind or amount, UncoveredError or
    ValueError for an impossible amount.
    """
    with transaction.atomic(durable=True):
        ledger = open_ledger([(trader_id, symbol)])
        if earlier := _earlier(trader_id, key, symbol, Kind.DEPOSIT, amount):
            return Receipt(earlier, replayed=True)
        ledger.deposit((trader_id, symbol), amount, key=key, note=note)
        entry, *_ = ledger.post()  # what is repaid out of it comes behind
    return Receipt(entry, replayed=False)


@retrying
def withdraw(*, trader_id: int, symbol: str, amount: int, key: str, note: str = "") -> Receipt | Shortfall:
    """Take `amount` > 0 shares out to the depository, once per (trader, key), or say how many are missing.

    A refusal leaves no trace: the same key may be tried again. Raises as `deposit` does.
    """
    with transaction.atomic(durable=True):
        ledger = open_ledger([(trader_id, symbol)])
        if earlier := _earlier(trader_id, key, symbol, Kind.WITHDRAWAL, -amount):
            return Receipt(earlier, replayed=True)
        if shortfall := ledger.withdraw((trader_id, symbol), amount, key=key, note=note):
            return shortfall
        [entry] = ledger.post()
    return Receipt(entry, replayed=False)


def open_many(rows: Iterable[tuple[int, str, int, str]]) -> int:
    """Deposit for many traders at once, for seeding: rows of (trader_id, symbol, amount, key), each as `deposit` would.

    Commits every few thousand rows and may be run again: keys already used are skipped. Returns how many were new.
    """
    remaining, new = iter(rows), 0
    while chunk := list(islice(remaining, OPENED_AT_ONCE)):
        new += _open_chunk(chunk)
    return new


@retrying
def _open_chunk(rows: Sequence[tuple[int, str, int, str]]) -> int:
    with transaction.atomic(durable=True):
        first = {row[:2]: row for row in reversed(rows)}
        opened = open_funded(first.values())
        others = [row for row in rows if row[:2] not in opened or row is not first[row[:2]]]
        ledger = open_ledger((trader_id, symbol) for trader_id, symbol, _, _ in others)
        used = entries_with_keys({row[0] for row in others}, {row[3] for row in others})
        for trader_id, symbol, amount, key in others:
            if earlier := used.get((trader_id, key)):
                _must_match(earlier, symbol, Kind.DEPOSIT, amount)
            else:
                ledger.deposit((trader_id, symbol), amount, key=key)
        return len(opened) + sum(entry.kind == Kind.DEPOSIT for entry in ledger.post())


def _earlier(trader_id: int, key: str, symbol: str, kind: Kind, amount: int) -> HoldingEntry | None:
    """Return the entry this key already stands for. Ask under the holding's lock: a second call waits for the first."""
    if not 0 < len(key) <= KEY_LENGTH:
        raise ValueError(f"a key has 1 to {KEY_LENGTH} characters")
    entry = entries_with_keys([trader_id], [key]).get((trader_id, key))
    if entry is not None:
        _must_match(entry, symbol, kind, amount)
    return entry


def _must_match(entry: HoldingEntry, symbol: str, kind: Kind, amount: int) -> None:
    if (entry.symbol, entry.kind, entry.amount) != (symbol, kind, amount):
        raise KeyReusedError(
            f"key {entry.key!r} of trader {entry.trader_id} already stands for"
            f" {entry.kind} {entry.amount:+} {entry.symbol}"
        )
