"""What happens to one invented trade, told as a generator: it acts, and yields the time of its next act.

Acts of many trades are played in the order of their times, so that each journal tells them in that order too.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

from brokerage.models import Instrument
from brokerage.reasons import Code, Reason
from brokerage.trading_rules import price_band
from trades.core.locked_trade import Docket
from trades.intake.accept import Order
from trades.lifecycle import Kind, Outcome, Reported, Side, Stage
from trades.management.seeding.desk import STEP, Desk

Story = Iterator[datetime]

ROUND_TRIP = timedelta(milliseconds=140)
"""From a request's arrival to the exchange's answer."""

_CHANNELS = ("MOBILE",) * 48 + ("WEB",) * 26 + ("CALL",) * 14 + ("PARTNER",) * 8 + ("API",) * 4
_ENDINGS = {
    "filled": 560,
    "filled in parts": 170,
    "amended": 60,
    "cancelled": 70,
    "left open": 30,
    "expired": 25,
    "refused": 70,
    "refused by the exchange": 10,
    "parked": 1,
}
_FLAWS = ("funds", "funds", "shares", "tick", "band", "symbol", "halted", "limit")


@dataclass(frozen=True, slots=True)
class Plan:
    """A trade to come: whose, in what, when."""

    trader_id: int
    username: str
    symbol: str
    at: datetime


class HistoryBuilder:
    """Tells the stories of one batch at its desk; every random choice is made by `dice`."""

    def __init__(self, desk: Desk, instruments: dict[str, Instrument], dice: Random) -> None:
        self._desk = desk
        self._instruments = instruments
        self._dice = dice
        self._halted = [symbol for symbol, instrument in instruments.items() if instrument.halted]

    def play(self, plans: Iterable[Plan], *, until: datetime) -> None:
        """Play all stories by the clock. What would happen after `until` has not happened yet."""
        acts = [(plan.at, number, self._tell(plan)) for number, plan in enumerate(plans)]
        heapq.heapify(acts)
        while acts:
            at, number, story = heapq.heappop(acts)
            if at <= until and (following := next(story, None)):
                heapq.heappush(acts, (following, number, story))

    def _tell(self, plan: Plan) -> Story:
        dice, desk = self._dice, self._desk
        [ending] = dice.choices(list(_ENDINGS), list(_ENDINGS.values()))
        channel = dice.choice(_CHANNELS)
        order = self._order(plan, flaw=dice.choice(_FLAWS) if ending == "refused" else None, ending=ending)
        placed_by = "agent" if channel == "CALL" else plan.username
        docket = desk.accept(order, trader_id=plan.trader_id, channel=channel, placed_by=placed_by, at=plan.at)
        if ending == "parked":
            self._park(docket, plan.at)
            return
        new = docket.requests[0]
        if not desk.advance(docket, new, at=plan.at):
            return
        if ending == "refused by the exchange":
            text = dice.choice(("Price outside the circuit limits", "Self-trade prevented", "Order book closed"))
            desk.report(docket, Reported.REJECTED, new, at=plan.at + ROUND_TRIP, text=text)
            return
        desk.report(docket, Reported.NEW, new, at=plan.at + ROUND_TRIP)
        yield from self._after(docket, ending, plan.at + ROUND_TRIP)

    def _after(self, docket: Docket, ending: str, at: datetime) -> Story:
        """The working life of an order that stands at the exchange."""
        dice, desk = self._dice, self._desk
        if ending == "left open":
            if dice.random() < 0.5:
                yield from self._fill(docket, at, parts=dice.randint(1, 2), share=dice.uniform(0.1, 0.8))
        elif ending == "expired":
            yield (closing := at.replace(hour=10, minute=0, second=0) + timedelta(seconds=dice.random()))
            desk.report(docket, Reported.EXPIRED, docket.requests[0], at=max(closing, at))
        elif ending == "cancelled":
            if dice.random() < 0.3:
                yield from self._fill(docket, at, parts=1, share=dice.uniform(0.1, 0.8))
            yield (at := self._later(docket, at))
            yield from self._change(docket, Kind.CANCEL, at)
        elif ending == "amended":
            yield (at := self._later(docket, at))
            yield from self._change(docket, Kind.AMEND, at)
            yield from self._fill(docket, at + ROUND_TRIP, parts=dice.randint(1, 3))
        else:
            yield from self._fill(docket, at, parts=1 if ending == "filled" else dice.randint(2, 6))

    def _fill(self, docket: Docket, at: datetime, *, parts: int, share: float = 1.0) -> Story:
        """Execute a share of what is open in so many parts, at the limit or a little better."""
        trade, instrument = docket.trade, self._instruments[docket.trade.symbol]
        wanted = int((trade.quantity - trade.filled_quantity) * share)
        for part in range(min(parts, wanted), 0, -1):
            quantity = (
                wanted if part == 1 else max(1, min(wanted - part + 1, int(wanted * self._dice.uniform(0.1, 0.7))))
            )
            wanted -= quantity
            better = self._dice.choice((0, 0, 1, 2, 5)) * instrument.tick
            price = trade.price - better if trade.side == Side.BUY else trade.price + better
            yield (at := self._later(docket, at))
            live = docket.requests[trade.terms_seq - 1]
            self._desk.report(docket, Reported.FILL, live, at=at, quantity=quantity, price=max(price, instrument.tick))

    def _change(self, docket: Docket, kind: Kind, at: datetime) -> Story:
        """Amend or cancel; the exchange does as it is asked, or is too late now and then."""
        desk, dice = self._desk, self._dice
        price = None
        if kind is Kind.AMEND:
            tick = self._instruments[docket.trade.symbol].tick
            price = max(docket.trade.price + dice.choice((-4, -2, 2, 4)) * tick, tick)
        row = desk.ask(docket, kind, at=at, price=price)
        if not desk.advance(docket, row, at=at):
            return
        answered = at + ROUND_TRIP
        if dice.random() < 0.06:
            desk.too_late(docket, row, at=answered)
        elif kind is Kind.AMEND:
            desk.report(docket, Reported.REPLACED, row, at=answered, quantity=row.quantity, price=row.price)
        else:
            desk.report(docket, Reported.CANCELED, row, at=answered)
        if row.outcome == Outcome.REJECTED and kind is Kind.CANCEL:
            yield from self._fill(docket, answered, parts=1)

    def _park(self, docket: Docket, at: datetime) -> None:
        [row] = docket.requests
        if self._desk.advance(docket, row, at=at, until=self._dice.choice((Stage.VALIDATED, Stage.BOOKED))):
            text = f"After {row.stage} the next step failed 3 times: ConnectionError"
            docket.park(row, Reason(Code.STEP_FAILED, text), at=at + 40 * STEP)

    def _order(self, plan: Plan, *, flaw: str | None, ending: str) -> Order:
        """Terms that the trader can meet, or that are wrong in the way that `flaw` names."""
        dice, symbol = self._dice, plan.symbol
        if flaw == "halted" and self._halted:
            symbol = dice.choice(self._halted)
        instrument = self._instruments[symbol]
        if flaw == "symbol":
            symbol = "INFOSYS"
        price = self._price(instrument, flaw)
        owned = self._desk.shares[plan.trader_id, plan.symbol].available if symbol == plan.symbol else 0
        side = Side.SELL if flaw == "shares" or (owned >= instrument.lot and dice.random() < 0.55) else Side.BUY
        lots = max(1, int(Decimal(dice.lognormvariate(10.2, 1.0)) / (price * instrument.lot)))
        if flaw == "limit" and instrument.max_quantity:
            lots = instrument.max_quantity // instrument.lot + dice.randint(1, 50)
        elif side == Side.SELL:
            lots = owned // instrument.lot + lots if flaw == "shares" else min(lots, owned // instrument.lot)
        elif flaw == "funds":
            lots += int(self._desk.cash[plan.trader_id].available / (price * instrument.lot))
        quantity = lots * instrument.lot
        if side == Side.BUY and flaw is None:
            self._pay_in(plan, quantity * price)
        open_long = ending == "left open" or (ending != "expired" and dice.random() < 0.15)
        named = f"{plan.username.split('.')[0]}-{dice.randrange(10**9)}" if dice.random() < 0.08 else None
        return Order(symbol, str(side), quantity, price, "GTC" if open_long else "DAY", named)

    def _price(self, instrument: Instrument, flaw: str | None) -> Decimal:
        low, high = price_band(instrument)
        middle = float(instrument.reference_price)
        price = Decimal(self._dice.gauss(middle, middle * float(instrument.band_percent) / 800))
        price = min(max(price, low + 10 * instrument.tick), high - 10 * instrument.tick)
        price = max(instrument.tick, price // instrument.tick * instrument.tick)
        if flaw == "band":
            return high // instrument.tick * instrument.tick + self._dice.randint(1, 200) * instrument.tick
        return price + instrument.tick / 5 if flaw == "tick" else price

    def _pay_in(self, plan: Plan, needed: Decimal) -> None:
        """Let the trader transfer money first, if there is not enough."""
        missing = needed - self._desk.cash[plan.trader_id].available
        if missing > 0:
            amount = (missing // 100_000 + self._dice.randint(1, 5)) * 100_000
            self._desk.pay_in(plan.trader_id, amount, at=plan.at)

    def _later(self, docket: Docket, at: datetime) -> datetime:
        """Soon, mostly: seconds to minutes after `at`, and not before what has happened to the trade already."""
        return max(at, docket.trade.updated_at) + timedelta(seconds=self._dice.expovariate(1 / 90) + 0.05)
