"""PATCH and DELETE /trades/{trade_id}: other terms, or the end."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from brokerage.models import Instrument
from tests.api.conftest import pointers
from tests.trades import steps

pytestmark = pytest.mark.django_db
Place = Callable[..., dict[str, Any]]


def url(trade: dict[str, Any]) -> str:
    return f"/api/v1/trades/{trade['trade_id']}"


class TestAmending:
    def test_what_is_left_out_keeps_the_value_last_asked_for(self, as_alice: APIClient, place: Place) -> None:
        trade = place()
        assert as_alice.patch(url(trade), {"price": "102"}).status_code == 202
        response = as_alice.patch(url(trade), {"quantity": 20})
        assert response.status_code == 202
        sent = [(r["kind"], r["quantity"], r["price"]) for r in response.json()["requests"]]
        assert sent == [("NEW", 10, "101.50"), ("AMEND", 10, "102.00"), ("AMEND", 20, "102.00")]
        assert (response.json()["quantity"], response.json()["price"]) == (10, "101.50")
        assert response["ETag"] == '"4"'  # accepted, changed, the change dropped for the next, changed

    def test_a_field_left_out_keeps_what_was_restated_since(
        self, as_alice: APIClient, place: Place, share: Instrument
    ) -> None:
        trade = place(symbol="ACME")
        steps.run_to_sent()
        assert as_alice.patch(url(trade), {"quantity": 12}).status_code == 202
        steps.tell(steps.report(trade["trade_id"], "D", OrderQty="11"))
        response = as_alice.patch(url(trade), {"price": "99.00"})
        assert response.json()["requests"][-1]["quantity"] == 11

    def test_the_remaining_quantity_is_without_what_is_filled(self, as_alice: APIClient, place: Place) -> None:
        response = as_alice.patch(url(place()), {"remaining_quantity": 7})
        assert response.json()["requests"][-1]["quantity"] == 7

    def test_equal_terms_are_nothing_to_change(self, as_alice: APIClient, place: Place) -> None:
        response = as_alice.patch(url(place()), {"quantity": 10, "price": "101.5"})
        assert (response.status_code, response.json()["code"]) == (409, "NOTHING_TO_CHANGE")

    def test_a_finished_trade_stays_as_it_is(self, as_alice: APIClient, place: Place) -> None:
        trade = place()
        assert as_alice.delete(url(trade)).status_code == 202
        for response in (as_alice.patch(url(trade), {"quantity": 20}), as_alice.delete(url(trade))):
            assert (response.status_code, response.json()["code"]) == (409, "TRADE_FINISHED")

    @pytest.mark.parametrize(
        ("body", "found"),
        [
            ({}, {"": "NOTHING_GIVEN"}),
            ({"quantity": 5, "remaining_quantity": 5}, {"/remaining_quantity": "ONE_OF_TWO"}),
            ({"quantity": "5"}, {"/quantity": "NOT_AN_INTEGER"}),
            ({"remaining_quantity": 0}, {"/remaining_quantity": "OUT_OF_RANGE"}),
            ({"price": 5}, {"/price": "NOT_A_STRING"}),
            ({"side": "SELL", "quantity": 5}, {"/side": "UNKNOWN_FIELD"}),
            ({"client_reference": "x", "quantity": 5}, {"/client_reference": "UNKNOWN_FIELD"}),
        ],
    )
    def test_a_malformed_change_is_pointed_at(
        self, as_alice: APIClient, place: Place, body: dict[str, Any], found: dict[str, str]
    ) -> None:
        response = as_alice.patch(url(place()), body)
        assert response.status_code == 400
        assert pointers(response) == found

    def test_staff_amend_in_the_name_of_the_trader(self, as_agent: APIClient, place: Place) -> None:
        response = as_agent.patch(url(place()), {"quantity": 20}, headers={"X-Channel": "CALL"})
        request = response.json()["requests"][-1]
        assert (request["channel"], request["placed_by"]) == ("CALL", "agent")

    def test_a_constant_number_of_queries(
        self, as_alice: APIClient, place: Place, django_assert_num_queries: Any
    ) -> None:
        trade = place()
        as_alice.patch(url(trade), {"quantity": 20})
        with django_assert_num_queries(
            12
        ):  # token, trade, clock; savepoint, release; time limit, lock, requests; rows 4
            as_alice.patch(url(trade), {"quantity": 30})


class TestCancelling:
    def test_a_trade_that_was_never_sent_ends_at_once(self, as_alice: APIClient, place: Place) -> None:
        response = as_alice.delete(url(place()))
        assert response.status_code == 202
        assert response.json()["status"] == "CANCELED"
        assert [r["outcome"] for r in response.json()["requests"]] == ["CANCELED", "ACCEPTED"]

    def test_it_may_be_named_by_its_reference(self, as_alice: APIClient, place: Place) -> None:
        assert as_alice.delete(f"/api/v1/trades/{place()['reference'].lower()}").status_code == 202

    def test_it_takes_no_fields(self, as_alice: APIClient, place: Place) -> None:
        trade = place()
        assert as_alice.delete(url(trade), {"quantity": 5}).status_code == 400
        assert as_alice.delete(url(trade), {}).status_code == 202


class TestIfMatch:
    def test_the_revision_last_seen_lets_it_pass(self, as_alice: APIClient, place: Place) -> None:
        trade = place()
        seen = as_alice.get(url(trade))["ETag"]
        assert as_alice.patch(url(trade), {"quantity": 20}, headers={"If-Match": seen}).status_code == 202

    def test_a_stale_revision_stops_it(self, as_alice: APIClient, place: Place) -> None:
        trade = place()
        seen = as_alice.get(url(trade))["ETag"]
        as_alice.patch(url(trade), {"quantity": 20})
        response = as_alice.patch(url(trade), {"quantity": 30}, headers={"If-Match": seen})
        assert (response.status_code, response.json()["code"]) == (412, "REVISION_CHANGED")
        assert as_alice.delete(url(trade), headers={"If-Match": seen}).status_code == 412
        assert len(as_alice.get(url(trade)).json()["requests"]) == 2

    @pytest.mark.parametrize(("tag", "status"), [("*", 202), ('"9", "1"', 202), ('W/"1"', 412), ("1", 400), ("", 400)])
    def test_tags_are_read_as_http_says(self, as_alice: APIClient, place: Place, tag: str, status: int) -> None:
        assert as_alice.patch(url(place()), {"quantity": 20}, headers={"If-Match": tag}).status_code == status


class TestSomeoneElses:
    def test_it_is_not_there(self, as_bob: APIClient, place: Place) -> None:
        trade = place()
        for where in (url(trade), f"/api/v1/trades/{trade['reference']}"):
            for response in (as_bob.get(where), as_bob.patch(where, {"quantity": 20}), as_bob.delete(where)):
                assert (response.status_code, response.json()["code"]) == (404, "NOT_FOUND")
