"""When the market is open, and what an order must look like for an instrument."""

from datetime import datetime
from decimal import Decimal

from django.db import connection

from brokerage.models import Instrument
from brokerage.money import plain, value
from brokerage.reasons import Code, Reason

_IS_OPEN = """
    SELECT NOT EXISTS (SELECT FROM brokerage_tradingsession)
        OR EXISTS (SELECT FROM brokerage_tradingsession WHERE opens_at <= %s AND closes_at > %s)
"""


def is_open(now: datetime) -> bool:
    """Tell whether the market is open at `now`; always, as long as no trading session has been entered."""
    with connection.cursor() as cursor:
        cursor.execute(_IS_OPEN, [now, now])
        found: bool = cursor.fetchone()[0]
    return found


def terms_refusals(instrument: Instrument, *, quantity: int, price: Decimal) -> list[Reason]:
    """Return every rule of the instrument that an order for `quantity` at `price` breaks, most basic first."""
    found = []
    if quantity % instrument.lot:
        found.append(
            Reason(
                Code.BAD_LOT,
                f"The quantity must be a multiple of {instrument.lot}.",
                {"lot": instrument.lot, "quantity": quantity},
            )
        )
    if price % instrument.tick:
        found.append(
            Reason(
                Code.BAD_TICK,
                f"The price must be a multiple of {plain(instrument.tick)}.",
                {"tick": plain(instrument.tick), "price": plain(price)},
            )
        )
    if instrument.max_quantity is not None and quantity > instrument.max_quantity:
        found.append(
            Reason(
                Code.QUANTITY_LIMIT,
                f"The quantity may be {instrument.max_quantity} at most.",
                {"limit": instrument.max_quantity, "quantity": quantity},
            )
        )
    worth = value(quantity, price)
    if instrument.max_value is not None and worth > instrument.max_value:
        found.append(
            Reason(
                Code.VALUE_LIMIT,
                f"The value may be {plain(instrument.max_value)} at most.",
                {"limit": plain(instrument.max_value), "value": plain(worth)},
            )
        )
    low, high = price_band(instrument)
    if not low <= price <= high:
        found.append(
            Reason(
                Code.PRICE_OUT_OF_BAND,
                f"The price must lie between {plain(low)} and {plain(high)}.",
                {"low": plain(low), "high": plain(high), "price": plain(price)},
            )
        )
    return found


def price_band(instrument: Instrument) -> tuple[Decimal, Decimal]:
    """The lowest and the highest price the instrument may be ordered at."""
    share = instrument.band_percent / 100
    return instrument.reference_price * (1 - share), instrument.reference_price * (1 + share)
