"""The one module that moves shares: it locks the holdings of a batch, decides in order of arrival, writes all at once.

However many movements a batch has, it costs one statement to open missing holdings, one to lock, one to write the
holdings and one to write the journal.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Self
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from brokerage.db.bulk import insert_many, update_many
from brokerage.db.locks import lock_rows
from brokerage.db.transactions import transaction_required
from brokerage.journal.loan_log import record_loans
from brokerage.traders import UnknownTraderError
from holdings.amounts import positive, positive_or_zero, whole
from holdings.models import CONTRA, LIMIT, Holding, HoldingEntry, Kind
from holdings.selectors import with_keys

Key = tuple[int, str]
"""(trader_id, symbol)"""

_OPEN_MISSING = """
    INSERT INTO holdings_holding (trader_id, symbol, quantity, blocked, short, updated_at)
    SELECT t.id, k.symbol, 0, 0, 0, now()
      FROM unnest(%s::bigint[], %s::text[]) AS k(trader_id, symbol)
      JOIN brokerage_trader t ON t.id = k.trader_id
     WHERE NOT EXISTS (SELECT FROM holdings_holding h WHERE h.trader_id = k.trader_id AND h.symbol = k.symbol)
     ORDER BY t.id, k.symbol
        ON CONFLICT DO NOTHING
"""


class LedgerError(ValueError):
    """A mistake of the caller: the movement releases more than is blocked, or a figure outgrows its column."""


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A refusal for want of shares: what was asked for, what there was, and the difference."""

    needed: int
    available: int

    @property
    def short(self) -> int:
        return self.needed - self.available

    def as_json(self) -> dict[str, int]:
        return {"needed": self.needed, "available": self.available, "short": self.short}


class Ledger:
    """The holdings of one batch, locked until the caller's transaction ends.

    Movements change the holdings in memory, each on top of the one before, so that several of one holding add up;
    `post` writes the outcome. Amounts are `int`, whole shares. Anything else raises TypeError, negative amounts
    ValueError, a holding that was not opened KeyError.

    What the exchange says is a fact and never refused: where it needs more than is available, the house lends the
    difference, and takes it back as soon as something is available again. While short, therefore, nothing is.
    """

    def __init__(self, holdings: Iterable[Holding]) -> None:
        self._holdings = {(holding.trader_id, holding.symbol): holding for holding in holdings}
        self._entries: list[HoldingEntry] = []

    @classmethod
    @transaction_required
    def open(cls, keys: Iterable[Key]) -> Self:
        """Lock the holdings in order of trader and symbol, opening those that are missing; once per transaction.

        Missing rows are inserted before the first lock and in key order: two batches that open the same ones wait for
        each other in one direction only. Raises UnknownTraderError if there is no such trader.
        """
        wanted = sorted(set(keys))
        ledger = cls(())
        if not wanted:
            return ledger
        with connection.cursor() as cursor:
            cursor.execute(_OPEN_MISSING, [[trader_id for trader_id, _ in wanted], [symbol for _, symbol in wanted]])
        holdings = lock_rows(with_keys(wanted), "trader_id", "symbol")
        if len(holdings) != len(wanted):
            unknown = {trader_id for trader_id, _ in wanted} - {holding.trader_id for holding in holdings}
            raise UnknownTraderError(f"no trader {', '.join(map(str, sorted(unknown)))}")
        ledger._holdings = {(holding.trader_id, holding.symbol): holding for holding in holdings}
        return ledger

    def __getitem__(self, key: Key) -> Holding:
        """Return the holding as the movements so far leave it. For reading."""
        try:
            return self._holdings[key]
        except KeyError:
            raise KeyError(f"the holding of {key[1]} of trader {key[0]} was not opened") from None

    def available(self, key: Key) -> int:
        """Return what the trader could block or withdraw of the share now."""
        holding = self[key]
        return holding.quantity - holding.blocked

    def block(self, key: Key, amount: int, *, trade_id: UUID, trade_revision: int | None = None) -> Shortfall | None:
        """Block `amount` for a trade. If less is available, nothing changes and the shortfall is returned."""
        amount = positive_or_zero(amount)
        available = self.available(key)
        if amount > available:
            return Shortfall(amount, available)
        if amount:
            self._enter(Kind.BLOCK, key, blocked_change=amount, trade_id=trade_id, trade_revision=trade_revision)
        return None

    def block_on_credit(self, key: Key, amount: int, *, trade_id: UUID, trade_revision: int | None = None) -> None:
        """Block `amount` on the exchange's word (a restatement, a bust). The house lends what is not available."""
        amount = positive_or_zero(amount)
        if amount:
            self._enter(
                Kind.BLOCK,
                key,
                blocked_change=amount,
                on_credit=True,
                trade_id=trade_id,
                trade_revision=trade_revision,
            )

    def release(self, key: Key, amount: int, *, trade_id: UUID, trade_revision: int | None = None) -> None:
        """Give back `amount` of what a trade blocked. Raises LedgerError if it is more than is blocked."""
        amount = positive_or_zero(amount)
        if amount:
            self._enter(Kind.RELEASE, key, blocked_change=-amount, trade_id=trade_id, trade_revision=trade_revision)

    def settle(
        self,
        key: Key,
        *,
        amount: int,
        hold_change: int,
        trade_id: UUID,
        execution: str,
        trade_revision: int | None = None,
    ) -> None:
        """Deliver (`amount` < 0) or receive for one execution version, and change the trade's hold, in one entry.

        Written even if both are 0: the entry is the proof that the execution was settled, and the database takes only
        one. The house lends what is not available. Raises LedgerError if it frees more than is blocked.
        """
        self._enter(
            Kind.SETTLE,
            key,
            amount=whole(amount),
            blocked_change=whole(hold_change),
            on_credit=True,
            trade_id=trade_id,
            trade_revision=trade_revision,
            execution=execution,
        )

    def deposit(self, holding: Key, amount: int, *, key: str, note: str = "") -> None:
        """Add shares that came from the depository; `amount` > 0."""
        self._enter(Kind.DEPOSIT, holding, amount=positive(amount), key=key, note=note)

    def withdraw(self, holding: Key, amount: int, *, key: str, note: str = "") -> Shortfall | None:
        """Take out shares that go to the depository; `amount` > 0. If fewer are available, nothing changes."""
        amount = positive(amount)
        available = self.available(holding)
        if amount > available:
            return Shortfall(amount, available)
        self._enter(Kind.WITHDRAWAL, holding, amount=-amount, key=key, note=note)
        return None

    @transaction_required
    def post(self, *, at: datetime | None = None) -> list[HoldingEntry]:
        """Write all movements since the last post, as of `at` or now, and return their entries in order.

        Each holding is written once, with the sum of its movements; PostgreSQL would apply only one of two rows.
        """
        at = at or timezone.now()
        entries, self._entries = self._entries, []
        for entry in entries:
            entry.at = at
        changed = [self._holdings[key] for key in sorted({(entry.trader_id, entry.symbol) for entry in entries})]
        update_many(
            Holding,
            key=("id",),
            columns=("quantity", "blocked", "short", "updated_at"),
            rows=[(holding.id, holding.quantity, holding.blocked, holding.short, at) for holding in changed],
        )
        insert_many(entries)
        if loans := [entry for entry in entries if entry.kind in (Kind.LOAN, Kind.REPAY)]:
            transaction.on_commit(partial(record_loans, loans), robust=True)
        return entries

    def _enter(
        self,
        kind: Kind,
        holding_key: Key,
        *,
        amount: int = 0,
        blocked_change: int = 0,
        on_credit: bool = False,
        **columns: Any,
    ) -> None:
        """Change one holding, or raise and change nothing. The loan rule is here and nowhere else.

        `on_credit`: a LOAN of what is not available comes right before. A REPAY follows every movement that leaves both
        a short and something available.
        """
        holding = self[holding_key]
        quantity, blocked = holding.quantity + amount, holding.blocked + blocked_change
        loan = max(blocked - quantity, 0) if on_credit else 0
        within = max(holding.quantity + loan, holding.short + loan, quantity + loan) < LIMIT
        if not (0 <= blocked <= quantity + loan and within):
            raise LedgerError(
                f"{kind} of {amount} (blocked {blocked_change:+}, loan {loan}) would leave trader {holding.trader_id}"
                f" with {quantity + loan} {holding.symbol}, blocked {blocked}"
            )
        cause: dict[str, Any] = {name: columns.get(name) for name in ("trade_id", "trade_revision")}
        if loan:
            self._append_entry(Kind.LOAN, holding, amount=loan, short_change=loan, **cause)
        self._append_entry(kind, holding, amount=amount, blocked_change=blocked_change, **columns)
        if repaid := min(holding.short, holding.quantity - holding.blocked):
            self._append_entry(Kind.REPAY, holding, amount=-repaid, short_change=-repaid, **cause)

    def _append_entry(
        self,
        kind: Kind,
        holding: Holding,
        *,
        amount: int,
        blocked_change: int = 0,
        short_change: int = 0,
        **columns: Any,
    ) -> None:
        """Change the holding and append the entry, with the quantities right after it."""
        holding.quantity += amount
        holding.blocked += blocked_change
        holding.short += short_change
        entry = HoldingEntry(
            trader_id=holding.trader_id,
            symbol=holding.symbol,
            kind=kind,
            contra=CONTRA[kind],
            amount=amount,
            blocked_change=blocked_change,
            short_change=short_change,
            quantity_after=holding.quantity,
            blocked_after=holding.blocked,
            short_after=holding.short,
            **columns,
        )
        self._entries.append(entry)
