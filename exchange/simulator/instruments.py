"""The instruments that the exchange lists."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Instrument:
    """One share with its trading rules: prices in its currency, `lot` in shares, `band_percent` of the reference."""

    symbol: str
    tick: Decimal
    lot: int
    reference_price: Decimal
    band_percent: Decimal
    halted: bool = False
