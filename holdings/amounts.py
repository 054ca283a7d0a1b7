"""What counts as a number of shares: whole, by its very type."""


def whole(amount: int) -> int:
    """Return `amount`; refuse what is not a whole number of shares by its very type."""
    if type(amount) is not int:
        raise TypeError(f"not a number of shares: {amount!r}")
    return amount


def positive_or_zero(amount: int) -> int:
    if whole(amount) < 0:
        raise ValueError(f"a negative amount: {amount}")
    return amount


def positive(amount: int) -> int:
    if whole(amount) <= 0:
        raise ValueError(f"the amount must be more than 0: {amount}")
    return amount
