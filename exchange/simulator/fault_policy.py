"""Where a script or a fault has a say in how a request is answered."""

import dataclasses
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from exchange.simulator.faults import Action, Fault, Faults
from exchange.simulator.instruments import Share
from exchange.simulator.orders import ClientOrder
from exchange.simulator.rules import OTHER, TOO_LATE
from exchange.simulator.scheduled_events import Events
from exchange.simulator.scripts import Script
from exchange.simulator.timers import Agenda
from exchange.simulator.venue import Floor

Refusal = tuple[str, str] | None
"""A FIX code and a sentence, as in rules.py."""


class Contrary:
    """What it does to orders belongs inside the journal's transaction. Chance goes by the number of the next report."""

    def __init__(
        self, agenda: Agenda, floor: Floor, events: Events, shares: Mapping[str, Share], faults: Faults
    ) -> None:
        self._agenda = agenda
        self._floor = floor
        self._events = events
        self._shares = shares
        self._faults = faults

    def share(self, symbol: str) -> Share | None:
        """The share as it stands: listed, perhaps halted by the firm, or for a while by chance."""
        share = self._shares.get(symbol)
        if share and self._agenda.is_halted(symbol):
            return dataclasses.replace(share, halted=True)
        return share

    def perhaps_halt(self, symbol: str, now: datetime) -> None:
        if self._hits(Fault.HALTS):
            seconds = self._faults.between(Fault.HALTS, self._floor.reports + 1, 1.0, 3.0)
            self._agenda.plan(Action.RESUME, symbol, now=now, seconds=seconds)

    def says_pending(self, order: ClientOrder) -> bool:
        return self._floor.script(order) is Script.PENDING_FIRST or self._hits(Fault.PENDINGS)

    def refuse_order(self, order: ClientOrder) -> Refusal:
        return (OTHER, "refused by its script") if self._floor.script(order) is Script.REFUSED else None

    def refuse_cancel(self, order: ClientOrder, now: datetime) -> Refusal:
        """By script a fill was faster than the cancellation, and comes first."""
        if self._floor.script(order) is Script.CANCEL_TOO_LATE and not order.sleeps:
            self._events.fill_the_rest(order, now)
            return TOO_LATE, "filled meanwhile"
        return (OTHER, "not now") if self._hits(Fault.CANCELS_REFUSED) else None

    def refuse_amend(self, order: ClientOrder, wished: Decimal | None) -> Refusal:
        by_wish = self._floor.script_at(order.symbol, wished) is Script.REFUSED
        if by_wish or self._floor.script(order) is Script.AMEND_REFUSED:
            return OTHER, "refused by its script"
        return (OTHER, "not now") if self._hits(Fault.AMENDS_REFUSED) else None

    def _hits(self, fault: Fault) -> bool:
        return self._faults.hits(fault, self._floor.reports + 1)
