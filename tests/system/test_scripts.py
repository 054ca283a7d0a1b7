"""What a person can try at the simulated exchange, over HTTP: the price of an order on TEST says what happens to it."""

from typing import Any

import pytest

from tests.running import RunningStack
from tests.system.outside import Outside

# By the last two digits of the price: what the exchange reports, and how the trade ends
# (status, quantity, filled, leaves).
TABLE = {
    11: ("FILL NEW FILL", ("FILLED", 10, 10, 0)),
    12: ("NEW FILL FILL FILL", ("FILLED", 10, 10, 0)),
    13: ("REJECTED", ("REJECTED", 10, 0, 0)),
    14: ("NEW CANCEL_REJECTED", ("NEW", 10, 0, 10)),
    15: ("NEW FILL CANCEL_REJECTED", ("FILLED", 10, 10, 0)),
    16: ("NEW FILL BUSTED", ("NEW", 10, 0, 10)),
    17: ("NEW FILL CORRECTED", ("PARTIALLY_FILLED", 10, 9, 1)),
    18: ("NEW FILL", ("FILLED", 10, 10, 0)),
    19: ("NEW", ("NEW", 10, 0, 10)),
    21: ("NEW SUSPENDED RESTATED", ("NEW", 10, 0, 10)),
    22: ("NEW CANCELED", ("CANCELED", 10, 0, 0)),
    23: ("NEW EXPIRED", ("EXPIRED", 10, 0, 0)),
    24: ("NEW DONE_FOR_DAY", ("DONE_FOR_DAY", 10, 0, 0)),
    25: ("PENDING_NEW NEW", ("NEW", 10, 0, 10)),
    26: ("NEW RESTATED", ("NEW", 11, 0, 11)),
    27: ("NEW FILL", ("FILLED", 10, 11, 0)),
    28: ("NEW FILL", ("FILLED", 10, 10, 0)),
}


@pytest.fixture
def stack(simulated: RunningStack) -> RunningStack:
    return simulated


def reports(outside: Outside, trader: dict[str, Any], trade_id: str) -> str:
    """What the timeline tells of the exchange, in a line."""
    entries = outside.get(trader, f"trades/{trade_id}/events")["results"]
    kinds = [entry["kind"] for entry in entries]
    return " ".join(kind.removeprefix("EXCHANGE_") for kind in kinds if kind.startswith("EXCHANGE_"))


@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_one_order_per_script_and_each_ends_as_the_table_says(outside: Outside, side: str) -> None:
    [trader] = outside.traders()
    token = outside.token(trader)
    placed = {paise: outside.place(trader, side=side, price=f"99.{paise}").json() for paise in TABLE}
    path = {paise: f"/api/v1/trades/{trade['trade_id']}" for paise, trade in placed.items()}

    def look(paise: int) -> str:
        return reports(outside, trader, placed[paise]["trade_id"])

    for paise in (14, 15):
        outside.wait(lambda paise=paise: look(paise), lambda seen: seen == "NEW")
    assert outside.http.patch(path[14], json={"quantity": 5}, headers=token).status_code == 202
    assert outside.http.delete(path[15], headers=token).status_code == 202
    for paise, (expected, end) in TABLE.items():
        outside.wait(lambda paise=paise: look(paise), lambda seen, expected=expected: seen == expected)
        trade = outside.get(trader, f"trades/{placed[paise]['trade_id']}")
        shown = (trade["status"], trade["quantity"], trade["filled_quantity"], trade["leaves_quantity"])
        assert shown == end, f"99.{paise}"
    odd = outside.query("SELECT DISTINCT trade_id::text FROM trades_tradeevent WHERE data->>'code' = 'REPORT_DIFFERS'")
    assert {trade for (trade,) in odd} & {trade["trade_id"] for trade in placed.values()} == {placed[11]["trade_id"]}
