"""What a report moves in the books: what a trade holds, and payment, delivery and fees of an execution."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from brokerage.db.transactions import transaction_required
from brokerage.money import ZERO
from holdings import services as holdings
from trades import lifecycle
from trades.core.locked_trade import Docket
from trades.lifecycle import Side, State
from trades.models import Trade
from trades.reports.executions import Version
from wallets import services as wallets


@dataclass(frozen=True, slots=True)
class Movement:
    """What one report does to the books; `revision` is the entry of the timeline that tells of it."""

    trade: Trade
    revision: int
    side: Side
    hold_change: Decimal
    version: Version | None
    fee: Decimal
    """What falls due with the execution; less than 0: what is given back."""


def movement(docket: Docket, revision: int, version: Version | None = None) -> Movement:
    """What must move for the facts as they are now; the trade's hold is taken over with it."""
    state = docket.state
    fee = _fee(state, version) if version else ZERO
    moving = Movement(docket.trade, revision, state.side, docket.hold_change(), version, fee)
    docket.record_hold()
    return moving


def _fee(state: State, version: Version) -> Decimal:
    """What the fees come to with this version of an execution, less what they came to before it."""
    before = replace(state, filled_value=state.filled_value - version.value_change)
    return lifecycle.charged(state) - lifecycle.charged(before)


@transaction_required
def post(movements: Sequence[Movement]) -> None:
    """Move money and shares: wallets first, then holdings, each locked once for the whole batch."""
    moving = [m for m in movements if m.version or m.hold_change]
    if not moving:
        return
    settled = [m for m in moving if m.version]
    buys, sells = ([m for m in moving if m.side is side] for side in (Side.BUY, Side.SELL))
    cash = wallets.open_ledger({m.trade.trader_id for m in (*buys, *settled)})
    shares = holdings.open_ledger({(m.trade.trader_id, m.trade.symbol) for m in (*sells, *settled)})
    for one in moving:
        _move(one, cash, shares)
    cash.post()
    shares.post()


def _move(moving: Movement, cash: wallets.Ledger, shares: holdings.Ledger) -> None:
    """Nothing here can be refused: it has happened. What the trader does not have, the house lends."""
    trade, change, bought = moving.trade, moving.hold_change, moving.side is Side.BUY
    trader_id, key = trade.trader_id, (trade.trader_id, trade.symbol)
    cause: dict[str, Any] = {"trade_id": trade.pk, "trade_revision": moving.revision}
    if version := moving.version:
        sign = 1 if bought else -1
        cause["execution"] = version.execution.exec_id
        paid, received = sign * version.value_change, sign * version.quantity_change
        cash.settle(trader_id, amount=-paid, hold_change=change if bought else ZERO, fee=moving.fee, **cause)
        shares.settle(key, amount=received, hold_change=0 if bought else int(change), **cause)
    elif change < 0 and bought:
        cash.release(trader_id, -change, **cause)
    elif change < 0:
        shares.release(key, int(-change), **cause)
    elif bought:
        cash.block_on_credit(trader_id, change, **cause)
    else:
        shares.block_on_credit(key, int(change), **cause)
