"""The scenarios, played on the reducer alone: for a buy and, mirrored, for a sale."""

from decimal import Decimal
from typing import Any

import pytest

from tests.trades.lifecycle.scenarios import AS_WRITTEN, LIMIT, QUANTITY, TABLE, VARIATIONS, Variation
from trades import lifecycle
from trades.lifecycle import (
    Executed,
    Kind,
    Report,
    Reported,
    Request,
    RequestAdded,
    Side,
    Stage,
    State,
    TimeInForce,
)

REPORTED = {
    "NEW": Reported.NEW,
    "REJ": Reported.REJECTED,
    "TRADE": Reported.FILL,
    "CORR": Reported.CORRECTED,
    "BUST": Reported.BUSTED,
    "PRPL": Reported.PENDING_REPLACE,
    "PCXL": Reported.PENDING_CANCEL,
    "REPLACED": Reported.REPLACED,
    "CXLREJ": Reported.CANCEL_REJECTED,
    "CANCELED": Reported.CANCELED,
    "EXPIRED": Reported.EXPIRED,
    "DFD": Reported.DONE_FOR_DAY,
    "SUSP": Reported.SUSPENDED,
    "RESTATED": Reported.RESTATED,
}


class Play:
    """One order on the reducer, with the executions that whoever calls it has to know."""

    def __init__(self, side: Side, *, lasting: bool) -> None:
        new = Request("X", 1, Kind.NEW, QUANTITY, Decimal(LIMIT), Stage.SENT)
        lasts = TimeInForce.GTC if lasting else TimeInForce.DAY
        self.state = State(side, lasts, QUANTITY, Decimal(LIMIT), (new,))
        self.executions: dict[str, Executed] = {}

    def step(self, step: dict[str, Any]) -> None:
        if "ex" in step and step["ex"] in self.executions:
            return  # an ExecID that is known does nothing: that is asked before the reducer
        event = self._asked(step) if step["event"] in ("RPL", "CXL") else self._report(step)
        self.state, _ = lifecycle.apply(self.state, event)

    def _asked(self, step: dict[str, Any]) -> RequestAdded:
        quantity, price = lifecycle.requested_terms(self.state)
        kind = Kind.AMEND if step["event"] == "RPL" else Kind.CANCEL
        seq = len(self.state.requests) + 1
        request = Request(step["id"], seq, kind, step.get("qty", quantity), price, Stage.SENT)
        return RequestAdded(request)

    def _report(self, step: dict[str, Any]) -> Report:
        kind = REPORTED[step["event"]]
        replaces = self.executions.pop(step["ref"], Executed()) if "ref" in step else Executed()
        quantity, price = step.get("q", step.get("qty")), None
        if kind in (Reported.FILL, Reported.CORRECTED):
            price = Decimal(step.get("px", LIMIT))
            self.executions[step["ex"]] = Executed(quantity, price)
        return Report(kind, step.get("id", "X"), quantity, price, replaces=replaces)

    def seen(self) -> dict[str, Any]:
        """The order as the table has it; for a sale what is held is shares."""
        state = self.state
        filled = state.filled_quantity
        return {
            "status": str(lifecycle.status(state)),
            "orderQty": state.quantity,
            "cumQty": filled,
            "leavesQty": lifecycle.leaves(state),
            "avgPx": float(state.filled_notional / filled) if filled else 0,
            "hold": lifecycle.hold(state),
        }


def wanted(step: dict[str, Any], side: Side) -> dict[str, Any]:
    held = step["buyHold"] if side is Side.BUY else step["buyHold"] // LIMIT
    return {name: step[name] for name in ("status", "orderQty", "cumQty", "leavesQty", "avgPx")} | {"hold": held}


scenarios = pytest.mark.parametrize("name", TABLE)
both_sides = pytest.mark.parametrize("side", list(Side))


@scenarios
@both_sides
def test_after_each_step_stands_what_the_table_says(name: str, side: Side) -> None:
    play = Play(side, lasting=TABLE[name]["gt"])
    for step in AS_WRITTEN.play(TABLE[name]["steps"]):
        play.step(step)
        assert play.seen() == wanted(step, side), step


@scenarios
@both_sides
@pytest.mark.parametrize("variation", VARIATIONS, ids=lambda variation: variation.name)
def test_in_the_end_stands_the_same_however_it_came(name: str, side: Side, variation: Variation) -> None:
    play = Play(side, lasting=TABLE[name]["gt"])
    for step in variation.play(TABLE[name]["steps"]):
        play.step(step)
    assert play.seen() == wanted(TABLE[name]["steps"][-1], side)
