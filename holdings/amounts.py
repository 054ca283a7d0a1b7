"""Numbers of shares as the books take them: whole, by their very type.

Anything but an `int` raises TypeError; a number out of range, ValueError.
"""


def whole(amount: int) -> int:
    """Return `amount`; refuse what is not an `int`, a `bool` or a whole float included."""
    if type(amount) is not int:
        raise TypeError(f"not a number of shares: {amount!r}")
    return amount


def positive_or_zero(amount: int) -> int:
    """Return `amount`; refuse less than 0."""
    if whole(amount) < 0:
        raise ValueError(f"a negative amount: {amount}")
    return amount


def positive(amount: int) -> int:
    """Return `amount`; refuse 0 and less."""
    if whole(amount) <= 0:
        raise ValueError(f"the amount must be more than 0: {amount}")
    return amount
