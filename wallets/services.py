"""What the rest of the house calls to move cash."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice

from django.db import transaction

from brokerage.db.transactions import retrying
from wallets.ledger import Ledger, Shortfall, UncoveredError, UnknownTraderError
from wallets.models import Kind, WalletEntry
from wallets.opening import open_funded
from wallets.selectors import entries_with_keys

__all__ = [
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

    entry: WalletEntry
    replayed: bool


def open_ledger(trader_ids: Iterable[int]) -> Ledger:
    """Lock the traders' wallets for movements in the caller's transaction. Raises UnknownTraderError."""
    return Ledger.open(trader_ids)


@retrying
def deposit(*, trader_id: int, amount: Decimal, key: str, note: str = "") -> Receipt:
    """Add `amount` > 0 from the bank, once per (trader, key).

    Raises UnknownTraderError, KeyReusedError if the key stands for another kind or amount, UncoveredError or ValueError
    for an impossible amount.
    """
    with transaction.atomic(durable=True):
        ledger = open_ledger([trader_id])
        if earlier := _earlier(trader_id, key, Kind.DEPOSIT, amount):
            return Receipt(earlier, replayed=True)
        ledger.deposit(trader_id, amount, key=key, note=note)
        entry, *_ = ledger.post()  # what is repaid out of it comes behind
    return Receipt(entry, replayed=False)


@retrying
def withdraw(*, trader_id: int, amount: Decimal, key: str, note: str = "") -> Receipt | Shortfall:
    """Take `amount` > 0 out to the bank, once per (trader, key), or say how much is missing.

    A refusal leaves no trace: the same key may be tried again. Raises as `deposit` does.
    """
    with transaction.atomic(durable=True):
        ledger = open_ledger([trader_id])
        if earlier := _earlier(trader_id, key, Kind.WITHDRAWAL, -amount):
            return Receipt(earlier, replayed=True)
        if shortfall := ledger.withdraw(trader_id, amount, key=key, note=note):
            return shortfall
        [entry] = ledger.post()
    return Receipt(entry, replayed=False)


def open_many(rows: Iterable[tuple[int, Decimal, str]]) -> int:
    """Deposit for many traders at once, for seeding: rows of (trader_id, amount, key), each as `deposit` would.

    Commits every few thousand rows and may be run again: keys already used are skipped. Returns how many were new.
    """
    remaining, new = iter(rows), 0
    while chunk := list(islice(remaining, OPENED_AT_ONCE)):
        new += _open_chunk(chunk)
    return new


@retrying
def _open_chunk(rows: Sequence[tuple[int, Decimal, str]]) -> int:
    with transaction.atomic(durable=True):
        first = {row[0]: row for row in reversed(rows)}
        opened = open_funded(first.values())
        others = [row for row in rows if row[0] not in opened or row is not first[row[0]]]
        ledger = open_ledger(trader_id for trader_id, _, _ in others)
        used = entries_with_keys({row[0] for row in others}, {row[2] for row in others})
        for trader_id, amount, key in others:
            if earlier := used.get((trader_id, key)):
                _must_match(earlier, Kind.DEPOSIT, amount)
            else:
                ledger.deposit(trader_id, amount, key=key)
        return len(opened) + sum(entry.kind == Kind.DEPOSIT for entry in ledger.post())


def _earlier(trader_id: int, key: str, kind: Kind, amount: Decimal) -> WalletEntry | None:
    """Return the entry this key already stands for. Ask under the wallet's lock: a second call waits for the first."""
    if not 0 < len(key) <= KEY_LENGTH:
        raise ValueError(f"a key has 1 to {KEY_LENGTH} characters")
    entry = entries_with_keys([trader_id], [key]).get((trader_id, key))
    if entry is not None:
        _must_match(entry, kind, amount)
    return entry


def _must_match(entry: WalletEntry, kind: Kind, amount: Decimal) -> None:
    if (entry.kind, entry.amount) != (kind, amount):
        raise KeyReusedError(
            f"key {entry.key!r} of trader {entry.trader_id} already stands for {entry.kind} {entry.amount:+}"
        )
