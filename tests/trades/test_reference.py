"""Speakable references: unique, forgiving, and wrong ones are noticed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trades.models.reference import ALPHABET, BadReferenceError, format_reference, normalize, reference

NUMBERS = st.integers(0, (1 << 35) - 1)


@given(NUMBERS)
def test_comes_back_however_it_is_spoken(number: int) -> None:
    symbols = reference(number)
    spoken = format_reference(symbols).lower().replace("0", "o").replace("1", "l")
    assert normalize(spoken) == normalize(f" {symbols} ") == symbols


@given(st.lists(NUMBERS, unique=True, min_size=2))
def test_different_numbers_have_different_references(numbers: list[int]) -> None:
    assert len({reference(number) for number in numbers}) == len(numbers)


def test_neighbours_do_not_look_alike() -> None:
    first = [reference(number)[:4] for number in range(100)]
    assert len(set(first)) > 90


@given(NUMBERS, st.integers(0, 7), st.sampled_from(ALPHABET))
def test_one_wrong_symbol_is_always_noticed(number: int, place: int, symbol: str) -> None:
    symbols = reference(number)
    wrong = symbols[:place] + symbol + symbols[place + 1 :]
    if wrong != symbols:
        with pytest.raises(BadReferenceError):
            normalize(wrong)


@pytest.mark.parametrize("spoken", ["", "7K3M", "7K3M-9QX2-1", "UUUU-UUUU", "7K3M\x009QX"])
def test_what_cannot_be_one_is_refused(spoken: str) -> None:
    with pytest.raises(BadReferenceError):
        normalize(spoken)
