"""One line per thing that happened to a trade, each with the ids that lead to it."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import structlog
from celery import current_app
from django.utils import timezone
from structlog.contextvars import merge_contextvars
from structlog.typing import EventDict

from brokerage.models import Instrument, Trader
from tests.trades import steps
from trades import pipeline
from trades.core import parking
from trades.lifecycle import Stage
from trades.models import Trade, TradeRequest

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def lines() -> Iterator[list[EventDict]]:
    with structlog.testing.capture_logs(processors=[merge_contextvars]) as lines:
        yield lines


def told(lines: list[EventDict], event: str) -> EventDict:
    [line] = [line for line in lines if line["event"] == event]
    return line


def ids(trade_id: Any, *, seq: int = 1) -> dict[str, Any]:
    trade = Trade.objects.get(pk=trade_id)
    request_id = str(trade.requests.get(seq=seq).pk)
    return {"trade_id": str(trade_id), "trader_id": trade.trader_id, "request_id": request_id}


class TestOneTrade:
    def test_leaves_a_line_at_each_step(self, alice: Trader, share: Instrument, lines: list[EventDict]) -> None:
        pk = steps.place(alice)
        steps.run_to_booked()
        [row] = TradeRequest.objects.all()
        steps.run_step(noting_sent, [(str(row.pk), row.lease)], redelivered=False)
        steps.tell(steps.report(pk, "0"))
        steps.tell(steps.fill(pk, 10, "100.00"))
        assert [(line["event"], line["step"], line.get("report"), line.get("status")) for line in lines] == [
            ("accepted", "accept", None, None),
            ("validated", "validate", None, "VALIDATED"),
            ("booked", "book", None, "BOOKED"),
            ("sent", "send", None, "PENDING_NEW"),
            ("applied", "apply", "NEW", "NEW"),
            ("applied", "apply", "FILL", "FILLED"),
        ]
        for line in lines:
            assert line.items() >= ids(pk).items(), line

    def test_is_told_of_by_the_dispatcher(
        self, alice: Trader, share: Instrument, lines: list[EventDict], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(current_app.amqp, "send_task_message", lambda *args, **kwargs: None)
        pk = steps.place(alice)
        assert pipeline.dispatch_once() == 1
        assert told(lines, "dispatched").items() >= (ids(pk) | {"step": "dispatch", "stage": "RECEIVED"}).items()

    def test_refused_says_why(self, alice: Trader, share: Instrument, lines: list[EventDict]) -> None:
        pk = steps.place(alice, quantity=1_000_000)
        steps.run_to_booked()
        assert told(lines, "denied").items() >= (ids(pk) | {"step": "validate", "code": "INSUFFICIENT_FUNDS"}).items()

    def test_cancelled_names_the_cancellation(self, alice: Trader, share: Instrument, lines: list[EventDict]) -> None:
        pk = steps.place(alice)
        steps.cancel(pk)
        assert (
            told(lines, "cancelled_locally").items() >= (ids(pk, seq=2) | {"step": "accept", "kind": "CANCEL"}).items()
        )

    def test_parked_by_staff_and_put_back(self, alice: Trader, share: Instrument, lines: list[EventDict]) -> None:
        pk = steps.place(alice)
        [row] = TradeRequest.objects.all()
        parking.park_by_hand(row.pk, why="Mrs Patel rang")
        parking.unpark_by_hand(row.pk)
        assert told(lines, "parked").items() >= (ids(pk) | {"step": "park", "code": "PARKED_BY_STAFF"}).items()
        assert told(lines, "unparked").items() >= (ids(pk) | {"step": "park"}).items()
        assert "Patel" not in str(lines)

    def test_that_fails_leaves_the_traceback_and_its_ids(
        self, alice: Trader, share: Instrument, lines: list[EventDict]
    ) -> None:
        pk = steps.place(alice)
        steps.run_step(failing, steps.lease_all(Stage.RECEIVED), redelivered=False)
        line = told(lines, "step_failed")
        assert line.items() >= (ids(pk) | {"step": "failing", "exc_info": True}).items()

    def test_that_is_rolled_back_leaves_none(
        self, alice: Trader, share: Instrument, lines: list[EventDict], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        steps.place(alice)
        taken = steps.lease_all(Stage.RECEIVED)
        with monkeypatch.context() as patch:
            patch.setattr("trades.core.repository.insert_many", failing)
            with pytest.raises(ZeroDivisionError):
                steps.validate(taken, now=timezone.now())
        assert not [line for line in lines if line["event"] == "validated"]


class TestTheExchange:
    def test_its_words_are_not_in_the_log(self, alice: Trader, share: Instrument, lines: list[EventDict]) -> None:
        pk = steps.place(alice)
        steps.run_to_sent()
        steps.tell(steps.report(pk, "8", Text="Mrs Patel may not trade"))
        assert told(lines, "applied").items() >= (ids(pk) | {"report": "REJECTED", "status": "REJECTED"}).items()
        assert "Patel" not in str(lines)

    def test_an_oddity_is_a_warning_with_its_code(
        self, alice: Trader, share: Instrument, lines: list[EventDict]
    ) -> None:
        pk = steps.place(alice)
        steps.run_to_sent()
        steps.tell(steps.report(pk, "0"), steps.fill(pk, 11, "100.00"))
        line = told(lines, "anomaly")
        assert (line["log_level"], line["code"], line["trade_id"]) == ("warning", "OVERFILL", str(pk))


def noting_sent(claims: Any, *, now: Any) -> None:
    steps.send.note_sent([UUID(request_id) for request_id, _ in claims], now=now)


noting_sent.__name__ = "send"


def failing(*_: Any, **__: Any) -> None:
    raise ZeroDivisionError
