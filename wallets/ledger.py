"""The one module that moves cash: it locks the wallets of a batch, decides in order of arrival, and writes all at once.

However many movements a batch has, it costs one statement to open missing wallets, one to lock, one to write the
wallets and one to write the journal.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Self
from uuid import UUID

from django.db import connection
from django.utils import timezone

from brokerage.db import insert_many, lock, transaction_required, update_many
from brokerage.money import CURRENCY, money, plain
from wallets.models import LIMIT, NOTHING, Kind, Wallet, WalletEntry

_OPEN_MISSING = """
    INSERT INTO wallets_wallet (trader_id, currency, balance, blocked, debt, updated_at)
    SELECT t.id, %s, 0, 0, 0, now()
      FROM brokerage_trader t
     WHERE t.id = ANY(%s) AND NOT EXISTS (SELECT FROM wallets_wallet w WHERE w.trader_id = t.id)
     ORDER BY t.id
        ON CONFLICT DO NOTHING
"""

_OPEN_FUNDED = """
    WITH given AS (
         SELECT * FROM unnest(%s::bigint[], %s::numeric(20, 2)[], %s::text[]) AS g(trader_id, amount, key)
    ), opened AS (
         INSERT INTO wallets_wallet (trader_id, currency, balance, blocked, debt, updated_at)
         SELECT t.id, %s, g.amount, 0, 0, now() FROM given g JOIN brokerage_trader t ON t.id = g.trader_id ORDER BY t.id
             ON CONFLICT DO NOTHING
      RETURNING trader_id
    )
    INSERT INTO wallets_walletentry (trader_id, kind, contra, amount, blocked_change, debt_change,
                                     balance_after, blocked_after, debt_after, key, note, at)
    SELECT g.trader_id, 'DEPOSIT', 'bank', g.amount, 0, 0, g.amount, 0, 0, g.key, '', now()
      FROM opened JOIN given g USING (trader_id)
     ORDER BY g.trader_id
 RETURNING trader_id
"""


class UnknownTraderError(LookupError):
    """There is no trader with this number."""


class UncoveredError(ValueError):
    """The movement would leave the wallet with less than nothing, or with more blocked than there is."""


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
    """

    def __init__(self, wallets: Iterable[Wallet]) -> None:
        self._wallets = {wallet.trader_id: wallet for wallet in wallets}
        self._entries: list[WalletEntry] = []
        self.at: datetime | None = None
        """When the movements that follow happen; None: when they are posted. For telling a history afterwards."""

    @classmethod
    @transaction_required
    def open(cls, trader_ids: Iterable[int]) -> Self:
        """Lock the traders' wallets in order of trader, opening those that are missing; once per transaction.

        Missing rows are inserted before the first lock and in key order: two batches that open the same ones wait for
        each other in one direction only. Raises UnknownTraderError if there is no such trader.
        """
        ids = sorted(set(trader_ids))
        if not ids:
            return cls(())
        with connection.cursor() as cursor:
            cursor.execute(_OPEN_MISSING, [CURRENCY, ids])
        wallets = lock(Wallet.objects.filter(trader_id__in=ids))
        if len(wallets) != len(ids):
            unknown = set(ids) - {wallet.trader_id for wallet in wallets}
            raise UnknownTraderError(f"no trader {', '.join(map(str, sorted(unknown)))}")
        return cls(wallets)

    def __getitem__(self, trader_id: int) -> Wallet:
        """Return the wallet as the movements so far leave it. For reading."""
        try:
            return self._wallets[trader_id]
        except KeyError:
            raise KeyError(f"the wallet of trader {trader_id} was not opened") from None

    def block(
        self, trader_id: int, amount: Decimal, *, trade_id: UUID, trade_revision: int | None = None
    ) -> Shortfall | None:
        """Block `amount` for a trade. If less is available, nothing changes and the shortfall is returned."""
        amount = _positive_or_zero(amount)
        available = self[trader_id].available
        if amount > available:
            return Shortfall(amount, available)
        if amount:
            self._move(Kind.BLOCK, trader_id, blocked_change=amount, trade_id=trade_id, trade_revision=trade_revision)
        return None

    def release(self, trader_id: int, amount: Decimal, *, trade_id: UUID, trade_revision: int | None = None) -> None:
        """Give back `amount` of what a trade blocked. Raises UncoveredError if it is more than is blocked."""
        amount = _positive_or_zero(amount)
        if amount:
            self._move(
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
    ) -> None:
        """Pay (`amount` < 0) or receive for one execution version, and change the trade's hold, in one entry.

        Written even if both are 0: the entry is the proof that the execution was settled, and the database takes only
        one. Raises UncoveredError if the wallet cannot cover it: until the house lends, such a report is quarantined.
        """
        self._move(
            Kind.SETTLE,
            trader_id,
            amount=_exact(amount),
            blocked_change=_exact(hold_change),
            trade_id=trade_id,
            trade_revision=trade_revision,
            execution=execution,
        )

    def deposit(self, trader_id: int, amount: Decimal, *, key: str, note: str = "") -> None:
        """Add money that came from the bank; `amount` > 0."""
        self._move(Kind.DEPOSIT, trader_id, amount=_positive(amount), key=key, note=note)

    def withdraw(self, trader_id: int, amount: Decimal, *, key: str, note: str = "") -> Shortfall | None:
        """Take out money that goes to the bank; `amount` > 0. If less is available, nothing changes."""
        amount = _positive(amount)
        available = self[trader_id].available
        if amount > available:
            return Shortfall(amount, available)
        self._move(Kind.WITHDRAWAL, trader_id, amount=-amount, key=key, note=note)
        return None

    @transaction_required
    def post(self) -> list[WalletEntry]:
        """Write all movements since the last post, and return their entries in order.

        Each wallet is written once, with the sum of its movements; PostgreSQL would apply only one of two rows.
        """
        now = timezone.now()
        entries, self._entries = self._entries, []
        for entry in entries:
            entry.at = entry.at or now
        moved = [self[trader_id] for trader_id in sorted({entry.trader_id for entry in entries})]
        update_many(
            Wallet,
            key=("trader_id",),
            columns=("balance", "blocked", "debt", "updated_at"),
            rows=[(wallet.trader_id, wallet.balance, wallet.blocked, wallet.debt, now) for wallet in moved],
        )
        insert_many(entries)
        return entries

    def _move(
        self, kind: Kind, trader_id: int, *, amount: Decimal = NOTHING, blocked_change: Decimal = NOTHING, **facts: Any
    ) -> None:
        """Change one wallet and note the entry, with the balances right after it.

        The loan rule belongs here: a LOAN before a settlement that is not covered, a REPAY after every movement that
        leaves both debt and something available.
        """
        wallet = self[trader_id]
        balance, blocked = wallet.balance + amount, wallet.blocked + blocked_change
        if not 0 <= blocked <= balance < LIMIT:
            raise UncoveredError(
                f"{kind} of {amount} (blocked {blocked_change:+}) would leave trader {trader_id} with"
                f" a balance of {balance}, blocked {blocked}"
            )
        wallet.balance, wallet.blocked = balance, blocked
        entry = WalletEntry(
            trader_id=trader_id,
            kind=kind,
            contra=kind.contra,
            amount=amount,
            blocked_change=blocked_change,
            debt_change=NOTHING,
            balance_after=balance,
            blocked_after=blocked,
            debt_after=wallet.debt,
            **facts,
        )
        if self.at:
            entry.at = self.at
        self._entries.append(entry)


@transaction_required
def open_funded(rows: Iterable[tuple[int, Decimal, str]]) -> set[int]:
    """Open a wallet with one deposit for every trader who has none, in one statement, and return those traders.

    Rows are (trader_id, amount, key), each trader once. For seeding: far faster than a ledger's deposits.
    """
    traders, amounts, keys = zip(*rows, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(_OPEN_FUNDED, [list(traders), [_positive(amount) for amount in amounts], list(keys), CURRENCY])
        return {trader_id for (trader_id,) in cursor.fetchall()}


def _exact(amount: Decimal | int) -> Decimal:
    """Return `amount` in the currency's scale; refuse what would have to be rounded."""
    try:
        exact = money(amount)
    except InvalidOperation:
        raise ValueError(f"not an amount of money: {amount}") from None
    if exact != amount:
        raise ValueError(f"not an amount of money in {CURRENCY}: {amount}")
    return exact


def _positive_or_zero(amount: Decimal | int) -> Decimal:
    amount = _exact(amount)
    if amount < 0:
        raise ValueError(f"a negative amount: {amount}")
    return amount


def _positive(amount: Decimal | int) -> Decimal:
    amount = _exact(amount)
    if amount <= 0:
        raise ValueError(f"the amount must be more than 0: {amount}")
    return amount
