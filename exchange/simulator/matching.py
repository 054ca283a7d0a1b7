"""An order book with price-time priority: the best price trades first, and at one price who came first. Pure Python.

A trade happens at the price of the order that was there first, so who comes later may get a better price than asked.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

BUY = "BUY"
SELL = "SELL"
DAY = "DAY"
GTC = "GTC"
IOC = "IOC"
FOK = "FOK"
RESTING = (DAY, GTC)
"""The times in force that wait in the book. IOC takes what is there now; FOK takes all of its quantity, or nothing."""


@dataclass(slots=True, eq=False, kw_only=True)
class Order:
    """A limit order as the book sees it. `key` is unique in its book; quantities are whole shares."""

    key: str
    side: str
    price: Decimal
    quantity: int
    time_in_force: str = DAY
    filled: int = 0
    house: bool = False
    """The market maker's own: such orders do not trade with each other, so that it may bid and offer at one price."""

    @property
    def remaining(self) -> int:
        return max(0, self.quantity - self.filled)

    @property
    def rank(self) -> Decimal:
        """Return the place of its price on its side of the book: smaller is better."""
        return -self.price if self.side == BUY else self.price

    def accepts(self, price: Decimal) -> bool:
        """Tell whether its limit allows a trade at `price`."""
        return price <= self.price if self.side == BUY else price >= self.price


@dataclass(frozen=True, slots=True)
class Fill:
    """One trade between two orders, with the quantity that each had filled right after it."""

    resting: Order
    incoming: Order
    quantity: int
    price: Decimal
    resting_filled: int
    incoming_filled: int


class Book:
    """The resting orders of one instrument."""

    def __init__(self) -> None:
        # By side: the ranks in order, and at each rank the orders in the order of their arrival.
        self._ranks: dict[str, list[Decimal]] = {BUY: [], SELL: []}
        self._levels: dict[str, dict[Decimal, dict[str, Order]]] = {BUY: {}, SELL: {}}
        self._orders: dict[str, Order] = {}

    def get(self, key: str) -> Order | None:
        """Return the resting order with this key."""
        return self._orders.get(key)

    def orders(self, side: str) -> Iterator[Order]:
        """Yield all resting orders of one side, best first."""
        for rank in self._ranks[side]:
            yield from self._levels[side][rank].values()

    def submit(self, order: Order) -> list[Fill]:
        """Trade `order` against the book; what is left of it rests, unless its time in force forbids."""
        fills = []
        if order.time_in_force != FOK or self._available(order) >= order.remaining:
            fills = self._match(order)
        if order.remaining and order.time_in_force in RESTING:
            self.restore(order)
        return fills

    def restore(self, order: Order) -> None:
        """Put `order` into the book behind all others at its price, without trading."""
        levels = self._levels[order.side]
        if order.rank not in levels:
            levels[order.rank] = {}
            insort(self._ranks[order.side], order.rank)
        levels[order.rank][order.key] = order
        self._orders[order.key] = order

    def remove(self, order: Order) -> None:
        """Take `order` out of the book, if it is there."""
        if self._orders.pop(order.key, None) is None:
            return
        level = self._levels[order.side][order.rank]
        del level[order.key]
        if not level:
            del self._levels[order.side][order.rank]
            ranks = self._ranks[order.side]
            del ranks[bisect_left(ranks, order.rank)]

    def replace(self, order: Order, *, quantity: int, price: Decimal) -> list[Fill]:
        """Give `order` new terms. Lowering the quantity alone keeps its place; anything else sends it to the back.

        A quantity already filled, or less, leaves nothing: the order becomes what it has filled, and goes.
        """
        quantity = max(quantity, order.filled)
        if price == order.price and order.filled < quantity <= order.quantity:
            order.quantity = quantity
            return []
        self.remove(order)
        order.quantity, order.price = quantity, price
        return self.submit(order) if order.remaining else []

    def _counterparties(self, order: Order) -> Iterator[Order]:
        """Yield the resting orders that `order` may trade with, in the order in which it does."""
        for resting in self.orders(SELL if order.side == BUY else BUY):
            if not order.accepts(resting.price):
                return
            if not (order.house and resting.house):
                yield resting

    def _available(self, order: Order) -> int:
        """Return how much of `order` could trade now; no more than its remaining quantity is counted up."""
        available = 0
        for resting in self._counterparties(order):
            available += resting.remaining
            if available >= order.remaining:
                break
        return available

    def _match(self, order: Order) -> list[Fill]:
        fills = []
        for resting in self._counterparties(order):
            quantity = min(order.remaining, resting.remaining)
            order.filled += quantity
            resting.filled += quantity
            fills.append(Fill(resting, order, quantity, resting.price, resting.filled, order.filled))
            if not order.remaining:
                break
        for fill in fills:
            if not fill.resting.remaining:
                self.remove(fill.resting)
        return fills
