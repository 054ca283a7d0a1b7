"""What the broker refuses, and why. `validate` and `book` ask the same questions; `book` asks them under the locks."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from brokerage import trading_rules
from brokerage.models import Instrument, Trader
from brokerage.money import plain
from brokerage.reasons import Code, Reason
from trades import lifecycle
from trades.core.locked_trade import Docket
from trades.lifecycle import Kind, Side, Stage
from trades.models import TradeRequest


@dataclass(frozen=True, slots=True)
class Market:
    """The firm's data that a batch is judged by, read once for all of it."""

    traders: dict[int, Trader]
    instruments: dict[str, Instrument]
    open: bool


def load_market(dockets: Iterable[Docket], *, now: datetime) -> Market:
    """Read the traders, the instruments and the calendar for these trades: three queries."""
    dockets = list(dockets)
    return Market(
        traders=Trader.objects.in_bulk({docket.trade.trader_id for docket in dockets}),
        instruments=Instrument.objects.in_bulk({docket.trade.symbol for docket in dockets}),
        open=trading_rules.is_open(now),
    )


def increase(docket: Docket, request: TradeRequest) -> Decimal:
    """How much more the trade must keep blocked once this request is booked: money for a BUY, shares for a SELL."""
    booked, _ = lifecycle.apply(docket.state, lifecycle.Advanced(str(request.pk), Stage.BOOKED))
    return lifecycle.hold(booked) - docket.held


def refusals(docket: Docket, request: TradeRequest, market_now: Market) -> list[Reason]:
    """Every rule of the firm and the exchange that the request breaks, most basic first. Balances are not looked at.

    A CANCEL breaks none: giving up is always allowed.
    """
    if request.kind == Kind.CANCEL:
        return []
    trade = docket.trade
    found = _trader_refusals(docket, request, market_now.traders[trade.trader_id])
    instrument = market_now.instruments.get(trade.symbol)
    if instrument is None:
        return [*found, Reason(Code.UNKNOWN_SYMBOL, f"There is no share {trade.symbol}.", {"symbol": trade.symbol})]
    if instrument.halted:
        text = f"Trading in {trade.symbol} is halted."
        found.append(Reason(Code.SYMBOL_HALTED, text, {"symbol": trade.symbol}))
    if not market_now.open:
        found.append(Reason(Code.MARKET_CLOSED, "The market is closed."))
    return found + trading_rules.terms_refusals(instrument, quantity=request.quantity, price=request.price)


def _trader_refusals(docket: Docket, request: TradeRequest, trader: Trader) -> list[Reason]:
    if trader.status == Trader.Status.SUSPENDED:
        return [Reason(Code.TRADER_SUSPENDED, "The trader is suspended.")]
    buys_more = docket.state.side is Side.BUY and increase(docket, request) > 0
    if trader.status == Trader.Status.REDUCING and buys_more:
        return [Reason(Code.TRADER_SUSPENDED, "The trader may only sell and cancel.")]
    return []


def uncovered(side: Side, *, needed: Decimal, available: Decimal) -> Reason | None:
    """The refusal if more must be blocked than is available, with the numbers; None if it is covered."""
    if needed <= available:
        return None
    if side is Side.BUY:
        numbers = {"needed": plain(needed), "available": plain(available), "short": plain(needed - available)}
        text = f"Needs {numbers['needed']}, but only {numbers['available']} is available."
        return Reason(Code.INSUFFICIENT_FUNDS, text, numbers)
    shares = {"needed": int(needed), "available": int(available), "short": int(needed - available)}
    text = f"Needs {shares['needed']} shares, but only {shares['available']} are available."
    return Reason(Code.INSUFFICIENT_SHARES, text, shares)
