"""Invented orders: their terms, and what their clients and the exchange do about them."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil
from random import Random
from typing import TypeVar
from uuid import UUID

from brokerage.models import Instrument
from brokerage.money import plain
from brokerage.trading_rules import price_band
from exchange.fix.codes import CxlRejReason, CxlRejResponseTo, ExecType, MsgType, OrdRejReason, OrdStatus
from exchange.fix.messages import encode, parse
from exchange.inbound import Report
from exchange.simulator.orders import ClientOrder, cancel_reject, execution_report
from exchange.simulator.requests import parse_request
from trades.core.gateway import order_message
from trades.intake.accept import Order, new_id, write_trade
from trades.intake.change import write_amend, write_cancel
from trades.intake.idempotency import RequestContext
from trades.lifecycle import Side
from trades.models import TradeRequest

T = TypeVar("T")

SPREAD = timedelta(milliseconds=300)
"""Orders that the pipeline takes up at once were placed within so short a time before."""

CHANNELS = {"MOBILE": 48, "WEB": 26, "CALL": 14, "PARTNER": 8, "API": 4}
ENDINGS = {"filled": 560, "filled in parts": 170, "amended": 60, "cancelled": 70, "left open": 30, "expired": 25}
FLAWS = {"cash": 18, "shares": 9, "tick": 9, "band": 9, "limit": 9, "symbol": 8, "halted": 8}
SCENARIOS = ENDINGS | FLAWS | {"rejected": 10, "parked": 1}
"""What becomes of how many orders in about a thousand; for those that are refused, what is wrong with their terms."""


class InventedOrder:
    """An order of a trader for some shares of `symbol`.

    Whoever plays it sets what the time is, and what became of the client's last request in the pipeline.
    """

    at: datetime
    request: TradeRequest

    def __init__(self, trader_id: int, symbol: str, username: str, rng: Random) -> None:
        channel = choose(CHANNELS, rng)
        self.scenario, self._symbol = choose(SCENARIOS, rng), symbol
        self._context = RequestContext(trader_id, "agent" if channel == "CALL" else username, channel)
        self._rng, self._reports = rng, 0

    def acts(self, instruments: dict[str, Instrument], cash: Decimal, shares: int) -> Iterator[UUID | Report | None]:
        """Yield what happens next: a request of the client, written and due; a report of the exchange; or nothing.

        `cash` and `shares` are what the trader has available for it.
        """
        rng, self._tick = self._rng, instruments[self._symbol].tick
        terms = self._invent_terms(instruments, cash=cash, shares=shares)
        placed_at = self.at - rng.random() * SPREAD
        trade, [new] = write_trade(terms, self._context, new_id(placed_at), placed_at)
        yield new.pk
        if self.scenario == "parked" or self.request.outcome is not None:
            return
        self._exchange_order = order = ClientOrder(
            key=str(trade.pk),
            order_id=f"PAST-{trade.reference}",
            cl_ord_id=str(new.pk),
            trade_ref=str(trade.pk),
            account=str(trade.trader_id),
            symbol=trade.symbol,
            side=trade.side,
            price=trade.price,
            quantity=trade.quantity,
            time_in_force=trade.time_in_force,
        )
        if self.scenario == "rejected":
            order.ended, text = OrdStatus.REJECTED, "Price outside the circuit limits"
            yield self._report(ExecType.REJECTED, OrdRejReason=OrdRejReason.OTHER, Text=text)
            return
        yield self._report(ExecType.NEW)
        if self.scenario in ("left open", "cancelled"):
            yield from self._fill(rng.randint(0, 1), share=rng.uniform(0.1, 0.8))
        if self.scenario in ("cancelled", "amended"):
            yield from self._change(cancels=self.scenario == "cancelled")
        if self.scenario == "expired":
            closes_at = self.at.replace(hour=10, minute=0, second=0, microsecond=0)
            while self.at < closes_at:
                yield None
            order.ended = OrdStatus.EXPIRED
            yield self._report(ExecType.EXPIRED)
        elif self.scenario != "left open" and not order.ended:
            yield from self._fill(rng.randint(2, 6) if self.scenario == "filled in parts" else 1)

    def _invent_terms(self, instruments: dict[str, Instrument], *, cash: Decimal, shares: int) -> Order:
        """Return terms that the trader can meet, or that are wrong in the way that the scenario names."""
        rng, flaw, symbol = self._rng, self.scenario, self._symbol
        halted = [name for name, instrument in instruments.items() if instrument.halted]
        if flaw == "halted" and halted:
            symbol, shares = rng.choice(halted), 0
        instrument = instruments[symbol]
        tick, lot, (low, high) = instrument.tick, instrument.lot, price_band(instrument)
        price = Decimal(rng.gauss(float(instrument.reference_price), float(high - low) / 1600))
        price = min(max(price, low + 10 * tick), high - 10 * tick) if flaw != "band" else 2 * high
        price = max(price // tick * tick, tick)
        side = Side.SELL if flaw == "shares" or (shares >= lot and rng.random() < 0.55) else Side.BUY
        covered = shares // lot if side is Side.SELL else int(cash / (price * lot))
        lots = max(1, int(Decimal(rng.lognormvariate(10.2, 1.0)) / (price * lot)))
        if flaw == "limit":
            lots += (instrument.max_quantity or 0) // lot
        else:
            lots = lots + covered if flaw in ("cash", "shares") else max(1, min(lots, covered))
        return Order(
            symbol="INFOSYS" if flaw == "symbol" else symbol,
            side=str(side),
            quantity=lots * lot,
            price=price + tick / 5 if flaw == "tick" else price,
            time_in_force="GTC" if flaw == "left open" else "DAY",
        )

    def _fill(self, parts: int, *, share: float = 1.0) -> Iterator[Report | None]:
        """Execute a share of what is open in at most so many parts, at the limit or a little better."""
        order, rng = self._exchange_order, self._rng
        wanted = int(order.remaining * share)
        for part in range(parts, 0, -1):
            quantity = wanted if part == 1 else ceil(wanted * rng.uniform(0.1, 0.7))
            if not quantity:
                return
            while rng.random() < 0.3:
                yield None
            better = rng.choice((0, 0, 1, 2, 5)) * self._tick
            price = order.price + better if order.side == Side.SELL else max(order.price - better, self._tick)
            order.filled += quantity
            wanted -= quantity
            yield self._report(ExecType.TRADE, LastQty=str(quantity), LastPx=plain(price))

    def _change(self, *, cancels: bool) -> Iterator[UUID | Report]:
        """Cancel or amend; the exchange does as it is asked, or it is too late now and then."""
        order, request_id, trade_id = self._exchange_order, new_id(self.at), UUID(self._exchange_order.key)
        if cancels:
            write_cancel(trade_id, self._context, request_id, self.at)
        else:
            price = order.price + self._rng.choice((2, 4)) * self._tick
            write_amend(trade_id, self._context, request_id, self.at, price=price)
        yield request_id
        if self.request.outcome is not None:
            return
        if self._rng.random() < 0.06:
            body = cancel_reject(
                parse_request(order_message(self.request, at=self.at).body),
                order,
                response_to=CxlRejResponseTo.CANCEL if cancels else CxlRejResponseTo.REPLACE,
                reason=CxlRejReason.TOO_LATE_TO_CANCEL,
                text="Too late",
                now=self.at,
            )
            yield self._message(MsgType.ORDER_CANCEL_REJECT, body)
            return
        replaced, order.cl_ord_id, order.price = order.cl_ord_id, str(request_id), self.request.price
        order.ended = OrdStatus.CANCELED if cancels else order.ended
        yield self._report(ExecType.CANCELED if cancels else ExecType.REPLACED, OrigClOrdID=replaced)

    def _report(self, exec_type: ExecType, **fields: str) -> Report:
        """Return what the exchange reports about the order as it stands now."""
        self._reports += 1
        exec_id = f"{self._exchange_order.key}-{self._reports}"
        body = execution_report(self._exchange_order, exec_type, exec_id=exec_id, now=self.at)
        return self._message(MsgType.EXECUTION_REPORT, body | fields)

    def _message(self, msg_type: MsgType, body: dict[str, str]) -> Report:
        raw = encode(msg_type, body, sending_time=self.at)
        return Report(raw, body.get("ExecID", ""), parse(raw))


def choose(weights: dict[T, int], rng: Random) -> T:
    """Return one of the keys, each as likely as its weight says."""
    return rng.choices([*weights], [*weights.values()])[0]
