"""The faults of an exchange and of the way to it, each at a rate of its own. Pure Python.

Every decision is a function of the seed, the fault and the number of the report (in the journal) that it is about:
nothing is remembered, so a retry and a new start decide the same.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from exchange.fix.codes import ExecType


class Fault(StrEnum):
    """What may go wrong, by the name that `--faults` takes; docs/exchange.md describes each."""

    # How a report goes out
    ACKS_LATE = "acks_late"
    FILLS_FIRST = "fills_first"
    DUPLICATES = "duplicates"
    REORDERED = "reordered"
    DELAYS = "delays"
    DROPS = "drops"
    DISCONNECTS = "disconnects"
    # How a request is answered
    PENDINGS = "pendings"
    AMENDS_REFUSED = "amends_refused"
    CANCELS_REFUSED = "cancels_refused"
    HALTS = "halts"
    # What the exchange does unsolicited
    BUSTS = "busts"
    CORRECTIONS = "corrections"
    SUSPENSIONS = "suspensions"
    RESTATEMENTS = "restatements"
    CANCELS = "cancels"
    EXPIRIES = "expiries"
    DONE_FOR_DAY = "done_for_day"


class Action(StrEnum):
    """Something that the exchange does later, of its own accord."""

    BUST = "BUST"
    CORRECT = "CORRECT"
    SUSPEND = "SUSPEND"
    RESTATE = "RESTATE"
    WAKE = "WAKE"
    """Restate a sleeping order on its own terms."""
    CANCEL = "CANCEL"
    EXPIRE = "EXPIRE"
    DONE_FOR_DAY = "DONE_FOR_DAY"
    RESUME = "RESUME"
    """Let a halted instrument trade again."""


UNSOLICITED = {
    ExecType.NEW: {
        Fault.SUSPENSIONS: Action.SUSPEND,
        Fault.RESTATEMENTS: Action.RESTATE,
        Fault.CANCELS: Action.CANCEL,
        Fault.EXPIRIES: Action.EXPIRE,
        Fault.DONE_FOR_DAY: Action.DONE_FOR_DAY,
    },
    ExecType.TRADE: {Fault.BUSTS: Action.BUST, Fault.CORRECTIONS: Action.CORRECT},
}
"""What may follow a report, by its ExecType. A corrected execution may be busted or corrected in its turn."""
UNSOLICITED[ExecType.TRADE_CORRECT] = UNSOLICITED[ExecType.TRADE]


@dataclass(frozen=True)
class Faults:
    """The rate of each fault, from 0 (never, as all that are not named) to 1 (always), and the seed of the draws."""

    rates: Mapping[Fault, float] = field(default_factory=dict)
    seed: int = 1

    @classmethod
    def parse(cls, text: str, *, seed: int) -> "Faults":
        """Read `name=rate,name=rate`. Raises ValueError with a message for people."""
        rates = {}
        for item in filter(None, (part.strip() for part in text.split(","))):
            name, _, rate = item.partition("=")
            if name not in set(Fault):
                raise ValueError(f"no fault is called {name!r}; there are {', '.join(Fault)}")
            try:
                rates[Fault(name)] = float(rate)
            except ValueError:
                raise ValueError(f"{item!r} has no rate from 0 to 1") from None
            if not 0 <= rates[Fault(name)] <= 1:
                raise ValueError(f"{item!r} has no rate from 0 to 1")
        return cls(rates, seed)

    def __bool__(self) -> bool:
        return any(self.rates.values())

    def strikes(self, fault: Fault, number: int) -> bool:
        """Tell whether the fault strikes the report with this number."""
        rate = self.rates.get(fault, 0.0)
        return rate > 0 and self._random(fault, number).random() < rate

    def between(self, fault: Fault, number: int, low: float, high: float) -> float:
        """Return the number from `low` to `high` that belongs to this report and this fault."""
        return self._random(f"{fault} how much", number).uniform(low, high)

    def unsolicited(self, exec_type: str, number: int) -> Iterator[tuple[Action, float]]:
        """Yield what follows a report, each with the seconds until then."""
        for fault, action in UNSOLICITED.get(ExecType(exec_type), {}).items() if self else ():
            if self.strikes(fault, number):
                yield action, self.between(fault, number, 0.2, 2.0)

    def _random(self, *names: object) -> random.Random:
        return random.Random(f"{self.seed}/{'/'.join(map(str, names))}")  # noqa: S311  (no secret)


NONE = Faults()
