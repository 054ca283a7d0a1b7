"""Deposits and withdrawals happen once per trader and key, however often the call is repeated."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic

from django.db.models import QuerySet

from brokerage.journal.entries import EntryT

KEY_LENGTH = 128


class KeyReusedError(ValueError):
    """The trader's idempotency key was used for another movement."""


@dataclass(frozen=True, slots=True)
class Receipt(Generic[EntryT]):
    """The entry of a deposit or withdrawal that was made: now, or earlier under the same key (`replayed`)."""

    entry: EntryT
    replayed: bool


def find_receipt(entries: QuerySet[EntryT], *, trader_id: int, key: str, **terms: Any) -> Receipt[EntryT] | None:
    """Return the receipt of the movement that was made under this key; None if the key is new.

    `terms` are the columns that a repeated call must agree with, such as kind and amount. Call it under the lock of
    the account: there a second call with the same key waits for the first, and then finds its entry. Raises
    KeyReusedError if the terms differ, ValueError for a key that is empty or longer than 128 characters.
    """
    if not 0 < len(key) <= KEY_LENGTH:
        raise ValueError(f"a key has 1 to {KEY_LENGTH} characters")
    entry = entries.filter(trader_id=trader_id, key=key).first()
    if entry is None:
        return None
    found = {name: getattr(entry, name) for name in terms}
    if found != terms:
        movement = " ".join(map(_signed, found.values()))
        raise KeyReusedError(f"key {key!r} of trader {trader_id} already stands for {movement}")
    return Receipt(entry, replayed=True)


def _signed(value: object) -> str:
    return f"{value:+}" if isinstance(value, Decimal | int) else str(value)
