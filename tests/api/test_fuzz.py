"""Whatever is sent, nothing is a 5xx, and what is not taken is a problem."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from tests.api.conftest import ORDER

pytestmark = pytest.mark.django_db
lightly = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=140)  # surrogates and NUL too
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    [*ORDER, "time_in_force", "client_reference", "trader_id", "confirm_duplicate", "remaining_quantity", "username"]
)
LIKELY = st.sampled_from(["BUY", "GTC", "1", "0.05", 1, 10**12, -1, 1.0, "1e5", True, None, "ACME", "a\0", "\ud800"])
BODIES = (
    st.dictionaries(FIELDS, LIKELY | ANY_JSON, max_size=6).map(lambda some: {**ORDER, **some})
    | st.dictionaries(FIELDS | ANY_TEXT, LIKELY | ANY_JSON, max_size=6)
    | ANY_JSON
)
CALLS = st.sampled_from(
    [
        ("POST", "/api/v1/trades"),
        ("PATCH", "/api/v1/trades/{trade}"),
        ("DELETE", "/api/v1/trades/{trade}"),
        ("POST", "/api/v1/auth/login"),
    ]
)


@pytest.fixture
def trade(as_alice: APIClient) -> str:
    return as_alice.post("/api/v1/trades", ORDER).json()["trade_id"]


def check(response: Any) -> None:
    assert response.status_code < 500, response.content
    if response.status_code >= 400:
        assert response["Content-Type"] == "application/problem+json"
        assert response.json()["status"] == response.status_code


class TestAnything:
    @lightly
    @given(call=CALLS, body=BODIES)
    def test_as_a_body(self, as_alice: APIClient, call: tuple[str, str], body: Any) -> None:
        method, path = call
        path = path.format(trade=as_alice.post("/api/v1/trades", ORDER).json()["trade_id"])
        check(as_alice.generic(method, path, json.dumps(body), content_type="application/json"))

    @lightly
    @given(call=CALLS, body=st.binary(max_size=200), content_type=st.sampled_from(["application/json", "", "a/b; c"]))
    def test_as_bytes(
        self, as_alice: APIClient, trade: str, call: tuple[str, str], body: bytes, content_type: str
    ) -> None:
        method, path = call
        check(as_alice.generic(method, path.format(trade=trade), body, content_type=content_type))

    @lightly
    @given(
        name=st.sampled_from(["X-Channel", "Idempotency-Key", "If-Match", "Accept", "Authorization"]), value=st.data()
    )
    def test_as_a_header(self, as_alice: APIClient, trade: str, name: str, value: Any) -> None:
        text = value.draw(st.text(st.characters(max_codepoint=255), max_size=140))
        check(as_alice.patch(f"/api/v1/trades/{trade}", {"quantity": 20}, headers={name: text}))

    @lightly
    @given(path=st.binary(max_size=40), query=st.binary(max_size=60))
    def test_as_an_address(self, as_alice: APIClient, path: bytes, query: bytes) -> None:
        for base in (b"/api/v1/trades/", b"/api/v1/"):
            raw = (base + path).decode("latin-1")
            check(as_alice.generic("GET", "/", PATH_INFO=raw, QUERY_STRING=query.decode("latin-1")))

    @lightly
    @given(
        where=st.sampled_from(["trades", "wallet", "wallet/entries", "holdings", "holdings/entries"]),
        query=st.dictionaries(
            st.sampled_from(["status", "symbol", "limit", "cursor", "trader_id", "created_after", "client_reference"]),
            st.text(max_size=40) | st.integers().map(str) | st.datetimes().map(lambda at: f"{at.isoformat()}Z"),
            max_size=3,
        ),
    )
    def test_as_a_query(self, as_alice: APIClient, where: str, query: dict[str, str]) -> None:
        check(as_alice.get(f"/api/v1/{where}", query_params=query))
