"""The same call again: one trade, the same bytes, whatever happened since."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction
from rest_framework.test import APIClient

from brokerage.models import Trader
from tests.api.conftest import ORDER, client_of, pointers
from trades.models import IdempotencyKey, Trade, TradeRequest

URL = "/api/v1/trades"


@pytest.mark.django_db
class TestTheSameKey:
    def test_is_the_same_response(self, as_alice: APIClient) -> None:
        first = as_alice.post(URL, ORDER | {"client_reference": "one"})
        again = as_alice.post(URL, ORDER | {"client_reference": "one"})
        assert "Idempotent-Replayed" not in first
        assert again["Idempotent-Replayed"] == "true"
        for header in ("Location", "ETag", "Content-Type"):
            assert again[header] == first[header]
        assert (again.status_code, again.content) == (202, first.content)
        assert Trade.objects.count() == 1

    def test_whatever_happened_since(self, as_alice: APIClient) -> None:
        first = as_alice.post(URL, ORDER, headers={"Idempotency-Key": "one"})
        as_alice.delete(first["Location"])
        assert as_alice.post(URL, ORDER, headers={"Idempotency-Key": "one"}).content == first.content

    def test_the_order_of_names_and_the_space_between_them_do_not_matter(self, as_alice: APIClient) -> None:
        bodies = (
            '{"symbol":"ACME","side":"BUY","quantity":10,"price":"1"}',
            '{ "price": "1",\n"quantity": 10, "side": "BUY", "symbol": "AC\\u004dE" }',
        )
        responses = [
            as_alice.post(URL, body, content_type="application/json", headers={"Idempotency-Key": "one"})
            for body in bodies
        ]
        assert responses[0].content == responses[1].content

    def test_with_another_body_is_refused(self, as_alice: APIClient) -> None:
        as_alice.post(URL, ORDER | {"client_reference": "one"})
        response = as_alice.post(URL, ORDER | {"client_reference": "one", "quantity": 11})
        assert (response.status_code, response.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")

    def test_for_another_trade_or_method_is_refused(self, as_alice: APIClient) -> None:
        one, two = (as_alice.post(URL, ORDER)["Location"] for _ in range(2))
        key = {"Idempotency-Key": "one"}
        first = as_alice.patch(one, {"quantity": 20}, headers=key)
        assert as_alice.patch(one, {"quantity": 20}, headers=key).content == first.content
        assert as_alice.patch(two, {"quantity": 20}, headers=key).status_code == 422
        assert as_alice.delete(one, headers=key).status_code == 422

    def test_comes_before_whether_the_trade_is_open_or_changed(self, as_alice: APIClient) -> None:
        place = as_alice.post(URL, ORDER)["Location"]
        sent = {"Idempotency-Key": "end", "If-Match": '"1"'}
        first = as_alice.delete(place, headers=sent)
        again = as_alice.delete(place, headers=sent)
        assert (again.status_code, again.content) == (202, first.content)
        assert TradeRequest.objects.count() == 2

    def test_belongs_to_one_trader(self, as_alice: APIClient, as_bob: APIClient) -> None:
        responses = [client.post(URL, ORDER | {"client_reference": "one"}) for client in (as_alice, as_bob)]
        assert [response.status_code for response in responses] == [202, 202]
        assert Trade.objects.count() == 2

    def test_is_shared_by_a_trader_and_the_staff_acting_for_them(
        self, as_alice: APIClient, as_agent: APIClient, alice: Trader
    ) -> None:
        body = ORDER | {"client_reference": "one", "trader_id": alice.pk}
        assert as_agent.post(URL, body).content == as_alice.post(URL, body).content

    def test_in_header_and_body_must_be_equal(self, as_alice: APIClient) -> None:
        body = ORDER | {"client_reference": "Zoë"}
        response = as_alice.post(URL, body, headers={"Idempotency-Key": "two"})
        assert response.status_code == 400
        assert pointers(response) == {"/client_reference": "DIFFERS"}
        assert as_alice.post(URL, body, headers={"Idempotency-Key": _as_sent("Zoë")}).status_code == 202

    @pytest.mark.parametrize("key", ["", "  ", "x" * 129, "a\tb", "\xff"])
    def test_must_be_a_key(self, as_alice: APIClient, key: str) -> None:
        response = as_alice.post(URL, ORDER, headers={"Idempotency-Key": key})
        assert response.status_code == 400
        assert set(pointers(response)) == {"/Idempotency-Key"}

    def test_is_not_taken_by_a_malformed_call_or_a_conflict(self, as_alice: APIClient) -> None:
        place = as_alice.post(URL, ORDER)["Location"]
        key = {"Idempotency-Key": "one"}
        assert as_alice.post(URL, ORDER | {"quantity": 0}, headers=key).status_code == 400
        assert as_alice.patch(place, {"quantity": 10}, headers=key).status_code == 409
        assert not IdempotencyKey.objects.exists()
        assert as_alice.patch(place, {"quantity": 11}, headers=key).status_code == 202


def _as_sent(text: str) -> str:
    """A header beyond ASCII, as a server hands it over: its bytes, read as Latin-1."""
    return text.encode().decode("latin-1")


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_the_same_key_from_many_sides_is_one_trade_and_one_response(self, alice: Trader) -> None:
        clients = [client_of(alice.user) for _ in range(8)]

        def send(client: APIClient) -> Any:
            try:
                return client.post(URL, ORDER | {"client_reference": "one"})
            finally:
                connection.close()

        with ThreadPoolExecutor(len(clients)) as pool:
            responses = list(pool.map(send, clients))
        assert [response.status_code for response in responses] == [202] * len(clients)
        assert len({response.content for response in responses}) == 1
        assert sum("Idempotent-Replayed" not in response for response in responses) == 1
        assert Trade.objects.count() == 1

    def test_a_call_that_does_not_finish_is_waited_for_two_seconds(self, alice: Trader) -> None:
        client = client_of(alice.user)

        def send() -> Any:
            try:
                return client.post(URL, ORDER | {"client_reference": "one"})
            finally:
                connection.close()

        with ThreadPoolExecutor(1) as pool, transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext('one'))", [alice.pk])  # the other call
            response = pool.submit(send).result()
        assert (response.status_code, response.json()["code"]) == (409, "IDEMPOTENCY_KEY_BUSY")
        assert response["Retry-After"] == "1"
        assert send().status_code == 202
