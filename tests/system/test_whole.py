"""The whole system with real processes, looked at from outside: money under a hammer, kills, and a dead broker."""

import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.system.outside import Outside


def ids(order: dict[str, Any]) -> dict[str, str]:
    names = ("ClOrdID", "SecondaryClOrdID", "Symbol", "Side")
    return {name: order["Body"][name] for name in names}


def test_a_buy_goes_out_and_its_fill_comes_in(outside: Outside) -> None:
    [alice] = outside.traders()
    placed = outside.place(alice, quantity=10, price="101.50").json()
    [order] = outside.orders(1)
    assert order["Header"]["MsgType"] == "D"
    assert order["Body"]["SecondaryClOrdID"] == placed["trade_id"]
    outside.report(ids(order) | {"ExecType": "0"})
    outside.report(ids(order) | {"ExecType": "F", "LastQty": "4", "LastPx": "101.25"})
    trade = outside.wait_for_status(alice, placed["trade_id"], "PARTIALLY_FILLED")
    assert (trade["leaves_quantity"], trade["average_price"], trade["reserved"]["cash"]) == (6, "101.2500", "609.00")
    outside.report(ids(order) | {"ExecType": "F", "LastQty": "6", "LastPx": "101.50"})
    outside.wait_for_status(alice, placed["trade_id"], "FILLED")
    assert outside.get(alice, "wallet")["balance"] == "98986.00"


def test_rubbish_from_the_exchange_is_kept_and_stops_nothing(outside: Outside) -> None:
    [alice] = outside.traders()
    placed = outside.place(alice).json()
    [order] = outside.orders(1)
    rubbish = b'{"Header": {"MsgType": "8"}, "Body": \xff}'
    outside.report(rubbish)
    outside.report({"ExecType": "0", "ClOrdID": "nobody's"})
    outside.report(ids(order) | {"ExecType": "0"})
    outside.wait_for_status(alice, placed["trade_id"], "NEW")
    kept = outside.query("SELECT code, body FROM exchange_quarantinedmessage ORDER BY id DESC LIMIT 2")
    assert [code for code, _ in kept] == ["UNKNOWN_ORDER", "MALFORMED"]
    assert bytes(kept[1][1]) == rubbish


def test_one_wallet_under_the_hammer_pays_for_exactly_what_it_has(outside: Outside) -> None:
    """Eight clients, money for exactly 100 of 150 buys, and requests doubled at random: each reference counts once."""
    [alice] = outside.traders(cash="100000.00")
    dice = random.Random(7)
    numbers = [number for number in range(150) for _ in range(dice.choice((1, 2, 3)))]
    dice.shuffle(numbers)
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda n: outside.place(alice, client_reference=f"hammer-{n}"), numbers))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["trade_id"] for answer in answers}) == 150

    def statuses() -> dict[tuple[str, str | None], int]:
        rows = outside.query(
            "SELECT status, reason->>'code', count(*) FROM trades_trade WHERE trader_id = %s GROUP BY 1, 2",
            alice["trader_id"],
        )
        return {(status, code): count for status, code, count in rows}

    expected = {("PENDING_NEW", None): 100, ("REJECTED", "INSUFFICIENT_FUNDS"): 50}
    outside.wait(statuses, lambda seen: seen == expected)
    wallet = outside.get(alice, "wallet")
    assert (wallet["balance"], wallet["blocked"], wallet["available"]) == ("100000.00", "100000.00", "0.00")
    assert len({order["Body"]["ClOrdID"] for order in outside.orders(100)}) == 100


@pytest.mark.parametrize("name", ["worker", "dispatcher", "web", "reports", "rabbitmq", "postgres"])
def test_a_kill_in_the_middle_loses_and_doubles_nothing(outside: Outside, name: str) -> None:
    traders = outside.traders(4)
    references = [f"kill-{name}-{number}" for number in range(60)]

    def place(reference: str) -> str:
        """As a careful client: no answer, or none of use, and it asks again with the same reference."""
        for _ in range(120):
            try:
                answer = outside.place(traders[hash(reference) % 4], quantity=1, client_reference=reference)
                if answer.status_code == 202:
                    return answer.json()["trade_id"]
            except httpx.TransportError:
                pass
            time.sleep(0.25)
        raise AssertionError(f"{reference} was never taken")

    with ThreadPoolExecutor(4) as clients:
        placed = clients.map(place, references)
        time.sleep(0.15)
        os.kill(outside.stack.pid(name), signal.SIGKILL)
        trades = list(placed)
    assert len(set(trades)) == 60
    for order in outside.orders(60):
        outside.report(ids(order) | {"ExecType": "0", "ExecID": f"kill-{order['Body']['ClOrdID']}"})
    statuses = "SELECT DISTINCT status FROM trades_trade WHERE id = ANY(%s::uuid[])"
    outside.wait(lambda: outside.query(statuses, trades), lambda seen: seen == [("NEW",)])


def test_orders_are_taken_while_rabbitmq_does_not_answer(outside: Outside) -> None:
    """Frozen, it neither refuses nor answers: the worst way to be away. The orders flow when it is back."""
    [alice] = outside.traders()
    rabbitmq = outside.stack.pid("rabbitmq")
    os.kill(rabbitmq, signal.SIGSTOP)
    try:
        placed = []
        until = time.monotonic() + 12
        while time.monotonic() < until:
            answer = outside.place(alice, quantity=1)
            assert answer.status_code == 202
            assert answer.elapsed.total_seconds() < 2
            placed.append(answer.json()["trade_id"])
            time.sleep(0.5)
    finally:
        os.kill(rabbitmq, signal.SIGCONT)
    statuses = "SELECT DISTINCT status FROM trades_trade WHERE id = ANY(%s::uuid[])"
    outside.wait(lambda: outside.query(statuses, placed), lambda seen: seen == [("PENDING_NEW",)])
    assert {order["Body"]["SecondaryClOrdID"] for order in outside.orders(len(placed))} == set(placed)
