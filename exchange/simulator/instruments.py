"""What the exchange knows of a share it lists."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Share:
    symbol: str
    tick: Decimal
    lot: int
    reference_price: Decimal
    band_percent: Decimal
    halted: bool = False
