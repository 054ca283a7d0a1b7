"""Order-state scenarios as data: what an exchange and a client do to one order, and what must hold after each step.

They follow "Order State Changes" of FIX 5.0 SP2, whose numbers they bear. Every order is of 10,000 at 100.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

QUANTITY = 10_000
LIMIT = 100
TABLE: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "scenarios.json").read_text())

PENDING = {"PRPL", "PCXL"}
CLIENT = {"RPL", "CXL"}


@dataclass(frozen=True)
class Variation:
    """A way in which messages may come otherwise without changing what becomes of the trade."""

    name: str
    doubled: bool = False
    without_pending: bool = False
    late_ack: bool = False

    def play(self, steps: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """The steps as they come; a report that comes twice is there twice."""
        if self.without_pending:
            steps = [step for step in steps if step["event"] not in PENDING]
        if self.late_ack and steps[0]["event"] == "NEW":
            first_fill = next((n for n, step in enumerate(steps) if step["event"] == "TRADE"), 0)
            steps = steps[1 : first_fill + 1] + steps[:1] + steps[first_fill + 1 :]
        for step in steps:
            yield step
            if self.doubled and step["event"] not in CLIENT:
                yield step | {"again": True}


AS_WRITTEN = Variation("as written")
VARIATIONS = (
    Variation("doubled", doubled=True),
    Variation("without pending reports", without_pending=True),
    Variation("ack after the first fill", late_ack=True),
)
