"""What an entry of the timeline moves in the books: a hold, or the payment, delivery and fee of an execution."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from brokerage.money import ZERO
from holdings import services as holdings
from trades import lifecycle
from trades.core.locked_trade import LockedTrade
from trades.lifecycle import Executed, Side
from trades.models import Execution, Trade
from wallets import services as wallets


@dataclass(frozen=True, slots=True)
class Version:
    """A version of an execution that now counts, and what it changes against the one that counted before."""

    execution: Execution
    replaces: Executed
    quantity_change: int
    value_change: Decimal


@dataclass(frozen=True, slots=True)
class LedgerPosting:
    """What one entry of the timeline, that of `revision`, does to the books."""

    trade: Trade
    revision: int
    hold_change: Decimal
    """Cash of a BUY, shares of a SELL."""
    version: Version | None
    fee: Decimal
    """What falls due with the execution; less than 0: what is given back."""


def posting(
    trade: LockedTrade, revision: int, version: Version | None = None, *, hold_change: Decimal | None = None
) -> LedgerPosting:
    """Return what must move for the facts as they are now; the trade's hold counts as changed from here on.

    The one place where a hold changes. `hold_change`: by how much, if that was worked out before.
    """
    state, fee = trade.state, ZERO
    change = lifecycle.hold(state) - trade.blocked if hold_change is None else hold_change
    trade.blocked += change
    if version and state.fee_schedule != lifecycle.FREE:
        before = replace(state, filled_value=state.filled_value - version.value_change)
        fee = lifecycle.charged(state) - lifecycle.charged(before)
    return LedgerPosting(trade.row, revision, change, version, fee)


class Ledgers:
    """The wallets and holdings of a batch, locked until the transaction ends: wallets first, then holdings."""

    def __init__(self, *, cash_of: Iterable[Trade], shares_of: Iterable[Trade]) -> None:
        self._cash = wallets.Ledger.open({trade.trader_id for trade in cash_of})
        self._shares = holdings.Ledger.open({(trade.trader_id, trade.symbol) for trade in shares_of})

    def available(self, trade: Trade) -> Decimal:
        """Return what the trade could block: cash for a BUY, shares for a SELL."""
        if trade.side == Side.BUY:
            return self._cash.available(trade.trader_id)
        return Decimal(self._shares.available((trade.trader_id, trade.symbol)))

    def post(self, posting: LedgerPosting, *, on_credit: bool = True) -> None:
        """Move money and shares. What the trader does not have, the house lends; but not for what was seen to be there.

        A fact from the exchange is never refused. A booking is (`on_credit` False), and has been by now.
        """
        trade, change, bought = posting.trade, posting.hold_change, posting.trade.side == Side.BUY
        trader_id, key = trade.trader_id, (trade.trader_id, trade.symbol)
        cause: dict[str, Any] = {"trade_id": trade.pk, "trade_revision": posting.revision}
        if version := posting.version:
            sign = 1 if bought else -1
            cause["execution"] = version.execution.exec_id
            paid, received = sign * version.value_change, sign * version.quantity_change
            self._cash.settle(trader_id, amount=-paid, hold_change=change if bought else ZERO, fee=posting.fee, **cause)
            self._shares.settle(key, amount=received, hold_change=0 if bought else int(change), **cause)
        elif change < 0 and bought:
            self._cash.release(trader_id, -change, **cause)
        elif change < 0:
            self._shares.release(key, int(-change), **cause)
        elif on_credit and bought:
            self._cash.block_on_credit(trader_id, change, **cause)
        elif on_credit:
            self._shares.block_on_credit(key, int(change), **cause)
        elif shortfall := (
            self._cash.block(trader_id, change, **cause) if bought else self._shares.block(key, int(change), **cause)
        ):
            raise RuntimeError(f"trade {trade.pk} was booked without cover: {shortfall}")

    def save(self, *, at: datetime) -> None:
        """Write all movements: the balances and the journals, as of `at`."""
        self._cash.post(at=at)
        self._shares.post(at=at)


def settle(postings: Iterable[LedgerPosting], *, at: datetime) -> None:
    """Post what reports brought about, in order, each wallet and holding locked once for the whole batch."""
    moving = [one for one in postings if one.version or one.hold_change]
    if not moving:
        return
    ledgers = Ledgers(
        cash_of=[one.trade for one in moving if one.version or one.trade.side == Side.BUY],
        shares_of=[one.trade for one in moving if one.version or one.trade.side == Side.SELL],
    )
    for one in moving:
        ledgers.post(one)
    ledgers.save(at=at)
