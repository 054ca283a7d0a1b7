"""Whatever goes wrong is a problem of RFC 9457, and never another 5xx than 503."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.db import connection
from psycopg_pool import PoolTimeout
from rest_framework.test import APIClient

from brokerage.models import Trader
from tests.api.conftest import ORDER, client_of
from trades.intake import accept

URL = "/api/v1/trades"


def problem(answer: Any) -> dict[str, Any]:
    """The problem that `answer` must be, and what is the same in each of them."""
    assert answer["Content-Type"] == "application/problem+json"
    content = answer.json()
    assert set(content) == {"type", "title", "status", "detail", "instance", "code", "errors", "request_id"}
    assert content["status"] == answer.status_code
    assert content["request_id"] == answer["X-Request-Id"]
    assert content["detail"]
    return content


@pytest.mark.django_db
class TestAProblem:
    def test_of_an_unknown_address(self, stranger: APIClient) -> None:
        for path in ("/api/v1/nothing", "/api/", "/api/v1/trades/", "/api/v1/%00%FF"):
            answer = stranger.get(path)
            assert (answer.status_code, problem(answer)["code"]) == (404, "NOT_FOUND")
            assert problem(answer)["instance"].startswith("/api/")

    def test_of_a_method_there_is_not(self, as_alice: APIClient) -> None:
        answer = as_alice.put(URL, ORDER)
        assert (answer.status_code, problem(answer)["code"]) == (405, "METHOD_NOT_ALLOWED")
        assert answer["Allow"] == "GET, POST, HEAD, OPTIONS"

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
        answer = as_alice.generic("POST", URL, "quantity=10", content_type=content_type)
        assert (answer.status_code, problem(answer)["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")

    def test_of_a_body_that_is_too_large(self, as_alice: APIClient) -> None:
        largest = b'{"symbol": "' + b"A" * (64 * 1024 - 14) + b'"}'
        assert as_alice.post(URL, largest, content_type="application/json").status_code == 400
        answer = as_alice.post(URL, largest + b" ", content_type="application/json")
        assert (answer.status_code, problem(answer)["code"]) == (413, "TOO_LARGE")

    def test_of_a_body_in_chunks(self, as_alice: APIClient) -> None:
        answer = as_alice.generic("POST", URL, headers={"Transfer-Encoding": "chunked"})
        assert (answer.status_code, problem(answer)["code"]) == (411, "LENGTH_REQUIRED")

    def test_of_an_unknown_host(self, as_alice: APIClient) -> None:
        answer = as_alice.get(URL, headers={"Host": "evil.example"})
        assert (answer.status_code, problem(answer)["code"]) == (400, "BAD_REQUEST")

    def test_nobody_is_refused_for_what_they_accept(self, as_alice: APIClient) -> None:
        for accept_header in ("text/html", "application/problem+json", ";;", "x" * 9999):
            assert as_alice.get(f"{URL}", headers={"Accept": accept_header}).status_code == 200

    def test_pages_outside_the_api_stay_pages(self, stranger: APIClient) -> None:
        answer = stranger.get("/nothing")
        assert answer.status_code == 404
        assert answer["Content-Type"].startswith("text/html")

    def test_of_a_mistake_of_ours_is_still_503(
        self, as_alice: APIClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(accept, "place", lambda *args, **options: 1 // 0)
        answer = as_alice.post(URL, ORDER)
        assert (answer.status_code, problem(answer)["code"]) == (503, "UNAVAILABLE")
        assert answer["Retry-After"] == "2"
        assert "ZeroDivisionError" in caplog.text


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
    def test_every_call_is_told_to_come_again(self, alice: Trader, error: Exception | None) -> None:
        client = client_of(alice.user)
        with _away(error):
            for answer in (
                client.get(URL),
                client.post(URL, ORDER),
                client.delete(f"{URL}/7K3M-9QX2"),
                client.get("/api/v1/wallet"),
                client.post("/api/v1/auth/login", {"username": "alice", "password": "x"}),
            ):
                assert (answer.status_code, problem(answer)["code"]) == (503, "UNAVAILABLE")
                assert answer["Retry-After"] == "2"
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
            answer = client.post(URL, ORDER)
        assert (answer.status_code, problem(answer)["code"]) == (503, "UNAVAILABLE")
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
