"""What the exchange does of its own accord: it plays the scripts, and does what it had planned when it is time."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from brokerage.money import plain
from exchange.fix.messages import ExecType
from exchange.simulator.faults import Action
from exchange.simulator.instruments import Share
from exchange.simulator.journal import Journal
from exchange.simulator.matching import BUY
from exchange.simulator.orders import CANCELED, DONE_FOR_DAY, EXPIRED, OPEN, SUSPENDED, ClientOrder
from exchange.simulator.scripts import Script
from exchange.simulator.timers import Agenda
from exchange.simulator.venue import Floor

SCRIPT_PAUSE = 1.0
"""Seconds from the first part of a script to the second."""

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
    Action.SUSPEND: (SUSPENDED, ExecType.SUSPENDED, "suspended by the exchange"),
    Action.CANCEL: (CANCELED, ExecType.CANCELED, "cancelled by the exchange, unasked"),
    Action.EXPIRE: (EXPIRED, ExecType.EXPIRED, "expired"),
    Action.DONE_FOR_DAY: (DONE_FOR_DAY, ExecType.DONE_FOR_DAY, "done for today"),
}


class Events:
    """All of it belongs inside the journal's transaction."""

    def __init__(self, journal: Journal, agenda: Agenda, floor: Floor, shares: Mapping[str, Share]) -> None:
        self._journal = journal
        self._agenda = agenda
        self._floor = floor
        self._shares = shares

    def play(self, order: ClientOrder, now: datetime) -> None:
        """Let an order that has just come into force at the price of a script follow it."""
        script = self._floor.script(order)
        if script is None or not order.remaining:
            return  # an amendment to what is filled, or less, leaves nothing to play
        self._fill(order, _PARTS.get(script, 0), now)
        if script is Script.OVERFILLED:
            self._floor.execute(order, order.remaining + 1, order.price, now)
        elif script is Script.BEYOND_THE_LIMIT:
            self._floor.execute(order, order.remaining, order.price + (BEYOND if order.side == BUY else -BEYOND), now)
        elif script is Script.SUSPENDED:
            self._end(order, Action.SUSPEND, now)
        if script in _THEN:
            # An execution's number is that of its report, which was the last one.
            report = self._floor.reports if script in _PARTS else None
            self._agenda.plan(_THEN[script], order.key, now=now, seconds=SCRIPT_PAUSE, report=report)

    def fill_the_rest(self, order: ClientOrder, now: datetime) -> None:
        """Fill what is left of an order, outside the book."""
        self._fill(order, 1, now)

    def run_due(self, now: datetime) -> None:
        """Do what is due by now and still makes sense: the order may have come to its end meanwhile."""
        for planned in self._agenda.take_due(now):
            order = self._floor.find(planned.key)
            if order is None:
                continue  # a halt that is over, and needs no more than not being planned any longer
            if planned.action in (Action.BUST, Action.CORRECT):
                self._revise(order, planned.action, planned.report or 0, now)
            elif order.remaining and not order.is_over:
                self._happen(order, planned.action, now)

    def _fill(self, order: ClientOrder, parts: int, now: datetime) -> None:
        for left in range(parts, 0, -1):
            if quantity := order.remaining // left:
                self._floor.execute(order, quantity, order.price, now)

    def _happen(self, order: ClientOrder, action: Action, now: datetime) -> None:
        if action is Action.WAKE and order.sleeps:
            self._wake(order, now)
        elif action is Action.RESTATE and not order.sleeps:
            self._restate(order, now)
        elif action in (Action.CANCEL, Action.EXPIRE) or (action in _ENDS and not order.sleeps):
            self._end(order, action, now)
            if order.sleeps:
                self._agenda.plan(Action.WAKE, order.key, now=now, seconds=SCRIPT_PAUSE)

    def _end(self, order: ClientOrder, action: Action, now: datetime) -> None:
        status, exec_type, text = _ENDS[action]
        self._floor.end(order, status, exec_type, now, text)

    def _wake(self, order: ClientOrder, now: datetime) -> None:
        order.ended = OPEN
        order.priority = self._floor.next_priority()
        self._floor.report(order, ExecType.RESTATED, now, Text="works again")
        self._floor.keep(order)
        self._floor.enter(order, now)

    def _restate(self, order: ClientOrder, now: datetime) -> None:
        """One share more, a tick dearer."""
        filled = order.filled
        fills = self._floor.replace(order, quantity=order.quantity + 1, price=order.price + self._tick(order))
        self._floor.report(order, ExecType.RESTATED, now, filled=filled, Text="other terms")
        self._floor.keep(order)
        self._floor.settle(fills, now)
        self._floor.end_at_once(order, now)

    def _revise(self, order: ClientOrder, action: Action, report: int, now: datetime) -> None:
        """Take an execution back, or say that it was one share less at a tick better. What that re-opens trades again.

        The member on the other side keeps its trade: the exchange's own account stands in.
        """
        version = self._journal.version(report)
        if version is None:
            return
        quantity, price = int(version["LastQty"]), Decimal(version["LastPx"])
        named, ref = version["ClOrdID"], version["ExecID"]
        if action is Action.BUST:
            order.filled -= quantity
            self._floor.report(order, ExecType.TRADE_CANCEL, now, ClOrdID=named, ExecRefID=ref)
        else:
            better = max(self._tick(order), price + (-1 if order.side == BUY else 1) * self._tick(order))
            now_quantity = max(1, quantity - 1)
            order.filled -= quantity - now_quantity
            self._floor.report(
                order,
                ExecType.TRADE_CORRECT,
                now,
                ClOrdID=named,
                ExecRefID=ref,
                LastQty=str(now_quantity),
                LastPx=plain(better),
            )
        self._floor.keep(order)
        if order.remaining and not order.ended and not self._floor.books[order.symbol].get(order.key):
            order.priority = self._floor.next_priority()
            self._floor.enter(order, now)

    def _tick(self, order: ClientOrder) -> Decimal:
        share = self._shares.get(order.symbol)
        return share.tick if share else Decimal("0.01")
