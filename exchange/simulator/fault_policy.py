"""Decides, by script or by fault, that a request is not answered as the rules alone would have it."""

import dataclasses
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from exchange.fix.codes import CxlRejReason, OrdRejReason
from exchange.simulator.faults import Action, Fault, Faults
from exchange.simulator.instruments import Instrument
from exchange.simulator.orders import ClientOrder
from exchange.simulator.scheduled_events import ScheduledEvents
from exchange.simulator.scripts import Script
from exchange.simulator.timers import Timers
from exchange.simulator.validation import Rejection
from exchange.simulator.venue import Venue


class FaultPolicy:
    """Must be called inside the journal's transaction. Faults are drawn for the number of the next report."""

    def __init__(
        self,
        timers: Timers,
        venue: Venue,
        events: ScheduledEvents,
        instruments: Mapping[str, Instrument],
        faults: Faults,
    ) -> None:
        self._timers = timers
        self._venue = venue
        self._events = events
        self._instruments = instruments
        self._faults = faults

    def instrument(self, symbol: str) -> Instrument | None:
        """Return the instrument as it is now: halted if the firm says so, or while a fault halts it."""
        instrument = self._instruments.get(symbol)
        if instrument and self._timers.is_halted(symbol):
            return dataclasses.replace(instrument, halted=True)
        return instrument

    def maybe_halt(self, symbol: str, now: datetime) -> None:
        """Halt the instrument for one to three seconds, if the fault strikes."""
        if self._strikes(Fault.HALTS):
            seconds = self._faults.between(Fault.HALTS, self._venue.reports + 1, 1.0, 3.0)
            self._timers.schedule(Action.RESUME, symbol, now=now, seconds=seconds)

    def sends_pending(self, order: ClientOrder) -> bool:
        """Tell whether a Pending report goes before the answer to a request about `order`."""
        return self._venue.script(order) is Script.PENDING_FIRST or self._strikes(Fault.PENDINGS)

    def reject_order(self, order: ClientOrder) -> Rejection[OrdRejReason] | None:
        """Return why a good order is rejected all the same, or None."""
        if self._venue.script(order) is Script.REFUSED:
            return Rejection(OrdRejReason.OTHER, "refused by its script")
        return None

    def reject_cancel(self, order: ClientOrder, now: datetime) -> Rejection[CxlRejReason] | None:
        """Return why a good cancellation is rejected all the same; by script the fill that was faster comes first."""
        if self._venue.script(order) is Script.CANCEL_TOO_LATE and not order.sleeps:
            self._events.fill_remaining(order, now)
            return Rejection(CxlRejReason.TOO_LATE_TO_CANCEL, "filled meanwhile")
        return Rejection(CxlRejReason.OTHER, "not now") if self._strikes(Fault.CANCELS_REFUSED) else None

    def reject_amend(self, order: ClientOrder, price: Decimal | None) -> Rejection[CxlRejReason] | None:
        """Return why a good amendment to `price` is rejected all the same, or None."""
        by_new_price = self._venue.script_at(order.symbol, price) is Script.REFUSED
        if by_new_price or self._venue.script(order) is Script.AMEND_REFUSED:
            return Rejection(CxlRejReason.OTHER, "refused by its script")
        return Rejection(CxlRejReason.OTHER, "not now") if self._strikes(Fault.AMENDS_REFUSED) else None

    def _strikes(self, fault: Fault) -> bool:
        return self._faults.strikes(fault, self._venue.reports + 1)
