"""The speakable form of a trade id: eight symbols, format_reference `7K3M-9QX2`.

A number of a database sequence is permuted over 35 bits, so that neighbours do not look alike and nobody can count
our trades, written as seven symbols of Crockford's base 32, and followed by a Luhn mod 32 check symbol that catches
every single wrong symbol and nearly every pair of neighbours exchanged. Source: D. Crockford, "Base 32"; ISO/IEC 7812.
"""

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_BITS = 35
_MASK = (1 << _BITS) - 1
_FORGIVEN = str.maketrans("OIL", "011", "- ")

# An affine step, a fold and another: each a bijection on 35 bits, so all of them together are one.
_FACTORS = (0x2545F4915, 0x5851F42D5)
_SHIFT = 17
_FIRST = 0x3A7F19C5B  # so that the first reference is not 0000-0000


class BadReferenceError(ValueError):
    """The text cannot be a trade's reference."""


def reference(number: int) -> str:
    """Return the eight symbols for a number of the sequence, 0 ≤ number < 2³⁵."""
    if not 0 <= number <= _MASK:
        raise ValueError(f"references are made of {_BITS} bits, not of {number}")
    mixed = number ^ _FIRST
    for factor in _FACTORS:
        mixed = (mixed * factor) & _MASK
        mixed ^= mixed >> _SHIFT
    symbols = "".join(ALPHABET[(mixed >> shift) & 31] for shift in range(_BITS - 5, -1, -5))
    return symbols + _check_symbol(symbols)


def normalize(text: str) -> str:
    """Return the eight symbols meant: case, hyphens, spaces, O for 0, I and L for 1 are forgiven.

    Raises BadReferenceError.
    """
    symbols = text.upper().translate(_FORGIVEN)
    if len(symbols) != 8 or any(symbol not in ALPHABET for symbol in symbols):
        raise BadReferenceError("A reference has eight symbols, such as 7K3M-9QX2.")
    if _check_symbol(symbols[:-1]) != symbols[-1]:
        raise BadReferenceError("The reference's check symbol does not fit: one of the symbols is wrong.")
    return symbols


def format_reference(symbols: str) -> str:
    """Return the reference as people see it, with its hyphen."""
    return f"{symbols[:4]}-{symbols[4:]}"


def _check_symbol(symbols: str) -> str:
    total = 0
    for place, symbol in enumerate(reversed(symbols)):
        doubled = ALPHABET.index(symbol) * (2 if place % 2 == 0 else 1)
        total += doubled // 32 + doubled % 32
    return ALPHABET[-total % 32]
