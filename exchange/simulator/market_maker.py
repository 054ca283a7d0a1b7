"""A member of the exchange's own that always bids and offers around each share's reference price."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal

from exchange.simulator.engine import Engine
from exchange.simulator.instruments import Share
from exchange.simulator.matching import BUY, GTC, SELL, Order

LEVELS = 5
DEPTH = 100_000
"""Shares per price level and side, rounded up to whole lots."""

STEP = Decimal("0.002")
"""Between two levels, as a part of the reference price; at least one tick."""


class MarketMaker:
    """Keeps `LEVELS` bids and offers per share, the first of both at the reference price itself.

    So an order that is willing to pay (or to take) the reference price trades at once, and one that wants better
    rests. The quotes are the same after every start, and are not in the journal: its own fills concern no member.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._quoted: dict[str, set[str]] = {}

    def refresh(self, shares: Mapping[str, Share], *, now: datetime) -> None:
        """Withdraw quotes that are no longer right and renew those of which less than half is left."""
        for symbol in self._quoted.keys() | shares.keys():
            share = shares.get(symbol)
            wanted = {quote.key: quote for quote in _quotes(share)} if share and not share.halted else {}
            stale = [quote for quote in wanted.values() if not self._is_good(symbol, quote)]
            gone = self._quoted.get(symbol, set()) - wanted.keys()
            if stale or gone:
                keys = gone | {quote.key for quote in stale}
                self._engine.requote(symbol, keys=keys, quotes=stale, now=now)
            self._quoted[symbol] = set(wanted)

    def _is_good(self, symbol: str, wanted: Order) -> bool:
        quote = self._engine.resting(symbol, wanted.key)
        return quote is not None and quote.price == wanted.price and quote.remaining * 2 >= wanted.quantity


def _quotes(share: Share) -> Iterator[Order]:
    """The market maker's orders for a share: on its tick, within its band, in whole lots."""
    step = max(share.tick, share.reference_price * STEP // share.tick * share.tick)
    distance = share.reference_price * share.band_percent / 100
    quantity = -(-DEPTH // share.lot) * share.lot
    middle = share.reference_price // share.tick * share.tick
    for level in range(LEVELS):
        for side, price in ((BUY, middle - level * step), (SELL, middle + level * step)):
            if price > 0 and abs(price - share.reference_price) <= distance:
                # No member's order has such a key: an id cannot contain NUL.
                key = f"\x00{side}{level}"
                yield Order(key=key, side=side, price=price, quantity=quantity, time_in_force=GTC, house=True)
