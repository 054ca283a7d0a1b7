"""The scenarios through the whole system: services, database, journal, and the trade as the API shows it."""

from decimal import Decimal
from typing import Any

import pytest

from brokerage.models import Trader
from exchange.inbound import Report
from tests.trades import steps
from tests.trades.lifecycle.scenarios import AS_WRITTEN, LIMIT, PENDING, QUANTITY, TABLE, VARIATIONS, Variation
from trades.models import Trade

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("share")]

EXEC_TYPES = {
    "NEW": "0",
    "REJ": "8",
    "TRADE": "F",
    "CORR": "G",
    "BUST": "H",
    "PRPL": "E",
    "PCXL": "6",
    "REPLACED": "5",
    "CANCELED": "4",
    "EXPIRED": "C",
    "DFD": "3",
    "SUSP": "9",
    "RESTATED": "D",
}
ORD_STATUSES = {
    "NEW": "0",
    "PARTIALLY_FILLED": "1",
    "FILLED": "2",
    "DONE_FOR_DAY": "3",
    "CANCELED": "4",
    "PENDING_CANCEL": "6",
    "REJECTED": "8",
    "SUSPENDED": "9",
    "PENDING_NEW": "A",
    "EXPIRED": "C",
    "PENDING_REPLACE": "E",
}


class Play:
    """One order of a trader who can pay for it, or deliver; the exchange is played by the table."""

    def __init__(self, trader: Trader, side: str, *, lasting: bool) -> None:
        steps.wallets_for(trader, "2000000.00")
        steps.holdings_for(trader, ACME=20_000)
        lasts = "GTC" if lasting else "DAY"
        self.trade = steps.place(trader, side, QUANTITY, str(LIMIT), time_in_force=lasts)
        self.requests = {"X": 1}
        self.told: dict[int, Report] = {}
        steps.run_to_sent()

    def step(self, step: dict[str, Any]) -> None:
        if step["event"] in ("RPL", "CXL"):
            self._ask(step)
        elif step.get("again"):
            steps.tell(self.told[step["t"]])
        else:
            self.told[step["t"]] = self._report(step)
            steps.tell(self.told[step["t"]])

    def _ask(self, step: dict[str, Any]) -> None:
        self.requests[step["id"]] = len(self.requests) + 1
        if step["event"] == "RPL":
            steps.amend(self.trade, quantity=step["qty"])
        else:
            steps.cancel(self.trade)
        steps.run_to_sent()

    def _report(self, step: dict[str, Any]) -> Report:
        seq = self.requests[step.get("id", "X")]
        fields = {"OrdStatus": ORD_STATUSES[step["status"]]}
        if step["event"] == "CXLREJ":
            answers = "1" if Trade.objects.get(pk=self.trade).requests.get(seq=seq).kind == "CANCEL" else "2"
            return steps.cancel_reject(self.trade, seq=seq, CxlRejResponseTo=answers, **fields)
        fields |= {"CumQty": str(step["cumQty"]), "LeavesQty": str(step["leavesQty"])}
        if step["event"] in PENDING:
            fields["OrderQty"] = str(step["orderQty"])
        if "q" in step:
            fields |= {"LastQty": str(step["q"]), "LastPx": str(step.get("px", LIMIT))}
        if "qty" in step:
            fields["OrderQty"] = str(step["qty"])
        if "ex" in step:
            fields["ExecID"] = f"{self.trade}-{step['ex']}"
        if "ref" in step:
            fields["ExecRefID"] = f"{self.trade}-{step['ref']}"
        return steps.report(self.trade, EXEC_TYPES[step["event"]], seq=seq, **fields)

    def seen(self) -> dict[str, Any]:
        shown = steps.picture(self.trade)
        reserved = shown["reserved"]
        return {
            "status": shown["status"],
            "orderQty": shown["quantity"],
            "cumQty": shown["filled_quantity"],
            "leavesQty": shown["leaves_quantity"],
            "avgPx": Decimal(shown["average_price"] or 0),
            "hold": Decimal(reserved["cash"]) if shown["side"] == "BUY" else reserved["shares"],
        }

    def anomalies(self) -> list[str]:
        """Those that the table counts, in its words. An exchange that follows the table differs from us in nothing."""
        events = Trade.objects.get(pk=self.trade).events.filter(kind="ANOMALY").order_by("seq")
        found, doubles = [], 0
        for data in events.values_list("data", flat=True):
            if data["code"] == "DUPLICATE_EXECUTION":
                doubles += 1
                found.append(f"dup {doubles}")
            if data["code"] == "OVERFILL":
                found.append(f"overfill {data['quantity']}")
            if data["code"] == "REPORT_DIFFERS":
                found.append(f"differs {data['differences']}")
        return found


def wanted(step: dict[str, Any], side: str) -> dict[str, Any]:
    held = step["buyHold"] if side == "BUY" else step["buyHold"] // LIMIT
    return {name: step[name] for name in ("status", "orderQty", "cumQty", "leavesQty")} | {
        "avgPx": Decimal(str(step["avgPx"])),
        "hold": held,
    }


scenarios = pytest.mark.parametrize("name", TABLE)
both_sides = pytest.mark.parametrize("side", ["BUY", "SELL"])


@scenarios
@both_sides
def test_after_each_step_stands_what_the_table_says(name: str, side: str, carol: Trader) -> None:
    play = Play(carol, side, lasting=TABLE[name]["gt"])
    for step in AS_WRITTEN.play(TABLE[name]["steps"]):
        play.step(step)
        assert play.seen() == wanted(step, side), step
        assert play.anomalies() == step["anomalies"], step


@scenarios
@both_sides
@pytest.mark.parametrize("variation", VARIATIONS, ids=lambda variation: variation.name)
def test_in_the_end_stands_the_same_however_it_came(name: str, side: str, variation: Variation, carol: Trader) -> None:
    play = Play(carol, side, lasting=TABLE[name]["gt"])
    for step in variation.play(TABLE[name]["steps"]):
        play.step(step)
    assert play.seen() == wanted(TABLE[name]["steps"][-1], side)
