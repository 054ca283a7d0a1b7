"""The one module that moves shares: it locks the holdings of a batch, decides in order of arrival, writes all at once.

However many movements a batch has, it costs one statement to open missing holdings, one to lock, one to write the
holdings and one to write the journal.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from django.db import connection
from django.utils import timezone

from brokerage.db import insert_many, lock, transaction_required, update_many
from holdings.models import LIMIT, Holding, HoldingEntry, Kind
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

_OPEN_FUNDED = """
    WITH given AS (
         SELECT *
           FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::text[]) AS g(trader_id, symbol, amount, key)
    ), opened AS (
         INSERT INTO holdings_holding (trader_id, symbol, quantity, blocked, short, updated_at)
         SELECT t.id, g.symbol, g.amount, 0, 0, now() FROM given g JOIN brokerage_trader t ON t.id = g.trader_id
          ORDER BY t.id, g.symbol
             ON CONFLICT DO NOTHING
      RETURNING trader_id, symbol
    )
    INSERT INTO holdings_holdingentry (trader_id, symbol, kind, contra, amount, blocked_change, short_change,
                                       quantity_after, blocked_after, short_after, key, note, at)
    SELECT g.trader_id, g.symbol, 'DEPOSIT', 'depository', g.amount, 0, 0, g.amount, 0, 0, g.key, '', now()
      FROM opened JOIN given g USING (trader_id, symbol)
     ORDER BY g.trader_id, g.symbol
 RETURNING trader_id, symbol
"""


class UnknownTraderError(LookupError):
    """There is no trader with this number."""


class UncoveredError(ValueError):
    """The movement would leave the holding with less than nothing, or with more blocked than there is."""


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
    """

    def __init__(self, holdings: Iterable[Holding]) -> None:
        self._holdings = {(holding.trader_id, holding.symbol): holding for holding in holdings}
        self._entries: list[HoldingEntry] = []
        self.at: datetime | None = None
        """When the movements that follow happen; None: when they are posted. For telling a history afterwards."""

    @classmethod
    @transaction_required
    def open(cls, keys: Iterable[Key]) -> Self:
        """Lock the holdings in order of trader and symbol, opening those that are missing; once per transaction.

        Missing rows are inserted before the first lock and in key order: two batches that open the same ones wait for
        each other in one direction only. Raises UnknownTraderError if there is no such trader.
        """
        wanted = sorted(set(keys))
        if not wanted:
            return cls(())
        with connection.cursor() as cursor:
            cursor.execute(_OPEN_MISSING, [[trader_id for trader_id, _ in wanted], [symbol for _, symbol in wanted]])
        holdings = lock(with_keys(wanted), "trader_id", "symbol")
        if len(holdings) != len(wanted):
            unknown = {trader_id for trader_id, _ in wanted} - {holding.trader_id for holding in holdings}
            raise UnknownTraderError(f"no trader {', '.join(map(str, sorted(unknown)))}")
        return cls(holdings)

    def __getitem__(self, key: Key) -> Holding:
        """Return the holding as the movements so far leave it. For reading."""
        try:
            return self._holdings[key]
        except KeyError:
            raise KeyError(f"the holding of {key[1]} of trader {key[0]} was not opened") from None

    def block(self, key: Key, amount: int, *, trade_id: UUID, trade_revision: int | None = None) -> Shortfall | None:
        """Block `amount` for a trade. If less is available, nothing changes and the shortfall is returned."""
        amount = _positive_or_zero(amount)
        available = self[key].available
        if amount > available:
            return Shortfall(amount, available)
        if amount:
            self._move(Kind.BLOCK, key, blocked_change=amount, trade_id=trade_id, trade_revision=trade_revision)
        return None

    def release(self, key: Key, amount: int, *, trade_id: UUID, trade_revision: int | None = None) -> None:
        """Give back `amount` of what a trade blocked. Raises UncoveredError if it is more than is blocked."""
        amount = _positive_or_zero(amount)
        if amount:
            self._move(Kind.RELEASE, key, blocked_change=-amount, trade_id=trade_id, trade_revision=trade_revision)

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
        one. Raises UncoveredError if the holding cannot cover it: until the house lends, such a report is quarantined.
        """
        self._move(
            Kind.SETTLE,
            key,
            amount=_whole(amount),
            blocked_change=_whole(hold_change),
            trade_id=trade_id,
            trade_revision=trade_revision,
            execution=execution,
        )

    def deposit(self, holding: Key, amount: int, *, key: str, note: str = "") -> None:
        """Add shares that came from the depository; `amount` > 0."""
        self._move(Kind.DEPOSIT, holding, amount=_positive(amount), key=key, note=note)

    def withdraw(self, holding: Key, amount: int, *, key: str, note: str = "") -> Shortfall | None:
        """Take out shares that go to the depository; `amount` > 0. If fewer are available, nothing changes."""
        amount = _positive(amount)
        available = self[holding].available
        if amount > available:
            return Shortfall(amount, available)
        self._move(Kind.WITHDRAWAL, holding, amount=-amount, key=key, note=note)
        return None

    @transaction_required
    def post(self) -> list[HoldingEntry]:
        """Write all movements since the last post, and return their entries in order.

        Each holding is written once, with the sum of its movements; PostgreSQL would apply only one of two rows.
        """
        now = timezone.now()
        entries, self._entries = self._entries, []
        for entry in entries:
            entry.at = entry.at or now
        moved = [self[key] for key in sorted({(entry.trader_id, entry.symbol) for entry in entries})]
        update_many(
            Holding,
            key=("id",),
            columns=("quantity", "blocked", "short", "updated_at"),
            rows=[(holding.id, holding.quantity, holding.blocked, holding.short, now) for holding in moved],
        )
        insert_many(entries)
        return entries

    def _move(self, kind: Kind, holding_key: Key, *, amount: int = 0, blocked_change: int = 0, **facts: Any) -> None:
        """Change one holding and note the entry, with the quantities right after it.

        The loan rule belongs here: a LOAN before a settlement that is not covered, a REPAY after every movement that
        leaves both a short and something available.
        """
        holding = self[holding_key]
        quantity, blocked = holding.quantity + amount, holding.blocked + blocked_change
        if not 0 <= blocked <= quantity < LIMIT:
            raise UncoveredError(
                f"{kind} of {amount} (blocked {blocked_change:+}) would leave trader {holding.trader_id} with"
                f" {quantity} {holding.symbol}, blocked {blocked}"
            )
        holding.quantity, holding.blocked = quantity, blocked
        entry = HoldingEntry(
            trader_id=holding.trader_id,
            symbol=holding.symbol,
            kind=kind,
            contra=kind.contra,
            amount=amount,
            blocked_change=blocked_change,
            short_change=0,
            quantity_after=quantity,
            blocked_after=blocked,
            short_after=holding.short,
            **facts,
        )
        if self.at:
            entry.at = self.at
        self._entries.append(entry)


@transaction_required
def open_funded(rows: Iterable[tuple[int, str, int, str]]) -> set[Key]:
    """Open a holding with one deposit for every (trader_id, symbol) that has none, in one statement, and return those.

    Rows are (trader_id, symbol, amount, key), each pair once. For seeding: far faster than a ledger's deposits.
    """
    traders, symbols, amounts, keys = zip(*rows, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            _OPEN_FUNDED, [list(traders), list(symbols), [_positive(amount) for amount in amounts], list(keys)]
        )
        return set(cursor.fetchall())


def _whole(amount: int) -> int:
    """Return `amount`; refuse what is not a whole number of shares by its very type."""
    if type(amount) is not int:
        raise TypeError(f"not a number of shares: {amount!r}")
    return amount


def _positive_or_zero(amount: int) -> int:
    if _whole(amount) < 0:
        raise ValueError(f"a negative amount: {amount}")
    return amount


def _positive(amount: int) -> int:
    if _whole(amount) <= 0:
        raise ValueError(f"the amount must be more than 0: {amount}")
    return amount
