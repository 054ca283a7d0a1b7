"""Whatever goes wrong is a problem of RFC 9457, and never another 5xx than 503."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.db import connection
from psycopg_pool import PoolTimeout
from rest_framework.test import APIClient

from brokerage.models import Trader
from brokerage.reasons import Code, Reason
from tests.api.conftest import ORDER, client_of
from trades.intake import accept, change

URL = "/api/v1/trades"


def problem(response: Any) -> dict[str, Any]:
    """Return the problem that `response` must be, after a look at what is the same in each of them."""
    assert response["Content-Type"] == "application/problem+json"
    content = response.json()
    assert set(content) == {"type", "title", "status", "detail", "instance", "code", "errors", "request_id"}
    assert content["status"] == response.status_code
    assert content["request_id"] == response["X-Request-Id"]
    assert content["detail"]
    return content


@pytest.mark.django_db
class TestAProblem:
    def test_of_an_unknown_address(self, stranger: APIClient) -> None:
        for path in ("/api/v1/nothing", "/api/", "/api/v1/trades/", "/api/v1/%00%FF"):
            response = stranger.get(path)
            assert (response.status_code, problem(response)["code"]) == (404, "NOT_FOUND")
            assert problem(response)["instance"].startswith("/api/")

    def test_of_a_method_there_is_not(self, as_alice: APIClient) -> None:
        response = as_alice.put(URL, ORDER)
        assert (response.status_code, problem(response)["code"]) == (405, "METHOD_NOT_ALLOWED")
        assert response["Allow"] == "GET, POST, HEAD, OPTIONS"

    @pytest.mark.parametrize(
        "content_type",
        [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/xml",
            "x" * 999,
        ],
    )
    def test_of_another_media_type(self, as_alice: APIClient, content_type: str) -> None:
        response = as_alice.generic("POST", URL, "quantity=10", content_type=content_type)
        assert (response.status_code, problem(response)["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")

    def test_of_a_body_that_is_too_large(self, as_alice: APIClient) -> None:
        largest = b'{"symbol": "' + b"A" * (64 * 1024 - 14) + b'"}'
        assert as_alice.post(URL, largest, content_type="application/json").status_code == 400
        response = as_alice.post(URL, largest + b" ", content_type="application/json")
        assert (response.status_code, problem(response)["code"]) == (413, "TOO_LARGE")

    def test_of_a_body_in_chunks(self, as_alice: APIClient) -> None:
        response = as_alice.generic("POST", URL, headers={"Transfer-Encoding": "chunked"})
        assert (response.status_code, problem(response)["code"]) == (411, "LENGTH_REQUIRED")

    def test_of_an_unknown_host(self, as_alice: APIClient) -> None:
        response = as_alice.get(URL, headers={"Host": "evil.example"})
        assert (response.status_code, problem(response)["code"]) == (400, "BAD_REQUEST")

    def test_nobody_is_refused_for_what_they_accept(self, as_alice: APIClient) -> None:
        for accept_header in ("text/html", "application/problem+json", ";;", "x" * 9999):
            assert as_alice.get(f"{URL}", headers={"Accept": accept_header}).status_code == 200

    def test_pages_outside_the_api_stay_pages(self, stranger: APIClient) -> None:
        response = stranger.get("/nothing")
        assert response.status_code == 404
        assert response["Content-Type"].startswith("text/html")

    def test_of_a_mistake_of_ours_is_still_503(
        self, as_alice: APIClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(accept, "place", lambda *args, **options: 1 // 0)
        response = as_alice.post(URL, ORDER)
        assert (response.status_code, problem(response)["code"]) == (503, "UNAVAILABLE")
        assert response["Retry-After"] == "2"
        assert "ZeroDivisionError" in caplog.text


@pytest.mark.django_db
class TestAnErrorOfIntake:
    """What intake raises while it accepts, as the client sees it."""

    def test_a_trade_that_others_are_changing_is_503_and_soon_free(
        self, as_alice: APIClient, place: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        address = f"{URL}/{place()['trade_id']}"
        for name in ("amend", "cancel"):
            monkeypatch.setattr(change, name, _raising(change.TradeBusyError()))
        for response in (as_alice.patch(address, {"quantity": 20}), as_alice.delete(address)):
            assert (response.status_code, problem(response)["code"]) == (503, "TRADE_BUSY")
            assert response["Retry-After"] == "1"

    def test_one_change_too_many_is_a_conflict_with_its_reason(
        self, as_alice: APIClient, place: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        address = f"{URL}/{place()['trade_id']}"
        reason = Reason(Code.TOO_MANY_CHANGES, "A trade may have 20 changes on their way and 500 instructions in all.")
        monkeypatch.setattr(change, "amend", _raising(change.ConflictError(reason)))
        response = as_alice.patch(address, {"quantity": 20})
        assert (response.status_code, problem(response)["code"]) == (409, "TOO_MANY_CHANGES")
        assert problem(response)["detail"] == reason.message


def _raising(error: Exception) -> Callable[..., Any]:
    def fail(*args: Any, **options: Any) -> Any:
        raise error

    return fail


@pytest.mark.django_db(transaction=True)
class TestWithoutTheDatabase:
    """Real connections that cannot be had. The token was given out before."""

    @pytest.mark.parametrize(
        "error",
        [
            None,
            PoolTimeout("no connection after 3 s"),
            psycopg.errors.TooManyConnections("sorry"),
            psycopg.InterfaceError("x"),
        ],
        ids=["refused", "pool-exhausted", "too-many", "broken"],
    )
    def test_every_call_is_503_with_retry_after(self, alice: Trader, error: Exception | None) -> None:
        client = client_of(alice.user)
        with _away(error):
            for response in (
                client.get(URL),
                client.post(URL, ORDER),
                client.delete(f"{URL}/7K3M-9QX2"),
                client.get("/api/v1/wallet"),
                client.post("/api/v1/auth/login", {"username": "alice", "password": "x"}),
            ):
                assert (response.status_code, problem(response)["code"]) == (503, "UNAVAILABLE")
                assert response["Retry-After"] == "2"
            assert client.get("/readyz").status_code == 503
            assert client.get("/livez").status_code == 200
        assert client.get(URL).status_code == 200

    @pytest.mark.parametrize(
        "error",
        [psycopg.errors.QueryCanceled("timeout"), psycopg.errors.ReadOnlySqlTransaction("standby")],
    )
    def test_a_database_that_cannot_do_it_now_is_503_too(
        self, alice: Trader, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        client = client_of(alice.user)

        def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            if "nextval" in sql:
                with connection.wrap_database_errors:
                    raise error
            return execute(sql, params, many, context)

        with connection.execute_wrapper(refuse):
            response = client.post(URL, ORDER)
        assert (response.status_code, problem(response)["code"]) == (503, "UNAVAILABLE")
        assert client.get(URL).json()["results"] == []


@contextmanager
def _away(error: Exception | None) -> Iterator[None]:
    """Let nobody connect: `error` is what the attempt ends in; None: nothing listens at the port."""

    def fail(*args: Any) -> Any:
        raise error

    with pytest.MonkeyPatch.context() as patch:
        connection.close()
        if error is None:
            patch.setitem(connection.settings_dict, "PORT", "1")
        else:
            patch.setattr(connection, "get_new_connection", fail)
        yield
