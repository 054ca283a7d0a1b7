"""The one module that moves cash: it locks the wallets of a batch, decides in order of arrival, and writes all at once.

However many movements a batch has, it costs one statement to open missing wallets, one to lock, one to write the
wallets and one to write the journal.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, Self
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from brokerage.db.bulk import insert_many, update_many
from brokerage.db.locks import lock_rows
from brokerage.db.transactions import transaction_required
from brokerage.journal.loan_log import record_loans
from brokerage.money import CURRENCY, exact, plain, positive, positive_or_zero
from brokerage.traders import UnknownTraderError
from wallets.models import CONTRA, LIMIT, NOTHING, Kind, Wallet, WalletEntry

_OPEN_MISSING = """
    INSERT INTO wallets_wallet (trader_id, currency, balance, blocked, debt, updated_at)
    SELECT t.id, %s, 0, 0, 0, now()
      FROM brokerage_trader t
     WHERE t.id = ANY(%s) AND NOT EXISTS (SELECT FROM wallets_wallet w WHERE w.trader_id = t.id)
     ORDER BY t.id
        ON CONFLICT DO NOTHING
"""


class LedgerError(ValueError):
    """A mistake of the caller: the movement releases more than is blocked, or a figure outgrows its column."""


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A refusal for want of money: what was asked for, what there was, and the difference."""

    needed: Decimal
    available: Decimal

    @property
    def short(self) -> Decimal:
        return self.needed - self.available

    def as_json(self) -> dict[str, str]:
        return {"needed": plain(self.needed), "available": plain(self.available), "short": plain(self.short)}


class Ledger:
    """The wallets of one batch, locked until the caller's transaction ends.

    Movements change the wallets in memory, each on top of the one before, so that several of one wallet add up; `post`
    writes the outcome. Amounts are `Decimal` or `int` in the currency's scale. Floats raise TypeError, fractions of a
    paisa and negative amounts ValueError, a trader who was not opened KeyError.

    What the exchange says is a fact and never refused: where it needs more than is available, the house lends the
    difference, and takes it back as soon as something is available again. While in debt, therefore, nothing is.
    """

    def __init__(self, wallets: Iterable[Wallet]) -> None:
        self._wallets = {wallet.trader_id: wallet for wallet in wallets}
        self._entries: list[WalletEntry] = []

    @classmethod
    @transaction_required
    def open(cls, trader_ids: Iterable[int]) -> Self:
        """Lock the traders' wallets in order of trader, opening those that are missing; once per transaction.

        Missing rows are inserted before the first lock and in key order: two batches that open the same ones wait for
        each other in one direction only. Raises UnknownTraderError if there is no such trader.
        """
        ids = sorted(set(trader_ids))
        ledger = cls(())
        if not ids:
            return ledger
        with connection.cursor() as cursor:
            cursor.execute(_OPEN_MISSING, [CURRENCY, ids])
        wallets = lock_rows(Wallet.objects.filter(trader_id__in=ids))
        if len(wallets) != len(ids):
            unknown = set(ids) - {wallet.trader_id for wallet in wallets}
            raise UnknownTraderError(f"no trader {', '.join(map(str, sorted(unknown)))}")
        ledger._wallets = {wallet.trader_id: wallet for wallet in wallets}
        return ledger

    def __getitem__(self, trader_id: int) -> Wallet:
        """Return the wallet as the movements so far leave it. For reading."""
        try:
            return self._wallets[trader_id]
        except KeyError:
            raise KeyError(f"the wallet of trader {trader_id} was not opened") from None

    def available(self, trader_id: int) -> Decimal:
        """Return what the trader could block or withdraw now."""
        wallet = self[trader_id]
        return wallet.balance - wallet.blocked

    def block(
        self, trader_id: int, amount: Decimal, *, trade_id: UUID, trade_revision: int | None = None
    ) -> Shortfall | None:
        """Block `amount` for a trade. If less is available, nothing changes and the shortfall is returned."""
        amount, wallet = positive_or_zero(amount), self[trader_id]
        available = wallet.balance - wallet.blocked
        if amount > available:
            return Shortfall(amount, available)
        if amount:
            self._enter(Kind.BLOCK, trader_id, blocked_change=amount, trade_id=trade_id, trade_revision=trade_revision)
        return None

    def block_on_credit(
        self, trader_id: int, amount: Decimal, *, trade_id: UUID, trade_revision: int | None = None
    ) -> None:
        """Block `amount` on the exchange's word (a restatement, a bust). The house lends what is not available."""
        amount = positive_or_zero(amount)
        if amount:
            self._enter(
                Kind.BLOCK,
                trader_id,
                blocked_change=amount,
                on_credit=True,
                trade_id=trade_id,
                trade_revision=trade_revision,
            )

    def release(self, trader_id: int, amount: Decimal, *, trade_id: UUID, trade_revision: int | None = None) -> None:
        """Give back `amount` of what a trade blocked. Raises LedgerError if it is more than is blocked."""
        amount = positive_or_zero(amount)
        if amount:
            self._enter(
                Kind.RELEASE, trader_id, blocked_change=-amount, trade_id=trade_id, trade_revision=trade_revision
            )

    def settle(
        self,
        trader_id: int,
        *,
        amount: Decimal,
        hold_change: Decimal,
        trade_id: UUID,
        execution: str,
        trade_revision: int | None = None,
        fee: Decimal = NOTHING,
    ) -> None:
        """Pay (`amount` < 0) or receive for one execution version, and change the trade's hold, in one entry.

        Written even if both are 0: the entry is the proof that the execution was settled, and the database takes only
        one. `fee` is charged with it, or given back (< 0), in an entry of its own. The house lends what is not
        available for both together. Raises LedgerError if it frees more than is blocked.
        """
        self._enter(
            Kind.SETTLE,
            trader_id,
            amount=exact(amount),
            blocked_change=exact(hold_change),
            fee=exact(fee),
            on_credit=True,
            trade_id=trade_id,
            trade_revision=trade_revision,
            execution=execution,
        )

    def deposit(self, trader_id: int, amount: Decimal, *, key: str, note: str = "") -> None:
        """Add money that came from the bank; `amount` > 0."""
        self._enter(Kind.DEPOSIT, trader_id, amount=positive(amount), key=key, note=note)

    def withdraw(self, trader_id: int, amount: Decimal, *, key: str, note: str = "") -> Shortfall | None:
        """Take out money that goes to the bank; `amount` > 0. If less is available, nothing changes."""
        amount = positive(amount)
        available = self.available(trader_id)
        if amount > available:
            return Shortfall(amount, available)
        self._enter(Kind.WITHDRAWAL, trader_id, amount=-amount, key=key, note=note)
        return None

    @transaction_required
    def post(self, *, at: datetime | None = None) -> list[WalletEntry]:
        """Write all movements since the last post, as of `at` or now, and return their entries in order.

        Each wallet is written once, with the sum of its movements; PostgreSQL would apply only one of two rows.
        """
        at = at or timezone.now()
        entries, self._entries = self._entries, []
        for entry in entries:
            entry.at = at
        changed = [self._wallets[trader_id] for trader_id in sorted({entry.trader_id for entry in entries})]
        update_many(
            Wallet,
            key=("trader_id",),
            columns=("balance", "blocked", "debt", "updated_at"),
            rows=[(wallet.trader_id, wallet.balance, wallet.blocked, wallet.debt, at) for wallet in changed],
        )
        insert_many(entries)
        if loans := [entry for entry in entries if entry.kind in (Kind.LOAN, Kind.REPAY)]:
            transaction.on_commit(partial(record_loans, loans), robust=True)
        return entries

    def _enter(
        self,
        kind: Kind,
        trader_id: int,
        *,
        amount: Decimal = NOTHING,
        blocked_change: Decimal = NOTHING,
        fee: Decimal = NOTHING,
        on_credit: bool = False,
        **columns: Any,
    ) -> None:
        """Change one wallet, or raise and change nothing. The loan rule is here and nowhere else.

        `on_credit`: a LOAN of what is not available comes right before. A REPAY follows every movement that leaves both
        debt and something available. A payment and its fee are one movement: what one of them brings pays the other.
        """
        wallet = self[trader_id]
        balance, blocked = wallet.balance + amount - fee, wallet.blocked + blocked_change
        loan = max(blocked - balance, NOTHING) if on_credit else NOTHING
        highest = max(wallet.balance, wallet.debt, balance, wallet.balance + amount, wallet.balance - fee) + loan
        if not (0 <= blocked <= balance + loan and highest < LIMIT):
            raise LedgerError(
                f"{kind} of {amount} (blocked {blocked_change:+}, fee {fee}, loan {loan}) would leave trader"
                f" {trader_id} with a balance of {balance + loan}, blocked {blocked}"
            )
        cause: dict[str, Any] = {name: columns.get(name) for name in ("trade_id", "trade_revision")}
        if loan:
            self._append_entry(Kind.LOAN, wallet, amount=loan, debt_change=loan, **cause)
        if fee < 0:  # given back first and charged last: no entry leaves more blocked than there is
            self._append_entry(Kind.FEE, wallet, amount=-fee, **cause)
        self._append_entry(kind, wallet, amount=amount, blocked_change=blocked_change, **columns)
        if fee > 0:
            self._append_entry(Kind.FEE, wallet, amount=-fee, **cause)
        if repaid := min(wallet.debt, wallet.balance - wallet.blocked):
            self._append_entry(Kind.REPAY, wallet, amount=-repaid, debt_change=-repaid, **cause)

    def _append_entry(
        self,
        kind: Kind,
        wallet: Wallet,
        *,
        amount: Decimal,
        blocked_change: Decimal = NOTHING,
        debt_change: Decimal = NOTHING,
        **columns: Any,
    ) -> None:
        """Change the wallet and append the entry, with the balances right after it."""
        wallet.balance += amount
        wallet.blocked += blocked_change
        wallet.debt += debt_change
        entry = WalletEntry(
            trader_id=wallet.trader_id,
            kind=kind,
            contra=CONTRA[kind],
            amount=amount,
            blocked_change=blocked_change,
            debt_change=debt_change,
            balance_after=wallet.balance,
            blocked_after=wallet.blocked,
            debt_after=wallet.debt,
            **columns,
        )
        self._entries.append(entry)
