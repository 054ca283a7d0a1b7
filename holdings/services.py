"""What other apps call to move shares."""

from collections.abc import Iterable

from django.db import transaction

from brokerage.db.transactions import retrying
from brokerage.journal.idempotency import KeyReusedError, Receipt, find_receipt
from brokerage.traders import UnknownTraderError
from holdings.ledger import Key, Ledger, LedgerError, Shortfall
from holdings.models import HoldingEntry, Kind
from holdings.opening_balances import deposit_opening_balances

__all__ = [
    "Key",
    "KeyReusedError",
    "Ledger",
    "LedgerError",
    "Receipt",
    "Shortfall",
    "UnknownTraderError",
    "deposit",
    "deposit_opening_balances",
    "open_ledger",
    "withdraw",
]


def open_ledger(keys: Iterable[Key]) -> Ledger:
    """Lock the holdings of (trader_id, symbol) for movements in the caller's transaction. Raises UnknownTraderError."""
    return Ledger.open(keys)


@retrying
def deposit(*, trader_id: int, symbol: str, amount: int, key: str, note: str = "") -> Receipt[HoldingEntry]:
    """Add `amount` > 0 shares from the depository, once per (trader, key).

    Raises UnknownTraderError, KeyReusedError if the key stands for another symbol, kind or amount, LedgerError or
    ValueError for an impossible amount.
    """
    with transaction.atomic(durable=True):
        ledger = open_ledger([(trader_id, symbol)])
        terms = {"kind": Kind.DEPOSIT, "amount": amount, "symbol": symbol}
        if earlier := find_receipt(HoldingEntry.objects.all(), trader_id=trader_id, key=key, **terms):
            return earlier
        ledger.deposit((trader_id, symbol), amount, key=key, note=note)
        entry, *_ = ledger.post()  # a repayment of the short out of it comes behind
    return Receipt(entry, replayed=False)


@retrying
def withdraw(
    *, trader_id: int, symbol: str, amount: int, key: str, note: str = ""
) -> Receipt[HoldingEntry] | Shortfall:
    """Take `amount` > 0 shares out to the depository, once per (trader, key); return the shortfall if fewer are there.

    A refusal leaves no trace: the same key may be tried again. Raises as `deposit` does.
    """
    with transaction.atomic(durable=True):
        ledger = open_ledger([(trader_id, symbol)])
        terms = {"kind": Kind.WITHDRAWAL, "amount": -amount, "symbol": symbol}
        if earlier := find_receipt(HoldingEntry.objects.all(), trader_id=trader_id, key=key, **terms):
            return earlier
        if shortfall := ledger.withdraw((trader_id, symbol), amount, key=key, note=note):
            return shortfall
        [entry] = ledger.post()
    return Receipt(entry, replayed=False)
