"""Status requests bring back what is lost between broker and exchange, with real processes and without a person."""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.running import RunningStack
from tests.system.conftest import SHORT_TIMERS
from tests.system.outside import Outside

QUEUES = ("exchange.orders", "exchange.reports", "trades.validate", "trades.book", "trades.send")


class TestAnExternalExchange:
    @pytest.fixture(scope="class")
    @classmethod
    def stack(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
        stack = RunningStack(tmp_path_factory.mktemp("reconciliation") / "var", EXCHANGE="external", **SHORT_TIMERS)
        try:
            stack.wait_until_ready()
            yield stack
        finally:
            stack.stop()

    def test_an_order_that_it_never_got_is_sent_again(self, outside: Outside) -> None:
        [alice] = outside.traders()
        trade_id = outside.place(alice).json()["trade_id"]
        order = outside.next_from_broker("D", trade_id)
        outside.delete_queues("exchange.orders")  # and so it was lost
        request = outside.next_from_broker("H", trade_id)
        assert outside.get(alice, f"trades/{trade_id}")["unconfirmed_since"]
        outside.report(status(request) | {"OrdStatus": "8", "OrdRejReason": "5", "CumQty": "0"})
        again = outside.next_from_broker("D", trade_id)
        assert (again["Body"], again["Header"]["PossResend"]) == (order["Body"], "Y")
        outside.report(names(again) | {"ExecType": "0"})
        assert outside.wait_for_status(alice, trade_id, "NEW")["unconfirmed_since"] is None

    def test_an_ack_that_was_lost_comes_with_the_first_fill(self, outside: Outside) -> None:
        [alice] = outside.traders()
        trade_id = outside.place(alice).json()["trade_id"]
        order = outside.next_from_broker("D", trade_id)
        outside.report(names(order) | {"ExecType": "F", "LastQty": "4", "LastPx": "100.00"})
        trade = outside.wait_for_status(alice, trade_id, "PARTIALLY_FILLED")
        assert trade["requests"][0]["outcome"] == "ACCEPTED"

    def test_a_wiped_reports_queue_makes_the_broker_request_the_status_of_what_is_open(self, outside: Outside) -> None:
        """Not after 15 seconds or ten minutes, for nothing is unanswered: because the queue was gone."""
        [alice] = outside.traders()
        trade_id = outside.place(alice).json()["trade_id"]
        order = outside.next_from_broker("D", trade_id)
        outside.report(names(order) | {"ExecType": "0"})
        outside.wait_for_status(alice, trade_id, "NEW")
        outside.delete_queues("exchange.reports")
        request = outside.next_from_broker("H", trade_id)
        fill = {"ExecType": "F", "ExecID": f"lost-{trade_id}", "LastQty": "10", "LastPx": "100.00"}
        outside.report(names(order) | fill)
        outside.report(status(request) | {"OrdStatus": "2", "CumQty": "10"})
        outside.wait_for_status(alice, trade_id, "FILLED")

    def test_a_cancellation_behind_a_parked_order_ends_what_never_arrived(self, outside: Outside) -> None:
        [alice] = outside.traders()
        trade_id = outside.place(alice).json()["trade_id"]
        outside.next_from_broker("D", trade_id)
        park_in_doubt(outside, trade_id)
        outside.http.delete(f"/api/v1/trades/{trade_id}", headers=outside.token(alice))
        request = outside.next_from_broker("H", trade_id)
        outside.report(status(request) | {"OrdStatus": "8", "OrdRejReason": "5", "CumQty": "0"})
        trade = outside.wait_for_status(alice, trade_id, "CANCELED")
        assert trade["reserved"]["cash"] == "0.00"

    def test_a_cancellation_does_not_wait_for_an_answer_for_ever(self, outside: Outside) -> None:
        [alice] = outside.traders()
        trade_id = outside.place(alice).json()["trade_id"]
        order = outside.next_from_broker("D", trade_id)
        park_in_doubt(outside, trade_id)
        outside.http.delete(f"/api/v1/trades/{trade_id}", headers=outside.token(alice))
        cancel = outside.next_from_broker("F", trade_id)
        assert cancel["Body"]["OrigClOrdID"] == order["Body"]["ClOrdID"]
        outside.report(names(cancel) | {"ExecType": "4"})
        outside.wait_for_status(alice, trade_id, "CANCELED")


class TestTheSimulator:
    @pytest.fixture
    def stack(self, simulated: RunningStack) -> RunningStack:
        return simulated

    def test_every_queue_deleted_in_the_middle_loses_no_fill(self, outside: Outside) -> None:
        """Orders of eight traders meet each other; all queues are deleted with what is in them, three times."""
        traders = outside.traders(8)
        placed: list[str] = []

        def trade() -> None:
            for number in range(240):
                side, price = ("BUY", "100.02") if number % 2 else ("SELL", "99.98")
                terms = {"side": side, "price": price, "quantity": 1 + number % 7, "client_reference": f"w-{number}"}
                placed.append(outside.place(traders[number % 8], **terms).json()["trade_id"])
                time.sleep(0.03)

        trading = threading.Thread(target=trade)
        trading.start()
        for _ in range(3):
            time.sleep(1.5)
            outside.delete_queues(*QUEUES)
        trading.join()
        unanswered = "SELECT count(*) FROM trades_traderequest WHERE outcome IS NULL"
        outside.wait(lambda: outside.query(unanswered), lambda seen: seen == [(0,)])
        executed = executions_of_the_exchange(outside, placed)
        assert len(executed) > len(placed) / 2
        outside.wait(lambda: executions_in_the_books(outside, placed), lambda seen: seen == executed)


def park_in_doubt(outside: Outside, trade_id: str) -> None:
    """As if the sender had died before it noted the order as sent, and a person had taken it out of the pipeline."""
    outside.query(
        "UPDATE trades_traderequest SET stage = 'BOOKED', sent_at = NULL, check_at = NULL, due_at = now() + '1 hour'"
        " WHERE trade_id = %s RETURNING 1",
        trade_id,
    )
    outside.query("UPDATE trades_trade SET status = 'BOOKED' WHERE id = %s RETURNING 1", trade_id)
    assert outside.stack.manage("park", trade_id).returncode == 0


def names(order: dict[str, Any]) -> dict[str, str]:
    return {name: order["Body"][name] for name in ("ClOrdID", "SecondaryClOrdID", "Symbol", "Side")}


def status(request: dict[str, Any]) -> dict[str, str]:
    """Return the last message of an answer, as far as it repeats the request."""
    return names(request) | {"ExecType": "I", "ExecID": "0", "OrdStatusReqID": request["Body"]["OrdStatusReqID"]}


def executions_of_the_exchange(outside: Outside, trades: list[str]) -> list[tuple[str, str, int]]:
    """Return every fill of these trades that the exchange made, from its own journal."""
    with closing(sqlite3.connect(outside.stack.var / "exchange.sqlite3")) as journal:
        bodies = [json.loads(body) for (body,) in journal.execute("SELECT body FROM reports WHERE msg_type = '8'")]
    fills = [body for body in bodies if body["ExecType"] == "F" and body["SecondaryClOrdID"] in trades]
    return sorted((body["SecondaryClOrdID"], body["ExecID"], int(body["LastQty"])) for body in fills)


def executions_in_the_books(outside: Outside, trades: list[str]) -> list[tuple[str, str, int]]:
    rows = outside.query(
        "SELECT trade_id::text, exec_id, quantity FROM trades_execution WHERE trade_id = ANY(%s::uuid[]) ORDER BY 1, 2",
        trades,
    )
    return [(trade_id, exec_id, quantity) for trade_id, exec_id, quantity in rows]
