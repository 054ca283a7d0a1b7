"""Pre-trade risk checks. `validate` and `book` make the same ones; `book` makes them under the locks."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from brokerage import trading_rules
from brokerage.models import Instrument, Trader
from brokerage.money import plain
from brokerage.reasons import Code, Reason, combine_reasons
from trades import lifecycle
from trades.core.locked_trade import LockedTrade
from trades.lifecycle import Kind, Side, Stage
from trades.models import TradeRequest


@dataclass(frozen=True, slots=True)
class Market:
    """The firm's data that a batch is judged by, read once for all of it."""

    traders: dict[int, Trader]
    instruments: dict[str, Instrument]
    is_open: bool


def load_market(trades: Iterable[LockedTrade], *, now: datetime) -> Market:
    """Read the traders, the instruments and the calendar for these trades: three queries."""
    rows = [trade.row for trade in trades]
    return Market(
        traders=Trader.objects.in_bulk({row.trader_id for row in rows}),
        instruments=Instrument.objects.in_bulk({row.symbol for row in rows}),
        is_open=trading_rules.is_open(now),
    )


def check(
    trade: LockedTrade, request: TradeRequest, market: Market, *, available: Decimal
) -> tuple[Decimal, list[Reason]]:
    """Return what the request would block in addition, and every rule that it violates, most basic first.

    The former is cash of a BUY, shares of a SELL, as is `available`, what its trader has. A CANCEL violates nothing:
    giving up is always allowed.
    """
    row, found = trade.row, []
    booked, _ = lifecycle.apply(trade.state, lifecycle.StageCompleted(str(request.pk), Stage.BOOKED))
    needed = lifecycle.hold(booked) - trade.blocked
    if request.kind == Kind.CANCEL:
        return needed, []
    trader, instrument = market.traders[row.trader_id], market.instruments.get(row.symbol)
    if trader.status == Trader.Status.SUSPENDED:
        found.append(Reason(Code.TRADER_SUSPENDED, "The trader is suspended."))
    elif trader.status == Trader.Status.REDUCING and trade.state.side is Side.BUY and needed > 0:
        found.append(Reason(Code.TRADER_SUSPENDED, "The trader may only sell and cancel."))
    if instrument is None:
        found.append(Reason(Code.UNKNOWN_SYMBOL, f"There is no share {row.symbol}.", {"symbol": row.symbol}))
    else:
        if instrument.halted:
            text = f"Trading in {row.symbol} is halted."
            found.append(Reason(Code.SYMBOL_HALTED, text, {"symbol": row.symbol}))
        if not market.is_open:
            found.append(Reason(Code.MARKET_CLOSED, "The market is closed."))
        found += trading_rules.terms_violations(instrument, quantity=request.quantity, price=request.price)
    if needed > available:
        found.append(shortfall(trade.state.side, needed=needed, available=available))
    return needed, found


def shortfall(side: Side, *, needed: Decimal, available: Decimal) -> Reason:
    """Return the refusal for want of cash or shares, with the numbers."""
    if side is Side.BUY:
        numbers = {"needed": plain(needed), "available": plain(available), "short": plain(needed - available)}
        text = f"Needs {numbers['needed']}, but only {numbers['available']} is available."
        return Reason(Code.INSUFFICIENT_FUNDS, text, numbers)
    shares = {"needed": int(needed), "available": int(available), "short": int(needed - available)}
    text = f"Needs {shares['needed']} shares, but only {shares['available']} are available."
    return Reason(Code.INSUFFICIENT_SHARES, text, shares)


def deny(trade: LockedTrade, request: TradeRequest, found: list[Reason], *, at: datetime) -> None:
    """Refuse a request, with the first violation and the codes of the others. A committed fact, not an exception."""
    reason = combine_reasons(found)
    event = lifecycle.Denied(str(request.pk))
    trade.apply(event, at=at, request=request, data={"code": str(reason.code)}, reason=reason)
