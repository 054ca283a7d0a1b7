"""What the firm charges for executions, as a function of what they are worth altogether."""

from dataclasses import dataclass
from decimal import Decimal

from brokerage.money import ZERO, money


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """A share of the value, but at least `minimum`, and at most `cap` (None: no limit).

    It is charged on the whole trade and not on each of its fills: at a fill the difference of two totals falls due. So
    however a trade is cut into fills, busts and corrections, it costs the same.
    """

    rate: Decimal = ZERO
    """0.001 is a tenth of a per cent; never more than 1."""
    minimum: Decimal = ZERO
    cap: Decimal | None = None

    def total(self, executed: Decimal) -> Decimal:
        """Return the fees of executions worth `executed`, in the currency's scale; nothing for nothing."""
        if not executed:
            return ZERO
        due = max(self.minimum, money(self.rate * executed))
        return due if self.cap is None else min(self.cap, due)


FREE = FeeSchedule()
