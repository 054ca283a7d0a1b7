"""Money: exact, rounded once and half even, never a float."""

from decimal import Decimal

import pytest

from brokerage.money import average_price, money, plain, rounded_value


@pytest.mark.parametrize(("given", "rounded"), [("0.125", "0.12"), ("0.135", "0.14"), ("2.5", "2.50"), (3, "3.00")])
def test_is_rounded_half_even(given: str | int, rounded: str) -> None:
    assert str(money(given)) == rounded


def test_a_float_is_refused() -> None:
    with pytest.raises(TypeError):
        money(0.1)


def test_a_value_is_rounded_once() -> None:
    assert rounded_value(3, Decimal("0.335")) == Decimal("1.00")


def test_an_average_has_four_decimals() -> None:
    assert str(average_price(Decimal("10.00"), 3)) == "3.3333"


@pytest.mark.parametrize(
    ("amount", "expected"),
    [("101.5", "101.50"), ("0", "0.00"), ("1E+3", "1000.00"), ("0.00000001", "0.00000001"), ("5.10000000", "5.10")],
)
def test_is_shown_plainly(amount: str, expected: str) -> None:
    assert plain(Decimal(amount)) == expected
