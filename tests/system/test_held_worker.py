"""A worker is held between the broker's confirm and its note SENT: the order is outside, and nobody here knows it.

The exchange is the simulated one, in a process of its own; where it is started late, it finds what was sent meanwhile.
"""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from config.devstack.paths import ROOT
from tests.running import RunningStack
from tests.system.failpoint import Failpoint
from tests.system.outside import Outside

Exchange = Callable[[], AbstractContextManager[None]]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    stack = RunningStack(
        tmp_path_factory.mktemp("held") / "var",
        EXCHANGE="external",
        DJANGO_SETTINGS_MODULE="tests.system.failpoint_settings",
        UNCONFIRMED_AFTER_S="600",  # an exchange that is started late is not asked about it
    )
    try:
        stack.wait_until_ready()
        yield stack
    finally:
        stack.stop()


@pytest.fixture
def failpoint(stack: RunningStack) -> Failpoint:
    return Failpoint(stack.var)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


@pytest.fixture
def exchange(stack: RunningStack, journal: Path) -> Exchange:
    """Runs the exchange for as long as the block lasts; what was sent before waits in its queue."""

    @contextmanager
    def run() -> Iterator[None]:
        command = [sys.executable, "manage.py", "run_exchange", "--journal", str(journal), "--latency", "1"]
        process = subprocess.Popen(command, cwd=ROOT, env=stack.env | {"STACK": str(stack.var / "stack.json")})
        try:
            yield
        finally:
            process.terminate()
            assert process.wait(20) == 0

    return run


def hold(outside: Outside, failpoint: Failpoint, trader: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Place a buy whose worker is held, and return it with the worker's pid."""
    failpoint.arm()
    placed = outside.place(trader).json()
    return placed, outside.wait(failpoint.holds, bool)


def cancel(outside: Outside, trader: dict[str, Any], trade_id: str) -> dict[str, Any]:
    answer = outside.http.delete(f"/api/v1/trades/{trade_id}", headers=outside.token(trader))
    assert answer.status_code == 202
    return answer.json()


def requests(trade: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    return [(request["kind"], request["stage"], request["outcome"]) for request in trade["requests"]]


def kinds(outside: Outside, trader: dict[str, Any], trade_id: str) -> list[str]:
    return [entry["kind"] for entry in outside.get(trader, f"trades/{trade_id}/events")["results"]]


def at_the_exchange(journal: Path, trade_id: str) -> tuple[list[tuple[str, str]], list[tuple[str, int]], list[str]]:
    """Of one trade: the messages in their order, each once; the orders there are; what was reported."""
    with sqlite3.connect(journal) as books:
        bodies = books.execute("SELECT body FROM requests WHERE chain = ? ORDER BY number", (trade_id,))
        messages = [json.loads(body) for (body,) in bodies]
        orders = books.execute("SELECT ended, filled FROM orders WHERE trade_ref = ?", (trade_id,)).fetchall()
        reports = books.execute(
            "SELECT body ->> '$.ExecType' FROM reports WHERE chain = ? ORDER BY number", (trade_id,)
        )
        sent = [(message["Header"]["MsgType"], message["Body"]["ClOrdID"]) for message in messages]
        return sent, orders, [exec_type for (exec_type,) in reports]


def test_a_cancellation_that_comes_meanwhile_is_a_message_behind_the_order(
    outside: Outside, failpoint: Failpoint, exchange: Exchange, journal: Path
) -> None:
    [alice] = outside.traders()
    placed, _ = hold(outside, failpoint, alice)
    assert [order["Header"]["MsgType"] for order in outside.look_at_orders(1)] == ["D"]
    asked = cancel(outside, alice, placed["trade_id"])
    assert asked["status"] == "BOOKED", "it may be outside: nothing ends on our word alone"
    assert requests(asked) == [("NEW", "BOOKED", None), ("CANCEL", "RECEIVED", None)]
    assert outside.get(alice, "wallet")["blocked"] == "1000.00"
    assert outside.unread_orders() == 1, "it waits until the order is known to be sent"

    failpoint.release()
    assert [order["Header"]["MsgType"] for order in outside.look_at_orders(2)] == ["D", "F"]
    with exchange():
        ended = outside.wait_for_status(alice, placed["trade_id"], "CANCELED")
    assert requests(ended) == [("NEW", "SENT", "ACCEPTED"), ("CANCEL", "SENT", "ACCEPTED")]
    assert outside.get(alice, "wallet")["blocked"] == "0.00"
    new, behind = (request["request_id"] for request in ended["requests"])
    assert at_the_exchange(journal, placed["trade_id"]) == ([("D", new), ("F", behind)], [("4", 0)], ["0", "4"])


@pytest.mark.parametrize("who", ["the child", "the whole worker"])
def test_the_order_is_sent_again_and_taken_once_when_the_held_one_is_killed(
    outside: Outside,
    failpoint: Failpoint,
    exchange: Exchange,
    journal: Path,
    who: str,
) -> None:
    [alice] = outside.traders()
    placed, child = hold(outside, failpoint, alice)
    cancel(outside, alice, placed["trade_id"])
    os.kill(child if who == "the child" else outside.stack.pid("worker"), signal.SIGKILL)
    # Before the file goes: without its master a child would go on.
    outside.wait(lambda: os.path.exists(f"/proc/{child}"), lambda alive: not alive)
    failpoint.forget()

    sent, again, cancellation = outside.look_at_orders(3)
    assert (again["Body"], again["Header"]["PossResend"]) == (sent["Body"], "Y")
    assert cancellation["Header"]["MsgType"] == "F"
    with exchange():
        ended = outside.wait_for_status(alice, placed["trade_id"], "CANCELED")
    assert requests(ended) == [("NEW", "SENT", "ACCEPTED"), ("CANCEL", "SENT", "ACCEPTED")]
    assert outside.get(alice, "wallet")["blocked"] == "0.00"
    new, behind = (request["request_id"] for request in ended["requests"])
    assert at_the_exchange(journal, placed["trade_id"]) == ([("D", new), ("F", behind)], [("4", 0)], ["0", "4"])


def test_ack_and_fill_and_cancellation_overtake_the_note(
    outside: Outside, failpoint: Failpoint, exchange: Exchange, journal: Path
) -> None:
    """Each report proves the sending by itself. What the worker notes at last changes nothing."""
    alice, bob = outside.traders(2)
    with exchange():
        offered = outside.place(bob, side="SELL", quantity=4).json()
        outside.wait_for_status(bob, offered["trade_id"], "NEW")
        placed, _ = hold(outside, failpoint, alice)
        filled = outside.wait_for_status(alice, placed["trade_id"], "PARTIALLY_FILLED")
        assert requests(filled) == [("NEW", "SENT", "ACCEPTED")]
        cancel(outside, alice, placed["trade_id"])
        ended = outside.wait_for_status(alice, placed["trade_id"], "CANCELED")
        assert failpoint.holds(), "all of it while the worker was held"
        failpoint.release()
        outside.wait(failpoint.is_over, bool)
    assert outside.get(alice, f"trades/{placed['trade_id']}") == ended
    assert (ended["filled_quantity"], ended["reserved"]["cash"]) == (4, "0.00")
    wallet = outside.get(alice, "wallet")
    assert (wallet["balance"], wallet["blocked"]) == ("99600.00", "0.00")
    assert kinds(outside, alice, placed["trade_id"]) == [
        *("NEW_RECEIVED", "VALIDATED", "BOOKED", "EXCHANGE_NEW", "EXCHANGE_FILL"),
        *("CANCEL_RECEIVED", "VALIDATED", "BOOKED", "SENT", "EXCHANGE_CANCELED"),
    ]
    new, behind = (request["request_id"] for request in ended["requests"])
    assert at_the_exchange(journal, placed["trade_id"]) == ([("D", new), ("F", behind)], [("4", 4)], ["0", "F", "4"])
