"""The life of one invented order: through the pipeline's own functions, each of which is given the time.

Only the exchange is played. Its reports are written by the functions of the simulator, and nothing is sent.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from brokerage.models import Instrument
from brokerage.money import plain
from brokerage.reasons import Code, Reason
from exchange.fix.codes import CxlRejReason, CxlRejResponseTo, ExecType, MsgType, OrdRejReason, OrdStatus
from exchange.fix.messages import encode, parse
from exchange.inbound import Report
from exchange.simulator.orders import ClientOrder, cancel_reject, execution_report
from exchange.simulator.requests import parse_request
from trades.core import repository
from trades.core.gateway import order_message
from trades.core.parking import park
from trades.intake.accept import new_id, write_trade
from trades.intake.change import write_amend, write_cancel
from trades.intake.idempotency import RequestContext
from trades.lifecycle import Side
from trades.management.seeding.terms import invent_order
from trades.models import TradeRequest
from trades.pipeline import apply_reports
from trades.steps.book import book
from trades.steps.send import note_sent
from trades.steps.validate import validate

STEP = timedelta(milliseconds=23)
"""What one step of the pipeline takes here."""
ROUND_TRIP = timedelta(milliseconds=140)
"""From a request's arrival to the exchange's answer."""
CLOSES = timedelta(hours=10)
"""When the exchange closes, after midnight UTC."""

SCENARIOS = {
    "filled": 560,
    "filled in parts": 170,
    "amended": 60,
    "cancelled": 70,
    "left open": 30,
    "expired": 25,
    "parked": 1,
    "rejected by the exchange": 10,
    "too little cash": 18,
    "too few shares": 9,
    "off the tick": 9,
    "out of the band": 9,
    "over the limit": 9,
    "unknown symbol": 8,
    "halted": 8,
}
"""What becomes of an order, unless it is refused before, and how often."""
CHANNELS = {"MOBILE": 48, "WEB": 26, "CALL": 14, "PARTNER": 8, "API": 4}


class OrderHistory:
    """An order to be placed at `at`; every random choice about it is made by its own `rng`."""

    def __init__(self, trader_id: int, username: str, symbol: str, at: datetime, rng: Random) -> None:
        self.at, self._symbol, self._rng = at, symbol, rng
        [channel] = rng.choices(list(CHANNELS), list(CHANNELS.values()))
        self._context = RequestContext(trader_id, "agent" if channel == "CALL" else username, channel)
        self._reports = 0

    def play(self, instruments: dict[str, Instrument]) -> Iterator[datetime]:
        """Play its acts one by one; yields the time of the next."""
        rng = self._rng
        [scenario] = rng.choices(list(SCENARIOS), list(SCENARIOS.values()))
        terms = invent_order(scenario, self._context.trader_id, self._symbol, instruments=instruments, rng=rng)
        trade, [new] = write_trade(terms, self._context, new_id(self.at), self.at)
        self._trade_id, self._tick = trade.pk, instruments[self._symbol].tick
        if scenario == "parked":
            self._park(new.pk)
        elif self._send(new.pk).outcome is None:
            # What the exchange has of it.
            self._order = ClientOrder(
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
            yield from self._work(scenario)

    def _work(self, scenario: str) -> Iterator[datetime]:
        """Play what the exchange makes of the order."""
        rng = self._rng
        if scenario == "rejected by the exchange":
            self._order.ended = OrdStatus.REJECTED
            text = rng.choice(("Price outside the circuit limits", "Self-trade prevented", "Order book closed"))
            self._report(ExecType.REJECTED, OrdRejReason=OrdRejReason.OTHER, Text=text)
            return
        self._report(ExecType.NEW)
        if scenario == "expired":
            midnight = self.at.replace(hour=0, minute=0, second=0, microsecond=0)
            yield self._wait(max(midnight + CLOSES - self.at, STEP))
            self._order.ended = OrdStatus.EXPIRED
            self._report(ExecType.EXPIRED)
        elif scenario == "left open":
            yield from self._fill(parts=rng.randint(0, 2), share=rng.uniform(0.1, 0.8))
        elif scenario == "cancelled":
            yield from self._fill(parts=rng.choice((0, 0, 1)), share=rng.uniform(0.1, 0.8))
            yield from self._change(cancels=True)
        elif scenario == "amended":
            yield from self._change(cancels=False)
            yield from self._fill(parts=rng.randint(1, 3))
        else:
            yield from self._fill(parts=rng.randint(2, 6) if scenario == "filled in parts" else 1)

    def _fill(self, *, parts: int, share: float = 1.0) -> Iterator[datetime]:
        """Execute a share of what is open in so many parts, at the limit or a little better."""
        order, rng = self._order, self._rng
        wanted = int(order.remaining * share)
        for part in range(min(parts, wanted), 0, -1):
            quantity = wanted if part == 1 else min(wanted - part + 1, int(wanted * rng.uniform(0.1, 0.7)) or 1)
            wanted -= quantity
            better = rng.choice((0, 0, 1, 2, 5)) * self._tick
            price = max(order.price - better, self._tick) if order.side == Side.BUY else order.price + better
            yield self._wait()
            order.filled += quantity
            self._report(ExecType.TRADE, LastQty=str(quantity), LastPx=plain(price))

    def _change(self, *, cancels: bool) -> Iterator[datetime]:
        """Cancel or amend; the exchange does as it is asked, or is too late now and then."""
        yield self._wait()
        order, request_id = self._order, new_id(self.at)
        if cancels:
            write_cancel(self._trade_id, self._context, request_id, self.at)
        else:
            change = self._rng.choice((-4, -2, 2, 4)) * self._tick
            price = order.price + change if order.price + change > 0 else order.price - change
            write_amend(self._trade_id, self._context, request_id, self.at, price=price)
        request = self._send(request_id)
        if request.outcome is not None:
            return
        if self._rng.random() < 0.06:
            self._refuse_as_too_late(request, CxlRejResponseTo.CANCEL if cancels else CxlRejResponseTo.REPLACE)
            yield from self._fill(parts=1)
            return
        previous, order.cl_ord_id = order.cl_ord_id, str(request_id)
        if cancels:
            order.ended = OrdStatus.CANCELED
        else:
            order.price = request.price
        self._report(ExecType.CANCELED if cancels else ExecType.REPLACED, OrigClOrdID=previous)

    def _wait(self, delay: timedelta | None = None) -> datetime:
        """Let time go on, by seconds to minutes if it is not said by how much; return what it is then."""
        self.at += delay or timedelta(seconds=self._rng.expovariate(1 / 90) + 0.05)
        return self.at

    def _send(self, request_id: UUID) -> TradeRequest:
        """Take a request through the pipeline; return it SENT or refused, at the time of the exchange's answer."""
        leases = [(str(request_id), 0)]  # never due, so never leased
        validate.joined(leases, now=self.at + STEP)
        book.joined(leases, now=self.at + 2 * STEP)
        note_sent.joined([request_id], now=self.at + 3 * STEP)
        self.at += ROUND_TRIP
        return TradeRequest.objects.get(pk=request_id)

    def _park(self, request_id: UUID) -> None:
        """Let the step after VALIDATED or BOOKED fail until the request is parked."""
        leases = [(str(request_id), 0)]
        validate.joined(leases, now=self.at + STEP)
        if self._rng.random() < 0.5:
            book.joined(leases, now=self.at + 2 * STEP)
        self.at += 40 * STEP
        for trade, request in repository.lock_leased(leases):  # none, if it was refused
            text = f"After {request.stage} the next step failed 3 times: ConnectionError"
            park(trade, request, Reason(Code.STEP_FAILED, text), at=self.at)
            repository.save([trade], at=self.at)

    def _report(self, exec_type: ExecType, **fields: str) -> None:
        """Let the exchange report how the order stands now."""
        self._reports += 1
        exec_id = f"{self._trade_id.hex}-{self._reports}"
        body = execution_report(self._order, exec_type, exec_id=exec_id, now=self.at, **fields)
        self._apply(MsgType.EXECUTION_REPORT, exec_id, body)

    def _refuse_as_too_late(self, request: TradeRequest, response_to: CxlRejResponseTo) -> None:
        body = cancel_reject(
            parse_request(order_message(request, at=self.at).body),
            self._order,
            response_to=response_to,
            reason=CxlRejReason.TOO_LATE_TO_CANCEL,
            text="Too late to change the order",
            now=self.at,
        )
        self._apply(MsgType.ORDER_CANCEL_REJECT, f"{request.pk}", body)

    def _apply(self, msg_type: MsgType, message_id: str, body: dict[str, str]) -> None:
        raw = encode(msg_type, body, sending_time=self.at)
        apply_reports.joined([Report(raw, message_id, parse(raw))], now=self.at)
