"""The exchange's rules: when the market is open, and what an instrument takes as an order."""

from datetime import datetime
from decimal import Decimal

from django.db import connection

from brokerage.models import Instrument
from brokerage.money import plain, rounded_value
from brokerage.reasons import Code, Reason

_IS_OPEN = """
    SELECT NOT EXISTS (SELECT FROM brokerage_tradingsession)
        OR EXISTS (SELECT FROM brokerage_tradingsession WHERE opens_at <= %s AND closes_at > %s)
"""


def is_open(now: datetime) -> bool:
    """Return whether the market is open at `now`. It always is while no trading session has been entered."""
    with connection.cursor() as cursor:
        cursor.execute(_IS_OPEN, [now, now])
        found: bool = cursor.fetchone()[0]
    return found


def terms_violations(instrument: Instrument, *, quantity: int, price: Decimal) -> list[Reason]:
    """Return a reason for each rule of the instrument that an order for `quantity` at `price` breaks.

    The order is that of the codes in `brokerage.reasons`.
    """
    violations = []
    if quantity % instrument.lot:
        violations.append(
            Reason(
                Code.BAD_LOT,
                f"The quantity must be a multiple of {instrument.lot}.",
                {"lot": instrument.lot, "quantity": quantity},
            )
        )
    if price % instrument.tick:
        violations.append(
            Reason(
                Code.BAD_TICK,
                f"The price must be a multiple of {plain(instrument.tick)}.",
                {"tick": plain(instrument.tick), "price": plain(price)},
            )
        )
    if instrument.max_quantity is not None and quantity > instrument.max_quantity:
        violations.append(
            Reason(
                Code.QUANTITY_LIMIT,
                f"The quantity may be {instrument.max_quantity} at most.",
                {"limit": instrument.max_quantity, "quantity": quantity},
            )
        )
    order_value = rounded_value(quantity, price)
    if instrument.max_value is not None and order_value > instrument.max_value:
        violations.append(
            Reason(
                Code.VALUE_LIMIT,
                f"The value may be {plain(instrument.max_value)} at most.",
                {"limit": plain(instrument.max_value), "value": plain(order_value)},
            )
        )
    low, high = price_band(instrument)
    if not low <= price <= high:
        violations.append(
            Reason(
                Code.PRICE_OUT_OF_BAND,
                f"The price must lie between {plain(low)} and {plain(high)}.",
                {"low": plain(low), "high": plain(high), "price": plain(price)},
            )
        )
    return violations


def price_band(instrument: Instrument) -> tuple[Decimal, Decimal]:
    """Return the lowest and the highest price of orders: the reference price ± the band, not rounded."""
    width = instrument.reference_price * instrument.band_percent / 100
    return instrument.reference_price - width, instrument.reference_price + width
