"""Nothing is promised that does not happen: every problem that the description lists for a call is brought about."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.utils import timezone
from jsonschema import ValidationError
from rest_framework.test import APIClient

from brokerage.api import documentation
from brokerage.api.codes import REASONS
from brokerage.models import Trader, TradingSession
from brokerage.reasons import Code
from tests.api.conftest import ORDER, client_of
from tests.api.described import check, operations, resolved
from tests.factories import InstrumentFactory, UserFactory
from tests.trades import steps
from trades.core.parking import park
from trades.intake import idempotency
from trades.models import TradeRequest

pytestmark = pytest.mark.django_db
BODIES: dict[str, Any] = {"placeTrade": ORDER, "amendTrade": {"quantity": 20}, "logIn": {"username": "alice"}}
KEY = {"Idempotency-Key": "one"}
URL = "/api/v1/trades"


def promises() -> Iterator[Any]:
    for path, method, operation in operations():
        for status in operation["responses"]:
            if int(status) >= 400:
                for content in resolved(operation["responses"][status])["content"].values():
                    for code in content["schema"]["allOf"][1]["properties"]["code"]["enum"]:
                        name = operation["operationId"]
                        yield pytest.param(path, method, name, int(status), code, id=f"{name}-{code}")


class RequestContext:
    """Somebody who makes one call in every way that goes wrong. Each method is named as the code it brings about."""

    def __init__(self, client: APIClient, path: str, method: str, name: str, trade: str) -> None:
        self.client, self.method, self.name = client, method, name
        self.address = path.format(spoken=trade)

    def ask(self, body: Any = None, address: str = "", **options: Any) -> Any:
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
        return self.ask({"colour": "red"}) if self.has_body else self.ask(address=f"{self.address}?colour=red")

    def bad_request(self) -> Any:
        return self.ask(headers={"Host": "evil.example"})

    def not_authenticated(self) -> Any:
        self.client.credentials(HTTP_AUTHORIZATION="Token stale")
        return self.ask()

    def bad_credentials(self) -> Any:
        return self.ask({"username": "alice", "password": "wrong"})

    def not_allowed(self) -> Any:
        self.client = client_of(UserFactory(trader=None))
        return self.ask()

    def not_found(self) -> Any:
        return self.ask(address=self.address.replace(self.address.split("/")[4], "7K3M-9QX3"))

    def trade_finished(self) -> Any:
        self.client.delete(self.address)
        return self.ask()

    def nothing_to_change(self) -> Any:
        return self.ask({"quantity": ORDER["quantity"]})

    def idempotency_key_busy(self) -> Any:
        other = connection.copy()
        try:
            with other.cursor() as cursor:
                trader_id = self.client.get("/api/v1/wallet").json()["trader_id"]
                cursor.execute("SELECT pg_advisory_lock(%s, hashtext(%s))", [trader_id, KEY["Idempotency-Key"]])
                return self.ask(headers=KEY)
        finally:
            other.close()

    def idempotency_key_reused(self) -> Any:
        self.client.post(URL, ORDER | {"quantity": 7}, headers=KEY)
        return self.ask(headers=KEY)

    def length_required(self) -> Any:
        return self.client.generic(self.method.upper(), self.address, headers={"Transfer-Encoding": "chunked"})

    def revision_changed(self) -> Any:
        return self.ask(headers={"If-Match": '"99"'})

    def too_large(self) -> Any:
        return self.ask(b" " * (64 * 1024 + 1))

    def unsupported_media_type(self) -> Any:
        return self.ask(b"quantity=10", content_type="text/plain")

    def unavailable(self) -> Any:
        def away(*args: Any) -> Any:
            raise OperationalError("the server closed the connection unexpectedly")

        with connection.execute_wrapper(away), pytest.MonkeyPatch.context() as patch:
            for name in ("document", "render"):  # the description needs no database
                patch.setattr(documentation, name, away)
            return self.ask({"username": "alice", "password": "demo"} if self.name == "logIn" else None)


@pytest.mark.parametrize(("path", "method", "name", "status", "code"), list(promises()))
def test_a_problem_that_is_promised_happens(
    as_alice: APIClient,
    place: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    method: str,
    name: str,
    status: int,
    code: str,
) -> None:
    monkeypatch.setattr(idempotency, "KEY_PATIENCE", "50ms")
    caller = RequestContext(as_alice, path, method, name, place()["trade_id"])
    answer = getattr(caller, code.lower())()
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.content
    check(method.upper(), caller.address, answer)


class TestSuccess:
    """The answers of a day. The client that asks compares each of them with the description."""

    def test_of_a_trade_in_every_state(self, as_alice: APIClient, place: Any, share: Any) -> None:
        filled, refused, parked = (place()["trade_id"] for _ in range(3))
        park(TradeRequest.objects.get(trade=parked).pk, why="Whose is it?", now=timezone.now())
        steps.run_to_sent()
        more = {"Idempotency-Key": "more"}
        steps.tell(steps.report(filled, "0"), steps.fill(filled, 4, "101.25"), steps.report(refused, "8", Text="No."))
        for _ in range(2):
            again = as_alice.patch(f"{URL}/{filled}", {"remaining_quantity": 20}, headers=more)
        assert again["Idempotent-Replayed"] == "true"
        steps.run_to_sent()
        steps.tell(steps.cancel_reject(filled, seq=2), steps.fill(filled, 6, "101.00"))
        codes = [told["reason"] and told["reason"]["code"] for told in stories(as_alice)]
        assert codes == [None, "EXCHANGE_REJECTED", None]
        requests = as_alice.get(f"{URL}/{filled}").json()["requests"]
        assert [told["reason"] and told["reason"]["code"] for told in requests] == [None, "TOO_LATE"]
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
        found = {told["reason"]["code"] for told in [*stories(as_alice), *stories(as_bob)]}
        assert found == set(REASONS) - {Code.EXCHANGE_REJECTED, Code.TOO_LATE}

    def test_of_the_books(self, as_alice: APIClient, as_bob: APIClient) -> None:
        for client in (as_alice, as_bob):
            for where in ("wallet", "wallet/entries?limit=1", "holdings", "holdings/entries?limit=1"):
                assert client.get(f"/api/v1/{where}").status_code == 200


def stories(client: APIClient) -> list[dict[str, Any]]:
    """Every trade that the client sees, oldest first, after a look at its timeline."""
    trades = client.get(URL).json()["results"][::-1]
    for trade in trades:
        assert len(client.get(f"{URL}/{trade['trade_id']}/events").json()["results"]) == trade["revision"]
    return trades


class TestTheComparison:
    """That every answer is compared with the description proves nothing unless the comparison can fail."""

    def test_finds_a_field_too_many_and_one_too_few_and_one_of_another_type(
        self, place: Any, as_alice: APIClient
    ) -> None:
        address = f"{URL}/{place()['trade_id']}"
        answer = as_alice.get(address)
        told = answer.json()
        for other in (
            told | {"colour": "red"},
            {name: value for name, value in told.items() if name != "reason"},
            told | {"price": 101.5},
            told | {"status": "LOST"},
            told | {"created_at": "yesterday"},
            told | {"reserved": told["reserved"] | {"gold": 1}},
        ):
            answer.content = json.dumps(other).encode()
            with pytest.raises(ValidationError):
                check("GET", address, answer)

    def test_finds_a_status_and_a_header_that_were_not_promised(self, as_alice: APIClient) -> None:
        answer = as_alice.get("/api/v1/wallet")
        check("GET", "/api/v1/wallet", answer)
        answer["Location"] = "/elsewhere"
        with pytest.raises(AssertionError):
            check("GET", "/api/v1/wallet", answer)
        del answer["Location"]
        answer.status_code = 404
        with pytest.raises(AssertionError):
            check("GET", "/api/v1/wallet", answer)
