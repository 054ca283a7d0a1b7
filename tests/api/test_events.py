"""GET /trades/{id}/events: what happened to a trade, to whoever may see it."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from brokerage.models import Instrument
from tests.api.conftest import pointers
from tests.trades import steps

URL = "/api/v1/trades"
pytestmark = pytest.mark.django_db
Place = Callable[..., dict[str, Any]]


def events(client: APIClient, trade: dict[str, Any], **query: Any) -> Any:
    return client.get(f"{URL}/{trade['trade_id']}/events", query)


def test_shows_what_happened_and_what_it_moved(as_alice: APIClient, place: Place, share: Instrument) -> None:
    trade = place(quantity=10, price="100.00")
    steps.run_to_sent()
    steps.tell(steps.report(trade["trade_id"], "0"), steps.fill(trade["trade_id"], 4, "99.50", ExecID="X1"))
    response = events(as_alice, trade).json()
    assert (response["trade_id"], response["reference"]) == (trade["trade_id"], trade["reference"])
    assert [entry["kind"] for entry in response["results"]] == [
        "NEW_RECEIVED",
        "VALIDATED",
        "BOOKED",
        "SENT",
        "EXCHANGE_NEW",
        "EXCHANGE_FILL",
    ]
    received, _, booked, _, _, filled = response["results"]
    assert received["seconds"] is None
    assert booked["seconds"] >= 0
    assert received["at"] == trade["created_at"]
    assert received["request"] == {
        "request_id": trade["requests"][0]["request_id"],
        "seq": 1,
        "kind": "NEW",
        "channel": "API",
        "placed_by": "alice",
    }
    assert booked["text"] == "Booked: 1,000.00 blocked."
    assert filled["status"] == "PARTIALLY_FILLED"
    assert filled["data"] == {"exec_id": "X1", "quantity": 4, "price": "99.50"}
    assert filled["cash"] == [as_alice.get("/api/v1/wallet/entries").json()["results"][0]]
    assert filled["shares"] == [as_alice.get("/api/v1/holdings/entries").json()["results"][0]]
    assert filled["cash"][0]["balance_after"] == "99602.00"


def test_has_one_entry_per_revision_under_either_name(as_alice: APIClient, place: Place) -> None:
    trade = place()
    as_alice.patch(f"{URL}/{trade['trade_id']}", {"quantity": 11})
    revision = as_alice.get(f"{URL}/{trade['trade_id']}").json()["revision"]
    by_reference = as_alice.get(f"{URL}/{trade['reference'].lower()}/events").json()["results"]
    assert [entry["revision"] for entry in by_reference] == list(range(1, revision + 1))
    assert by_reference == events(as_alice, trade).json()["results"]


def test_goes_on_behind_a_revision(as_alice: APIClient, place: Place) -> None:
    trade = place()
    for quantity in (11, 12):  # the second entry about the first of them: it makes way for the next
        as_alice.patch(f"{URL}/{trade['trade_id']}", {"quantity": quantity})
    seen, address = [], f"{URL}/{trade['trade_id']}/events?limit=2"
    while address:
        page = as_alice.get(address).json()
        seen += [entry["revision"] for entry in page["results"]]
        address = page["next"]
    assert seen == [1, 2, 3, 4]
    assert events(as_alice, trade, after=4).json()["results"] == []


def test_is_not_there_for_anybody_else(
    as_bob: APIClient, as_agent: APIClient, stranger: APIClient, place: Place
) -> None:
    trade = place()
    assert events(as_bob, trade).status_code == 404
    assert events(stranger, trade).status_code == 401
    assert events(as_agent, trade).status_code == 200
    assert as_agent.get(f"{URL}/nothing/events").status_code == 404


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"after": "-1"}, "OUT_OF_RANGE"),
        ({"after": "new"}, "NOT_AN_INTEGER"),
        ({"after": "9" * 12}, "OUT_OF_RANGE"),
        ({"limit": "0"}, "OUT_OF_RANGE"),
        ({"limit": "1001"}, "OUT_OF_RANGE"),
        ({"since": "1"}, "UNKNOWN_FIELD"),
    ],
)
def test_refuses_a_query_it_does_not_know(as_alice: APIClient, place: Place, query: dict[str, str], code: str) -> None:
    response = events(as_alice, place(), **query)
    assert response.status_code == 400
    assert pointers(response) == {f"/{next(iter(query))}": code}


def test_takes_six_queries(as_alice: APIClient, place: Place, django_assert_num_queries: Any) -> None:
    trade = place()
    with django_assert_num_queries(6):  # the token, the trade, and four for the story
        events(as_alice, trade)
