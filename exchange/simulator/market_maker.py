"""The exchange's own market maker, which bids and offers around each instrument's reference price."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal

from exchange.simulator.engine import Engine
from exchange.simulator.instruments import Instrument
from exchange.simulator.matching import BUY, GTC, SELL, Order

LEVELS = 5
DEPTH = 100_000
"""Shares per price level and side, rounded up to whole lots."""

STEP = Decimal("0.002")
"""From one level to the next, as a part of the reference price; at least one tick."""


class MarketMaker:
    """Keeps `LEVELS` bids and offers per instrument, the first of both at the reference price itself.

    So an order that is willing to pay (or to take) the reference price trades at once, and one that wants better
    rests. The quotes are the same after every start, and are not in the journal: its own fills concern no client.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._quoted: dict[str, set[str]] = {}

    def refresh(self, instruments: Mapping[str, Instrument], *, now: datetime) -> None:
        """Withdraw quotes that are no longer right and renew those of which less than half is left."""
        for symbol in self._quoted.keys() | instruments.keys():
            instrument = instruments.get(symbol)
            wanted = {quote.key: quote for quote in _quotes(instrument)} if instrument and not instrument.halted else {}
            stale = [quote for quote in wanted.values() if not self._is_good(symbol, quote)]
            gone = self._quoted.get(symbol, set()) - wanted.keys()
            if stale or gone:
                old = gone | {quote.key for quote in stale}
                self._engine.requote(symbol, old=old, new=stale, now=now)
            self._quoted[symbol] = set(wanted)

    def _is_good(self, symbol: str, wanted: Order) -> bool:
        quote = self._engine.resting(symbol, wanted.key)
        return quote is not None and quote.price == wanted.price and quote.remaining * 2 >= wanted.quantity


def _quotes(instrument: Instrument) -> Iterator[Order]:
    """Yield the market maker's orders for an instrument: on its tick, within its band, in whole lots."""
    step = max(instrument.tick, instrument.reference_price * STEP // instrument.tick * instrument.tick)
    distance = instrument.reference_price * instrument.band_percent / 100
    quantity = -(-DEPTH // instrument.lot) * instrument.lot
    middle = instrument.reference_price // instrument.tick * instrument.tick
    for level in range(LEVELS):
        for side, price in ((BUY, middle - level * step), (SELL, middle + level * step)):
            if price > 0 and abs(price - instrument.reference_price) <= distance:
                # No client's order has such a key: an id cannot contain NUL.
                key = f"\x00{side}{level}"
                yield Order(key=key, side=side, price=price, quantity=quantity, time_in_force=GTC, house=True)
