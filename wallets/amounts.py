"""Amounts of money as the books take them: exact, in the currency's scale. Nothing is rounded on the way in.

Floats raise TypeError; whatever else is no such amount, ValueError.
"""

from decimal import Decimal, InvalidOperation

from brokerage.money import CURRENCY, money


def exact(amount: Decimal | int) -> Decimal:
    """Return `amount` in the currency's scale; refuse what would have to be rounded."""
    try:
        scaled = money(amount)
    except InvalidOperation:
        raise ValueError(f"not an amount of money: {amount}") from None
    if scaled != amount:
        raise ValueError(f"not an amount of money in {CURRENCY}: {amount}")
    return scaled


def positive_or_zero(amount: Decimal | int) -> Decimal:
    """Return `amount` in the currency's scale; refuse less than 0."""
    amount = exact(amount)
    if amount < 0:
        raise ValueError(f"a negative amount: {amount}")
    return amount


def positive(amount: Decimal | int) -> Decimal:
    """Return `amount` in the currency's scale; refuse 0 and less."""
    amount = exact(amount)
    if amount <= 0:
        raise ValueError(f"the amount must be more than 0: {amount}")
    return amount
