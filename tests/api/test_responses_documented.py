"""Every problem that the OpenAPI document lists for a call is brought about: nothing is listed that does not happen."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError, connection
from jsonschema import ValidationError
from rest_framework.test import APIClient

from brokerage.api import docs
from brokerage.api.codes import REASONS
from brokerage.models import Trader, TradingSession
from brokerage.reasons import Code, Reason
from tests.api.conftest import ORDER, client_of
from tests.api.openapi import check, operations, resolved
from tests.factories import InstrumentFactory, UserFactory
from tests.trades import steps
from trades.core.parking import park_by_hand
from trades.intake import change, idempotency
from trades.models import TradeRequest

pytestmark = pytest.mark.django_db
BODIES: dict[str, Any] = {"placeTrade": ORDER, "amendTrade": {"quantity": 20}, "logIn": {"username": "alice"}}
KEY = {"Idempotency-Key": "one"}
URL = "/api/v1/trades"


def documented_problems() -> Iterator[Any]:
    for path, method, operation in operations():
        for status in operation["responses"]:
            if int(status) >= 400:
                for content in resolved(operation["responses"][status])["content"].values():
                    for code in content["schema"]["allOf"][1]["properties"]["code"]["enum"]:
                        name = operation["operationId"]
                        yield pytest.param(path, method, name, int(status), code, id=f"{name}-{code}")


class ErrorScenarios:
    """Makes one call in every way that goes wrong. Each method is named as the code it brings about."""

    def __init__(self, client: APIClient, path: str, method: str, name: str, trade: str) -> None:
        self.client, self.method, self.name = client, method, name
        self.address = path.format(trade_ref=trade)

    def send(self, body: Any = None, address: str = "", **options: Any) -> Any:
        """Make the call; without a body of its own, with one that would be taken."""
        if body is None:
            body = BODIES.get(self.name, {})
        options = {"content_type": "application/json"} | options
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.generic(
            self.method.upper(), address or self.address, raw if self.has_body else b"", **options
        )

    @property
    def has_body(self) -> bool:
        return self.method != "get"

    def invalid(self) -> Any:
        return self.send({"colour": "red"}) if self.has_body else self.send(address=f"{self.address}?colour=red")

    def bad_request(self) -> Any:
        return self.send(headers={"Host": "evil.example"})

    def not_authenticated(self) -> Any:
        self.client.credentials(HTTP_AUTHORIZATION="Token stale")
        return self.send()

    def bad_credentials(self) -> Any:
        return self.send({"username": "alice", "password": "wrong"})

    def not_allowed(self) -> Any:
        self.client = client_of(UserFactory(trader=None))
        return self.send()

    def not_found(self) -> Any:
        return self.send(address=self.address.replace(self.address.split("/")[4], "7K3M-9QX3"))

    def trade_finished(self) -> Any:
        self.client.delete(self.address)
        return self.send()

    def nothing_to_change(self) -> Any:
        return self.send({"quantity": ORDER["quantity"]})

    def too_many_changes(self) -> Any:
        error = change.ConflictError(
            Reason(Code.TOO_MANY_CHANGES, "A trade may have 20 changes on their way and 500 instructions in all.")
        )
        return self.send_raising(error)

    def trade_busy(self) -> Any:
        return self.send_raising(change.TradeBusyError())

    def send_raising(self, error: Exception) -> Any:
        """Make the call, of which intake makes this error."""

        def fail(*args: Any, **options: Any) -> Any:
            raise error

        with pytest.MonkeyPatch.context() as patch:
            for name in ("amend", "cancel"):
                patch.setattr(change, name, fail)
            return self.send()

    def idempotency_key_busy(self) -> Any:
        other = connection.copy()
        try:
            with other.cursor() as cursor:
                trader_id = self.client.get("/api/v1/wallet").json()["trader_id"]
                cursor.execute("SELECT pg_advisory_lock(%s, hashtext(%s))", [trader_id, KEY["Idempotency-Key"]])
                return self.send(headers=KEY)
        finally:
            other.close()

    def idempotency_key_reused(self) -> Any:
        self.client.post(URL, ORDER | {"quantity": 7}, headers=KEY)
        return self.send(headers=KEY)

    def length_required(self) -> Any:
        return self.client.generic(self.method.upper(), self.address, headers={"Transfer-Encoding": "chunked"})

    def revision_changed(self) -> Any:
        return self.send(headers={"If-Match": '"99"'})

    def too_large(self) -> Any:
        return self.send(b" " * (64 * 1024 + 1))

    def unsupported_media_type(self) -> Any:
        return self.send(b"quantity=10", content_type="text/plain")

    def unavailable(self) -> Any:
        def away(*args: Any) -> Any:
            raise OperationalError("the server closed the connection unexpectedly")

        with connection.execute_wrapper(away), pytest.MonkeyPatch.context() as patch:
            for name in ("openapi_document", "render"):  # the document needs no database
                patch.setattr(docs, name, away)
            return self.send({"username": "alice", "password": "demo"} if self.name == "logIn" else None)


@pytest.mark.parametrize(("path", "method", "name", "status", "code"), list(documented_problems()))
def test_a_documented_problem_happens(
    as_alice: APIClient,
    place: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    method: str,
    name: str,
    status: int,
    code: str,
) -> None:
    monkeypatch.setattr(idempotency, "KEY_WAIT", "50ms")
    scenarios = ErrorScenarios(as_alice, path, method, name, place()["trade_id"])
    response = getattr(scenarios, code.lower())()
    assert (response.status_code, response.json()["code"]) == (status, code), response.content
    check(method.upper(), scenarios.address, response)


class TestSuccess:
    """The responses of a day. The client compares each of them with the document."""

    def test_of_a_trade_in_every_state(self, as_alice: APIClient, place: Any, share: Any) -> None:
        filled, refused, parked = (place()["trade_id"] for _ in range(3))
        park_by_hand(TradeRequest.objects.get(trade=parked).pk, why="Whose is it?")
        steps.run_to_sent()
        more = {"Idempotency-Key": "more"}
        steps.tell(steps.report(filled, "0"), steps.fill(filled, 4, "101.25"), steps.report(refused, "8", Text="No."))
        for _ in range(2):
            again = as_alice.patch(f"{URL}/{filled}", {"remaining_quantity": 20}, headers=more)
        assert again["Idempotent-Replayed"] == "true"
        steps.run_to_sent()
        steps.tell(steps.cancel_reject(filled, seq=2), steps.fill(filled, 6, "101.00"))
        codes = [trade["reason"] and trade["reason"]["code"] for trade in trades_with_timelines(as_alice)]
        assert codes == [None, "EXCHANGE_REJECTED", None]
        requests = as_alice.get(f"{URL}/{filled}").json()["requests"]
        assert [trade["reason"] and trade["reason"]["code"] for trade in requests] == [None, "TOO_LATE"]
        assert as_alice.get(f"{URL}/{parked}").json()["requests"][0]["parked"]["code"] == "PARKED_BY_STAFF"

    def test_of_a_trade_refused_for_every_reason_there_is(
        self, as_alice: APIClient, as_bob: APIClient, alice: Trader, place: Any, share: Any
    ) -> None:
        InstrumentFactory(symbol="LOTS", lot=100, max_quantity=300, max_value=Decimal(20_000))
        InstrumentFactory(symbol="HALT", halted=True)
        for terms in (
            {"symbol": "NOBODY"},
            {"symbol": "HALT"},
            {"symbol": "LOTS", "price": "100.00"},
            {"symbol": "LOTS", "price": "1.00", "quantity": 400},
            {"symbol": "LOTS", "price": "100.00", "quantity": 300},
            {"price": "100.01"},
            {"price": "10.00"},
            {"quantity": 100_000},
        ):
            place(**terms)
        as_bob.post(URL, ORDER | {"side": "SELL", "quantity": 1_001})
        steps.run_to_booked()
        TradingSession.objects.create(
            opens_at=datetime(2001, 1, 1, tzinfo=UTC), closes_at=datetime(2001, 1, 2, tzinfo=UTC)
        )
        place()
        steps.run_to_booked()
        Trader.objects.filter(pk=alice.pk).update(status=Trader.Status.SUSPENDED)
        place()
        steps.run_to_booked()
        found = {
            trade["reason"]["code"] for trade in [*trades_with_timelines(as_alice), *trades_with_timelines(as_bob)]
        }
        assert found == set(REASONS) - {Code.EXCHANGE_REJECTED, Code.TOO_LATE}

    def test_of_the_books(self, as_alice: APIClient, as_bob: APIClient) -> None:
        for client in (as_alice, as_bob):
            for where in ("wallet", "wallet/entries?limit=1", "holdings", "holdings/entries?limit=1"):
                assert client.get(f"/api/v1/{where}").status_code == 200


def trades_with_timelines(client: APIClient) -> list[dict[str, Any]]:
    """Return every trade that the client sees, oldest first, after a look at its timeline."""
    trades = client.get(URL).json()["results"][::-1]
    for trade in trades:
        assert len(client.get(f"{URL}/{trade['trade_id']}/events").json()["results"]) == trade["revision"]
    return trades


class TestTheComparison:
    """That every response is compared with the document proves nothing unless the comparison can fail."""

    def test_finds_a_field_too_many_and_one_too_few_and_one_of_another_type(
        self, place: Any, as_alice: APIClient
    ) -> None:
        address = f"{URL}/{place()['trade_id']}"
        response = as_alice.get(address)
        trade = response.json()
        for other in (
            trade | {"colour": "red"},
            {name: value for name, value in trade.items() if name != "reason"},
            trade | {"price": 101.5},
            trade | {"status": "LOST"},
            trade | {"created_at": "yesterday"},
            trade | {"reserved": trade["reserved"] | {"gold": 1}},
        ):
            response.content = json.dumps(other).encode()
            with pytest.raises(ValidationError):
                check("GET", address, response)

    def test_finds_a_status_and_a_header_that_are_not_documented(self, as_alice: APIClient) -> None:
        response = as_alice.get("/api/v1/wallet")
        check("GET", "/api/v1/wallet", response)
        response["Location"] = "/elsewhere"
        with pytest.raises(AssertionError):
            check("GET", "/api/v1/wallet", response)
        del response["Location"]
        response.status_code = 404
        with pytest.raises(AssertionError):
            check("GET", "/api/v1/wallet", response)
