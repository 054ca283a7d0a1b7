"""What other apps call to move cash."""

from collections.abc import Iterable
from decimal import Decimal

from django.db import transaction

from brokerage.db.transactions import retrying
from brokerage.journal.idempotency import KeyReusedError, Receipt, find_receipt
from brokerage.traders import UnknownTraderError
from wallets.ledger import Ledger, LedgerError, Shortfall
from wallets.models import Kind, WalletEntry
from wallets.opening_balances import deposit_opening_balances

__all__ = [
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


def open_ledger(trader_ids: Iterable[int]) -> Ledger:
    """Lock the traders' wallets for movements in the caller's transaction. Raises UnknownTraderError."""
    return Ledger.open(trader_ids)


@retrying
def deposit(*, trader_id: int, amount: Decimal, key: str, note: str = "") -> Receipt[WalletEntry]:
    """Add `amount` > 0 from the bank, once per (trader, key).

    Raises UnknownTraderError, KeyReusedError if the key stands for another kind or amount, LedgerError or ValueError
    for an impossible amount.
    """
    with transaction.atomic(durable=True):
        ledger = open_ledger([trader_id])
        terms = {"kind": Kind.DEPOSIT, "amount": amount}
        if earlier := find_receipt(WalletEntry.objects.all(), trader_id=trader_id, key=key, **terms):
            return earlier
        ledger.deposit(trader_id, amount, key=key, note=note)
        entry, *_ = ledger.post()  # a repayment of debt out of it comes behind
    return Receipt(entry, replayed=False)


@retrying
def withdraw(*, trader_id: int, amount: Decimal, key: str, note: str = "") -> Receipt[WalletEntry] | Shortfall:
    """Take `amount` > 0 out to the bank, once per (trader, key); return the shortfall if less is available.

    A refusal leaves no trace: the same key may be tried again. Raises as `deposit` does.
    """
    with transaction.atomic(durable=True):
        ledger = open_ledger([trader_id])
        terms = {"kind": Kind.WITHDRAWAL, "amount": -amount}
        if earlier := find_receipt(WalletEntry.objects.all(), trader_id=trader_id, key=key, **terms):
            return earlier
        if shortfall := ledger.withdraw(trader_id, amount, key=key, note=note):
            return shortfall
        [entry] = ledger.post()
    return Receipt(entry, replayed=False)
