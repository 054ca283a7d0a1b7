"""What the exchange does of its own accord: it runs the scripts, and each timer's action when it is due."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from brokerage.money import plain
from exchange.fix.codes import ExecType, OrdStatus
from exchange.simulator.faults import Action
from exchange.simulator.instruments import Instrument
from exchange.simulator.journal import Journal
from exchange.simulator.matching import BUY
from exchange.simulator.orders import OPEN, ClientOrder
from exchange.simulator.scripts import Script
from exchange.simulator.timers import Timers
from exchange.simulator.venue import Venue

SCRIPT_PAUSE_S = 1.0
"""From the first part of a script to the second."""

BEYOND = Decimal(1)
"""How far beyond the limit an order is filled by its script."""

_PARTS = {Script.LATE_ACK: 2, Script.THREE_PARTS: 3, Script.BUSTED: 1, Script.CORRECTED: 1, Script.TWICE: 1}
_THEN = {
    Script.BUSTED: Action.BUST,
    Script.CORRECTED: Action.CORRECT,
    Script.SUSPENDED: Action.WAKE,
    Script.CANCELED: Action.CANCEL,
    Script.EXPIRED: Action.EXPIRE,
    Script.DONE_FOR_DAY: Action.DONE_FOR_DAY,
    Script.RESTATED: Action.RESTATE,
}
_ENDS = {
    Action.SUSPEND: (OrdStatus.SUSPENDED, ExecType.SUSPENDED, "suspended by the exchange"),
    Action.CANCEL: (OrdStatus.CANCELED, ExecType.CANCELED, "cancelled by the exchange, unasked"),
    Action.EXPIRE: (OrdStatus.EXPIRED, ExecType.EXPIRED, "expired"),
    Action.DONE_FOR_DAY: (OrdStatus.DONE_FOR_DAY, ExecType.DONE_FOR_DAY, "done for today"),
}


class ScheduledEvents:
    """Must be called inside the journal's transaction."""

    def __init__(self, journal: Journal, timers: Timers, venue: Venue, instruments: Mapping[str, Instrument]) -> None:
        self._journal = journal
        self._timers = timers
        self._venue = venue
        self._instruments = instruments

    def start_script(self, order: ClientOrder, now: datetime) -> None:
        """Start the script of an order that has just come into force at the price of one."""
        script = self._venue.script(order)
        if script is None or not order.remaining:
            return  # an amendment to what is filled, or less, leaves nothing to script
        self._fill(order, _PARTS.get(script, 0), now)
        if script is Script.OVERFILLED:
            self._venue.execute(order, order.remaining + 1, order.price, now)
        elif script is Script.BEYOND_THE_LIMIT:
            self._venue.execute(order, order.remaining, order.price + (BEYOND if order.side == BUY else -BEYOND), now)
        elif script is Script.SUSPENDED:
            self._end(order, Action.SUSPEND, now)
        if script in _THEN:
            # An execution's number is that of its report, which was the last one.
            report = self._venue.reports if script in _PARTS else None
            self._timers.schedule(_THEN[script], order.key, now=now, seconds=SCRIPT_PAUSE_S, report=report)

    def fill_remaining(self, order: ClientOrder, now: datetime) -> None:
        """Fill what is left of an order, outside the book."""
        self._fill(order, 1, now)

    def run_due(self, now: datetime) -> None:
        """Run what is due by now and still makes sense: the order may have come to its end meanwhile."""
        for timer in self._timers.pop_due(now):
            order = self._venue.find(timer.key)
            if order is None:
                continue  # a halt is over as soon as its timer is gone
            if timer.action in (Action.BUST, Action.CORRECT):
                self._revise(order, timer.action, timer.report or 0, now)
            elif order.remaining and not order.is_over:
                self._run(order, timer.action, now)

    def _fill(self, order: ClientOrder, parts: int, now: datetime) -> None:
        for left in range(parts, 0, -1):
            if quantity := order.remaining // left:
                self._venue.execute(order, quantity, order.price, now)

    def _run(self, order: ClientOrder, action: Action, now: datetime) -> None:
        if action is Action.WAKE and order.sleeps:
            self._wake(order, now)
        elif action is Action.RESTATE and not order.sleeps:
            self._restate(order, now)
        elif action in (Action.CANCEL, Action.EXPIRE) or (action in _ENDS and not order.sleeps):
            self._end(order, action, now)
            if order.sleeps:
                self._timers.schedule(Action.WAKE, order.key, now=now, seconds=SCRIPT_PAUSE_S)

    def _end(self, order: ClientOrder, action: Action, now: datetime) -> None:
        status, exec_type, text = _ENDS[action]
        self._venue.end(order, status, exec_type, now, text)

    def _wake(self, order: ClientOrder, now: datetime) -> None:
        order.ended = OPEN
        order.priority = self._venue.next_priority()
        self._venue.report(order, ExecType.RESTATED, now, Text="works again")
        self._venue.track(order)
        self._venue.enter(order, now)

    def _restate(self, order: ClientOrder, now: datetime) -> None:
        """Restate an order to one share more, at a tick more."""
        filled = order.filled
        fills = self._venue.replace(order, quantity=order.quantity + 1, price=order.price + self._tick(order))
        self._venue.report(order, ExecType.RESTATED, now, filled=filled, Text="other terms")
        self._venue.track(order)
        self._venue.report_fills(fills, now)
        self._venue.cancel_if_immediate(order, now)

    def _revise(self, order: ClientOrder, action: Action, report: int, now: datetime) -> None:
        """Bust an execution, or correct it to one share less at a tick better. What that re-opens trades again.

        The client on the other side is left its trade: the exchange's own account takes the place of this one.
        """
        version = self._journal.version(report)
        if version is None:
            return
        quantity, price = int(version["LastQty"]), Decimal(version["LastPx"])
        cl_ord_id, exec_id = version["ClOrdID"], version["ExecID"]
        if action is Action.BUST:
            order.filled -= quantity
            self._venue.report(order, ExecType.TRADE_CANCEL, now, ClOrdID=cl_ord_id, ExecRefID=exec_id)
        else:
            better_price = max(self._tick(order), price + (-1 if order.side == BUY else 1) * self._tick(order))
            new_quantity = max(1, quantity - 1)
            order.filled -= quantity - new_quantity
            self._venue.report(
                order,
                ExecType.TRADE_CORRECT,
                now,
                ClOrdID=cl_ord_id,
                ExecRefID=exec_id,
                LastQty=str(new_quantity),
                LastPx=plain(better_price),
            )
        self._venue.track(order)
        if order.remaining and not order.ended and not self._venue.books[order.symbol].get(order.key):
            order.priority = self._venue.next_priority()
            self._venue.enter(order, now)

    def _tick(self, order: ClientOrder) -> Decimal:
        instrument = self._instruments.get(order.symbol)
        return instrument.tick if instrument else Decimal("0.01")
