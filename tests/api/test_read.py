"""GET /trades: one of them, or a page, whatever became of it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from brokerage.models import Trader
from tests.api.conftest import ORDER, pointers

URL = "/api/v1/trades"
pytestmark = pytest.mark.django_db
Place = Callable[..., dict[str, Any]]


def ids(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [trade["trade_id"] for trade in response.json()["results"]]


class TestOneTrade:
    def test_is_found_by_id_and_by_reference_as_it_is_said(self, as_alice: APIClient, place: Place) -> None:
        trade = place()
        trade_ref = trade["reference"]
        mangled = trade_ref.lower().replace("-", " ").replace("0", "o").replace("1", "l")
        for name in (trade["trade_id"], trade_ref, mangled):
            response = as_alice.get(f"{URL}/{name}")
            assert response.status_code == 200
            assert response.json() == trade
            assert response["ETag"] == f'"{trade["revision"]}"'

    @pytest.mark.parametrize(
        "name", ["7K3M-9QX3", "nothing", "%00", "%FF%FE", "\uff11\uff12", "a" * 4000, "0" * 32, "%F0%9F%A6%86"]
    )
    def test_anything_else_is_not_there(self, as_alice: APIClient, name: str) -> None:
        response = as_alice.get(f"{URL}/{name}")
        assert response.status_code == 404
        assert response["Content-Type"] == "application/problem+json"

    def test_takes_two_queries(self, as_alice: APIClient, place: Place, django_assert_num_queries: Any) -> None:
        trade = place()
        with django_assert_num_queries(2):  # the token, the trade with its requests
            as_alice.get(f"{URL}/{trade['trade_id']}")


class TestAList:
    def test_is_of_ones_own_newest_first(self, as_alice: APIClient, as_bob: APIClient, place: Place) -> None:
        placed = [place()["trade_id"] for _ in range(3)]
        as_bob.post(URL, ORDER)
        response = as_alice.get(URL)
        assert ids(response) == placed[::-1]
        assert (response.json()["next"], response.json()["previous"]) == (None, None)
        assert response.json()["results"][0] == as_alice.get(f"{URL}/{placed[-1]}").json()

    def test_of_staff_is_of_everybody_or_of_one(
        self, as_agent: APIClient, as_bob: APIClient, place: Place, bob: Trader
    ) -> None:
        mine, bobs = place()["trade_id"], as_bob.post(URL, ORDER).json()["trade_id"]
        assert ids(as_agent.get(URL)) == [bobs, mine]
        assert ids(as_agent.get(f"{URL}?trader_id={bob.pk}")) == [bobs]

    def test_of_someone_else_may_not_be_asked_for(self, as_alice: APIClient, bob: Trader) -> None:
        assert as_alice.get(f"{URL}?trader_id={bob.pk}").status_code == 403

    def test_is_walked_forth_and_back_by_cursor(self, as_alice: APIClient, place: Place) -> None:
        placed = [place()["trade_id"] for _ in range(7)][::-1]
        pages, where = [], f"{URL}?limit=3&side=BUY"
        while where:
            pages.append(as_alice.get(where))
            where = pages[-1].json()["next"]
        assert [ids(page) for page in pages] == [placed[:3], placed[3:6], placed[6:]]
        assert pages[0].json()["previous"] is None
        back = as_alice.get(pages[2].json()["previous"])
        assert ids(back) == placed[3:6]
        assert ids(as_alice.get(back.json()["next"])) == placed[6:]
        first = as_alice.get(back.json()["previous"])
        assert ids(first) == placed[:3]
        assert first.json()["previous"] is None

    def test_is_not_shifted_by_what_comes_in_meanwhile(self, as_alice: APIClient, place: Place) -> None:
        old = [place()["trade_id"] for _ in range(4)][::-1]
        page = as_alice.get(f"{URL}?limit=2")
        place()
        assert ids(page) + ids(as_alice.get(page.json()["next"])) == old

    def test_takes_three_queries_however_long(
        self, as_alice: APIClient, place: Place, django_assert_num_queries: Any
    ) -> None:
        for _ in range(5):
            place()
        with django_assert_num_queries(3):  # the token, the trades, their requests
            assert len(ids(as_alice.get(URL))) == 5


class TestFilters:
    def test_each_of_them_leaves_the_others_out(self, as_alice: APIClient, place: Place) -> None:
        place(symbol="OTHER")
        one = place(side="SELL", client_reference="Zoë & 1")
        as_alice.delete(f"{URL}/{one['trade_id']}")
        assert ids(as_alice.get(f"{URL}?symbol=OTHER")) != [one["trade_id"]]
        for query in (
            {"side": "SELL"},
            {"status": "CANCELED"},
            {"client_reference": "Zoë & 1"},
            {"symbol": "ACME", "channel": "API", "side": "SELL", "status": "CANCELED"},
        ):
            assert ids(as_alice.get(f"{URL}?{urlencode(query)}")) == [one["trade_id"]]
        assert ids(as_alice.get(f"{URL}?channel=WEB")) == []

    def test_by_time(self, as_alice: APIClient, place: Place) -> None:
        trade, second = place(), timedelta(seconds=1)
        now = timezone.now()
        for query, found in (
            ({"created_after": now - second}, 1),
            ({"created_after": now + second}, 0),
            ({"created_before": now + second}, 1),
            ({"created_before": now - second}, 0),
            ({"created_after": now - second, "created_before": now + second}, 1),
        ):
            text = urlencode({name: at.isoformat() for name, at in query.items()})
            assert ids(as_alice.get(f"{URL}?{text}")) == [trade["trade_id"]][:found]

    @pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1969-12-31t23:59:59.5-12:00"])
    def test_any_time_may_be_asked_for(self, as_alice: APIClient, place: Place, at: str) -> None:
        place()
        early = not at.startswith("9")
        assert len(ids(as_alice.get(f"{URL}?{urlencode({'created_after': at})}"))) == early
        assert len(ids(as_alice.get(f"{URL}?{urlencode({'created_before': at})}"))) == (not early)

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("limit=0", {"/limit": "OUT_OF_RANGE"}),
            ("limit=201", {"/limit": "OUT_OF_RANGE"}),
            ("limit=ten", {"/limit": "NOT_AN_INTEGER"}),
            ("limit=" + "9" * 5000, {"/limit": "NOT_AN_INTEGER"}),
            ("status=OPEN", {"/status": "NOT_LISTED"}),
            ("side=", {"/side": "NOT_LISTED"}),
            ("symbol=acme", {"/symbol": "MALFORMED"}),
            ("channel=PIGEON", {"/channel": "NOT_LISTED"}),
            ("client_reference=%00", {"/client_reference": "NOT_PRINTABLE"}),
            ("created_after=yesterday", {"/created_after": "NOT_A_TIME"}),
            ("created_after=2026-11-22T10:00:00", {"/created_after": "NOT_A_TIME"}),
            ("created_after=2026-02-30T10:00:00Z", {"/created_after": "NOT_A_TIME"}),
            ("created_before=0001-01-01T00:00:00%2B14:00", {"/created_before": "NOT_A_TIME"}),
            ("cursor=%00", {"/cursor": "NOT_PRINTABLE"}),
            ("cursor=abc", {"/cursor": "BAD_CURSOR"}),
            ("cursor=Pm5vcGU", {"/cursor": "BAD_CURSOR"}),
            ("cursor=%F0%9F%A6%86", {"/cursor": "BAD_CURSOR"}),
            ("trader_id=x", {"/trader_id": "NOT_AN_INTEGER"}),
            ("page=2", {"/page": "UNKNOWN_FIELD"}),
            ("side=BUY&side=SELL", {"/side": "GIVEN_TWICE"}),
        ],
    )
    def test_a_malformed_one_is_pointed_at(self, as_alice: APIClient, query: str, found: dict[str, str]) -> None:
        response = as_alice.get(f"{URL}?{query}")
        assert response.status_code == 400
        assert pointers(response) == found
