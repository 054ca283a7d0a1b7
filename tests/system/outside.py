"""The brokerage from outside: HTTP as a client, AMQP as the exchange, and nothing of its code."""

import itertools
import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

import amqp
import httpx
import kombu
import psycopg

from tests.running import RunningStack

_numbers = itertools.count(1)
PATIENCE = 45.0
"""Seconds to wait for what must come: longer than a lease."""


class Outside:
    def __init__(self, stack: RunningStack) -> None:
        self.stack = stack
        self.http = httpx.Client(base_url=stack.description["web_url"], timeout=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    # --- as a client ---

    def traders(self, count: int = 1, *, cash: str = "100000.00", holding: str = "TEST=1000") -> list[dict[str, Any]]:
        """Make fresh traders, each with a token."""
        output = self.stack.var / "traders.jsonl"
        done = self.stack.manage(
            "seed_traders", str(count), "--cash", cash, "--holding", holding, "--output", str(output)
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in output.read_text().splitlines()]

    def place(self, trader: dict[str, Any], **trade: Any) -> httpx.Response:
        body = {"symbol": "TEST", "side": "BUY", "quantity": 10, "price": "100.00"} | trade
        return self.http.post("/api/v1/trades", json=body, headers=self.token(trader))

    def get(self, trader: dict[str, Any], path: str) -> dict[str, Any]:
        return self.http.get(f"/api/v1/{path}", headers=self.token(trader)).json()

    def token(self, trader: dict[str, Any]) -> dict[str, str]:
        return {"Authorization": f"Token {trader['token']}"}

    def wait_for_status(self, trader: dict[str, Any], trade_id: str, status: str) -> dict[str, Any]:
        return self.wait(lambda: self.get(trader, f"trades/{trade_id}"), lambda trade: trade["status"] == status)

    def wait(self, look: Callable[[], Any], good: Callable[[Any], bool]) -> Any:
        """Look until it is good; what was seen last is in the failure."""
        deadline = time.monotonic() + PATIENCE
        while not good(seen := look()):
            assert time.monotonic() < deadline, f"still {seen}"
            time.sleep(0.05)
        return seen

    # --- as the exchange ---

    def report(self, body: dict[str, str] | bytes, msg_type: str = "8") -> None:
        """Publish one report, or any bytes, to the broker."""
        if isinstance(body, dict):
            body = {"ExecID": f"out-{next(_numbers)}"} | body if msg_type == "8" else body
            header = {"MsgType": msg_type, "SenderCompID": "EXCHANGE", "TargetCompID": "BROKER"}
            body = json.dumps({"Header": header | {"SendingTime": "20261122-10:15:30.123"}, "Body": body}).encode()
        with self._exchange() as connection:
            channel = connection.channel()
            message = amqp.Message(body, content_type="application/json", delivery_mode=2, message_id="m")
            channel.basic_publish_confirm(message, routing_key="exchange.reports", mandatory=True)

    def orders(self, count: int) -> list[dict[str, Any]]:
        """Take so many orders and changes that the broker sent, waiting for them; oldest first, each ClOrdID once."""
        taken: dict[str, dict[str, Any]] = {}
        deadline = time.monotonic() + PATIENCE
        while len(taken) < count:
            assert time.monotonic() < deadline, f"{len(taken)} of {count} orders came"
            try:
                with self._exchange() as connection:
                    self._take(connection.channel(), taken, count)
            except (OSError, amqp.exceptions.AMQPError):
                time.sleep(0.2)  # RabbitMQ is on its way back; what was not acknowledged comes again
        return list(taken.values())

    def unread_orders(self) -> int:
        """How many messages that the broker sent nobody has taken yet."""
        with self._exchange() as connection:
            return connection.channel().queue_declare("exchange.orders", passive=True).message_count

    def look_at_orders(self, count: int) -> list[dict[str, Any]]:
        """Wait until so many messages are unread, repetitions too; return them and put them back in their order."""
        self.wait(self.unread_orders, lambda unread: unread == count)
        with self._exchange() as connection:
            channel = connection.channel()
            messages = [channel.basic_get("exchange.orders", no_ack=True) for _ in range(count)]
            for message in messages:
                channel.basic_publish_confirm(message, routing_key="exchange.orders", mandatory=True)
        return [json.loads(message.body) for message in messages]

    def next_from_broker(self, msg_type: str, trade_id: str) -> dict[str, Any]:
        """Return the next message of this type about this trade; those before it leave the queue, too."""

        def receive() -> dict[str, Any] | None:
            # A queue that was deleted and is not declared again yet is not found. One that is being declared is listed
            # by RabbitMQ before its process runs, and reading from it then costs the connection (541, "noproc"): so
            # each look has a connection of its own. In neither case is there anything to read.
            with suppress(amqp.exceptions.NotFound, amqp.exceptions.InternalError), self._exchange() as connection:
                channel = connection.channel()
                while message := channel.basic_get("exchange.orders", no_ack=True):
                    found: dict[str, Any] = json.loads(message.body)
                    if (found["Header"]["MsgType"], found["Body"]["SecondaryClOrdID"]) == (msg_type, trade_id):
                        return found
            return None

        found: dict[str, Any] = self.wait(receive, bool)
        return found

    def delete_queues(self, *names: str) -> None:
        """Delete queues with all that is in them, on the exchange's link or on the tasks' broker, wherever they are."""
        for url in (self.stack.description["exchange_url"], self.stack.description["celery_broker_url"]):
            with kombu.Connection(url).transport.establish_connection() as connection:
                for name in names:
                    connection.channel().queue_delete(name)

    def _take(self, channel: amqp.Channel, taken: dict[str, dict[str, Any]], count: int) -> None:
        quiet_since = time.monotonic()
        while len(taken) < count and time.monotonic() < quiet_since + 1:
            if message := channel.basic_get("exchange.orders"):
                order = json.loads(message.body)
                if order["Header"]["MsgType"] != "H":
                    taken.setdefault(order["Body"]["ClOrdID"], order)
                channel.basic_ack(message.delivery_tag)
                quiet_since = time.monotonic()
            else:
                time.sleep(0.02)

    def _exchange(self) -> amqp.Connection:
        return kombu.Connection(self.stack.description["exchange_url"]).transport.establish_connection()

    # --- as the auditor ---

    def query(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.stack.description["database_url"]) as connection:
            return connection.execute(sql, parameters).fetchall()

    def must_be_clean(self) -> None:
        audit = self.stack.manage("audit_books")
        assert audit.returncode == 0, audit.stdout + audit.stderr
        assert self.query("SELECT count(*) FROM trades_traderequest WHERE parked IS NOT NULL") == [(0,)]
