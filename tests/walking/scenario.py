"""One trade, played through the real parts in this process: bought, amended, filled.

The web's calls go to the WSGI application, as its server makes them. A step's task comes out of the step's queue on
RabbitMQ and is run by what a Celery worker runs it with; what is chained to it goes into the next queue. The order
comes out of the exchange's queue, and the exchange's reports go as bytes to what the report consumer hands its batches
to. What happens between the legs (waiting on a queue, writing a report) is the world's part, and is not recorded.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

import kombu
from django.conf import settings

from tests.walking import project, queues
from tests.walking.calls import Entry, Recorder
from tests.walking.reports import NEW, REPLACED, TRADE, report
from tests.walking.web import Caller

TRADES = "/api/v1/trades"
MORE = 2
"""Shares that the amendment adds."""


@dataclass(frozen=True, slots=True)
class Leg:
    name: str
    what: str
    """What sets it going."""
    entries: list[Entry]


@dataclass(frozen=True, slots=True)
class Walk:
    """A trade's legs. The amendment's were played after the buy was acknowledged, and before it was filled."""

    buy: list[Leg]
    amendment: list[Leg]


class Scenario:
    """Plays the trade, as often as is wanted: the first time, modules are imported and caches filled."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._legs: list[Leg] = []
        self._trader = Caller(project.part(project.APPLICATION), project.LOGIN)
        self._dispatch = project.part(project.DISPATCH)
        self._celery = project.part(project.CELERY)
        self._intake = project.intake()
        self._exec_ids = count(1)
        self._broker = self._celery.connection_for_read()
        self._link = kombu.Connection(settings.EXCHANGE_URL)

    def play(self, *, quantity: int) -> Walk:
        """Buy `quantity` shares, amend that to `MORE` of them more, and let all of them be filled."""
        terms = {"symbol": project.SYMBOL, "side": "BUY", "quantity": quantity, "price": project.PRICE}
        trade = self._leg("accept", f"POST {TRADES}", partial(self._trader.call, "POST", TRADES, terms))
        path = f"{TRADES}/{trade['trade_id']}"
        order = self._carry_out(trade)
        self._answer("acknowledge", order, NEW)
        self._must_be(path, "NEW", quantity)
        buy = self._take_legs()

        terms = {"quantity": quantity + MORE}
        trade = self._leg("amend", f"PATCH {TRADES}/ID", partial(self._trader.call, "PATCH", path, terms))
        order = self._carry_out(trade)
        self._answer("replaced", order, REPLACED)
        self._must_be(path, "NEW", quantity + MORE)
        amendment = self._take_legs()

        self._answer("fill", order, TRADE)
        self._must_be(path, "FILLED", quantity + MORE)
        return Walk(buy + self._take_legs(), amendment)

    def close(self) -> None:
        """Close the connections that the world's part was played over."""
        self._broker.release()
        self._link.release()

    def _carry_out(self, trade: dict[str, Any]) -> dict[str, str]:
        """Play from the dispatcher to the exchange; returns the body of the message that the exchange gets."""
        ids = (trade["trade_id"], trade["requests"][-1]["request_id"])
        self._leg("dispatch", "one round of the dispatcher", self._dispatch)
        for step, name in project.STEP_QUEUES.items():
            queue = self._celery.amqp.queues[name].bind(self._broker.default_channel)
            task = queues.task(self._celery, queues.take(queue, about=ids))
            self._leg(step, f"a worker has a task from {name}", task)
        message = queues.take(kombu.Queue(project.ORDER_QUEUE).bind(self._link.default_channel), about=ids)
        message.ack()
        order: dict[str, str] = json.loads(message.body)["Body"]
        return order

    def _answer(self, name: str, order: dict[str, str], exec_type: str) -> None:
        batch = [report(order, exec_type, f"WALK{next(self._exec_ids)}")]
        self._leg(name, "the report consumer has a batch of one", partial(self._intake, batch))

    def _leg(self, name: str, what: str, play: Callable[[], Any]) -> Any:
        with self._recorder.leg() as entries:
            result = play()
        self._legs.append(Leg(name, what, entries))
        return result

    def _take_legs(self) -> list[Leg]:
        legs, self._legs = self._legs, []
        return legs

    def _must_be(self, path: str, status: str, quantity: int) -> None:
        """Refuse to go on with a trade to which something else happened."""
        trade = self._trader.call("GET", path)
        found = (trade["status"], trade["quantity"])
        if found != (status, quantity):
            raise AssertionError(f"the trade is {found} instead of {(status, quantity)}: {json.dumps(trade)}")
