"""Money is `Decimal`, never float: one way to read it, one way to round it, one way to write it."""

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

CURRENCY = "INR"
SCALE = Decimal("0.01")
"""The smallest unit of the currency: one paisa."""

PRICE_PLACES = 8
ZERO = Decimal(0)


def money(amount: Decimal | int | str) -> Decimal:
    """Return `amount` in the currency's scale, rounded half even. Floats are refused with TypeError."""
    if isinstance(amount, float):
        raise TypeError(f"money is never a float: {amount!r}")
    return Decimal(amount).quantize(SCALE, rounding=ROUND_HALF_EVEN)


def rounded_value(quantity: int, price: Decimal) -> Decimal:
    """Return the value of `quantity` shares at `price` in the currency's scale, rounded once, half even."""
    return money(quantity * price)


def average_price(notional: Decimal, quantity: int) -> Decimal:
    """Return the average price of `quantity` > 0 shares to four decimals, half even. `notional` is exact."""
    return (notional / quantity).quantize(Decimal("0.0001"), rounding=ROUND_HALF_EVEN)


def plain(amount: Decimal) -> str:
    """Return a price or an amount without exponent, with at least two decimals: 101.5 → "101.50"."""
    places = max(2, -int(amount.normalize().as_tuple().exponent))
    return f"{amount:.{places}f}"


def grouped(amount: Decimal | int) -> str:
    """Return a number for people, with separated thousands: 15100.5 → "15,100.50", 1000 → "1,000"."""
    if isinstance(amount, int):
        return f"{amount:,}"
    whole, point, fraction = plain(abs(amount)).partition(".")
    return f"{'-' if amount < 0 else ''}{int(whole):,}{point}{fraction}"


# --- Amounts as the books take them: nothing is rounded on the way in. Floats raise TypeError, all else ValueError ---


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
