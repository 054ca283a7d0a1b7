"""POST /trades: what is taken, what is refused for its shape, and in whose name."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from brokerage.models import Trader
from tests.api.conftest import ORDER, client_of, pointers
from tests.factories import TraderFactory, UserFactory
from trades.models import Trade

URL = "/api/v1/trades"
pytestmark = pytest.mark.django_db


class TestPlacing:
    def test_the_trade_is_received_and_stands_where_location_says(self, as_alice: APIClient, alice: Trader) -> None:
        response = as_alice.post(URL, ORDER)
        assert response.status_code == 202
        trade = response.json()
        assert trade["status"] == "RECEIVED"
        assert trade["trader_id"] == alice.pk
        assert (trade["price"], trade["quantity"], trade["time_in_force"]) == ("101.50", 10, "DAY")
        assert [(r["seq"], r["kind"], r["placed_by"]) for r in trade["requests"]] == [(1, "NEW", "alice")]
        assert response["ETag"] == '"1"'
        assert as_alice.get(response["Location"]).json() == trade

    def test_everything_may_be_said(self, as_alice: APIClient, alice: Trader) -> None:
        more = {
            "time_in_force": "GTC",
            "client_reference": "Zoë 1",
            "trader_id": alice.pk,
            "confirm_duplicate": True,
        }
        response = as_alice.post(URL, ORDER | more, headers={"X-Channel": "MOBILE"})
        assert response.status_code == 202
        trade = response.json()
        assert (trade["time_in_force"], trade["client_reference"], trade["channel"]) == ("GTC", "Zoë 1", "MOBILE")

    def test_without_a_channel_it_is_the_api(self, as_alice: APIClient) -> None:
        assert as_alice.post(URL, ORDER).json()["channel"] == "API"

    def test_what_only_the_pipeline_can_know_is_not_refused_here(self, as_alice: APIClient) -> None:
        assert (
            as_alice.post(URL, ORDER | {"symbol": "NO.SUCH-1&_", "price": "999999999999.99999999"}).status_code == 202
        )

    def test_it_takes_a_constant_number_of_queries(self, as_alice: APIClient, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(13):  # token, clock; savepoint, release; key 3, number 1, fees 1, rows 4
            as_alice.post(URL, ORDER | {"client_reference": "first"})


class TestShape:
    @pytest.mark.parametrize(
        ("field", "value", "code"),
        [
            ("quantity", "10", "NOT_AN_INTEGER"),
            ("quantity", True, "NOT_AN_INTEGER"),
            ("quantity", 10.0, "NOT_AN_INTEGER"),
            ("quantity", None, "NULL"),
            ("quantity", [10], "NOT_AN_INTEGER"),
            ("quantity", 0, "OUT_OF_RANGE"),
            ("quantity", -1, "OUT_OF_RANGE"),
            ("quantity", 10**12 + 1, "OUT_OF_RANGE"),
            ("quantity", 10**400, "OUT_OF_RANGE"),
            ("price", 101.5, "NOT_A_STRING"),
            ("price", 101, "NOT_A_STRING"),
            ("price", None, "NULL"),
            ("price", "", "MALFORMED"),
            ("price", "0", "ZERO"),
            ("price", "0.00000000", "ZERO"),
            ("price", "-1", "MALFORMED"),
            ("price", "+1", "MALFORMED"),
            ("price", "1e3", "MALFORMED"),
            ("price", "NaN", "MALFORMED"),
            ("price", ".5", "MALFORMED"),
            ("price", "5.", "MALFORMED"),
            ("price", "1,5", "MALFORMED"),
            ("price", " 1", "MALFORMED"),
            ("price", "1\n", "MALFORMED"),
            ("price", "\u0661\u0660", "MALFORMED"),
            ("price", "1" * 13, "MALFORMED"),
            ("price", "1.123456789", "MALFORMED"),
            ("symbol", "acme", "MALFORMED"),
            ("symbol", "", "MALFORMED"),
            ("symbol", "ACME\n", "MALFORMED"),
            ("symbol", "A" * 25, "MALFORMED"),
            ("symbol", 7, "NOT_A_STRING"),
            ("side", "buy", "NOT_LISTED"),
            ("side", ["BUY"], "NOT_A_STRING"),
            ("time_in_force", "GTD", "NOT_LISTED"),
            ("time_in_force", None, "NULL"),
            ("client_reference", "", "BLANK"),
            ("client_reference", "  ", "BLANK"),
            ("client_reference", "x" * 129, "TOO_LONG"),
            ("client_reference", "a\tb", "NOT_PRINTABLE"),
            ("client_reference", "a\0b", "UNSTORABLE"),
            ("client_reference", 7, "NOT_A_STRING"),
            ("trader_id", "7", "NOT_AN_INTEGER"),
            ("trader_id", 2**63, "OUT_OF_RANGE"),
            ("confirm_duplicate", "yes", "NOT_A_BOOLEAN"),
            ("colour", "red", "UNKNOWN_FIELD"),
            ("a/b~c", 1, "UNKNOWN_FIELD"),
            ("non_field_errors", 1, "UNKNOWN_FIELD"),
        ],
    )
    def test_a_malformed_field_is_pointed_at(self, as_alice: APIClient, field: str, value: Any, code: str) -> None:
        response = as_alice.post(URL, ORDER | {field: value})
        assert response.status_code == 400
        assert pointers(response) == {f"/{field.replace('~', '~0').replace('/', '~1')}": code}
        assert not Trade.objects.exists()

    @pytest.mark.parametrize("field", ["symbol", "side", "quantity", "price"])
    def test_a_missing_field_is_pointed_at(self, as_alice: APIClient, field: str) -> None:
        response = as_alice.post(URL, {name: value for name, value in ORDER.items() if name != field})
        assert response.status_code == 400
        assert pointers(response) == {f"/{field}": "REQUIRED"}

    def test_every_finding_is_returned_at_once(self, as_alice: APIClient) -> None:
        response = as_alice.post(URL, {"symbol": "ACME", "quantity": "10", "price": 101.5, "message": 1, "code": 2})
        assert response.status_code == 400
        assert pointers(response) == {
            "/side": "REQUIRED",
            "/quantity": "NOT_AN_INTEGER",
            "/price": "NOT_A_STRING",
            "/message": "UNKNOWN_FIELD",
            "/code": "UNKNOWN_FIELD",
        }

    @pytest.mark.parametrize("body", ["[]", "null", '"BUY"', "7", "true"])
    def test_a_body_that_is_no_object_is_refused(self, as_alice: APIClient, body: str) -> None:
        response = as_alice.post(URL, body, content_type="application/json")
        assert response.status_code == 400
        assert set(pointers(response)) == {""}

    @pytest.mark.parametrize(
        "body",
        [
            b"{",
            b"\xff",
            b"\xef\xbb\xbf{}",
            b'{"price": NaN}',
            b'{"side": "BUY", "side": "SELL"}',
            b'{"quantity": ' + b"1" * 5000 + b"}",
            b"[" * 60_000,
            b'{"client_reference": "\\ud800"}',
            b'{"\\u0000": 1}',
        ],
        ids=["cut", "not-utf8", "bom", "nan", "key-twice", "long-number", "deep", "surrogate", "nul-name"],
    )
    def test_what_is_not_our_json_is_refused(self, as_alice: APIClient, body: bytes) -> None:
        response = as_alice.post(URL, body, content_type="application/json")
        assert response.status_code == 400
        assert response["Content-Type"] == "application/problem+json"

    def test_an_unknown_channel_is_refused(self, as_alice: APIClient) -> None:
        response = as_alice.post(URL, ORDER, headers={"X-Channel": "PIGEON"})
        assert response.status_code == 400
        assert pointers(response) == {"/X-Channel": "NOT_LISTED"}


class TestInWhoseName:
    def test_a_trader_may_not_name_another(self, as_alice: APIClient, bob: Trader) -> None:
        for somebody in (bob.pk, bob.pk + 1_000_000):
            assert as_alice.post(URL, ORDER | {"trader_id": somebody}).status_code == 403
        assert not Trade.objects.exists()

    def test_staff_place_for_the_trader_they_name(self, as_agent: APIClient, bob: Trader) -> None:
        response = as_agent.post(URL, ORDER | {"trader_id": bob.pk}, headers={"X-Channel": "CALL"})
        assert response.status_code == 202
        trade = response.json()
        assert (trade["trader_id"], trade["channel"], trade["requests"][0]["placed_by"]) == (bob.pk, "CALL", "agent")

    def test_staff_must_name_a_trader(self, as_agent: APIClient) -> None:
        response = as_agent.post(URL, ORDER)
        assert response.status_code == 400
        assert pointers(response) == {"/trader_id": "REQUIRED"}

    def test_staff_must_name_one_that_exists(self, as_agent: APIClient) -> None:
        response = as_agent.post(URL, ORDER | {"trader_id": 999_999_999})
        assert response.status_code == 400
        assert pointers(response) == {"/trader_id": "UNKNOWN_TRADER"}

    def test_staff_who_only_look_may_not(self, as_auditor: APIClient, as_alice: APIClient, alice: Trader) -> None:
        refused = as_auditor.post(URL, ORDER | {"trader_id": alice.pk})
        assert (refused.status_code, refused.json()["code"]) == (403, "NOT_ALLOWED")
        address = f"{URL}/{as_alice.post(URL, ORDER).json()['trade_id']}"
        assert as_auditor.get(address).status_code == 200
        assert as_auditor.patch(address, {"quantity": 11}).status_code == 403
        assert as_auditor.delete(address).status_code == 403
        assert as_auditor.get(address).json()["revision"] == 1

    def test_staff_who_trade_place_for_themselves_by_default(self, db: None) -> None:
        trader = TraderFactory()
        client = client_of(UserFactory(trader=trader, is_staff=True))
        assert client.post(URL, ORDER).json()["trader_id"] == trader.pk

    def test_a_user_who_is_neither_trader_nor_staff_may_not(self, db: None) -> None:
        assert client_of(UserFactory(trader=None)).post(URL, ORDER).status_code == 403

    def test_a_trader_may_not_say_it_was_a_phone_call(self, as_alice: APIClient) -> None:
        assert as_alice.post(URL, ORDER, headers={"X-Channel": "CALL"}).status_code == 403

    def test_a_stranger_may_not(self, stranger: APIClient) -> None:
        response = stranger.post(URL, ORDER)
        assert (response.status_code, response.json()["code"]) == (401, "NOT_AUTHENTICATED")
        assert response["WWW-Authenticate"] == "Token"
