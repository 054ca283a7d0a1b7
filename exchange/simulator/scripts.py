"""Lets the price of an order say what happens to it, so that a person can try each case from outside. Pure Python.

The paise of the price in force name the script, on the instrument TEST alone. It starts when an order with that price
is accepted, or amended to it. Such an order meets nobody in the book: it trades as its script says.
"""

from decimal import Decimal
from enum import Enum

SYMBOL = "TEST"


class Script(Enum):
    """By the last two digits of the price; docs/exchange.md describes each."""

    LATE_ACK = 11
    THREE_PARTS = 12
    REFUSED = 13
    AMEND_REFUSED = 14
    CANCEL_TOO_LATE = 15
    BUSTED = 16
    CORRECTED = 17
    TWICE = 18
    NEVER_ACKNOWLEDGED = 19
    SUSPENDED = 21
    CANCELED = 22
    EXPIRED = 23
    DONE_FOR_DAY = 24
    PENDING_FIRST = 25
    RESTATED = 26
    OVERFILLED = 27
    BEYOND_THE_LIMIT = 28


_BY_PAISE = {script.value: script for script in Script}


def script_of(symbol: str, price: Decimal | None) -> Script | None:
    """Return the script that an order on this instrument follows at this price."""
    return _BY_PAISE.get(int(price * 100) % 100) if symbol == SYMBOL and price else None
