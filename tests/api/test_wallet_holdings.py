"""GET /wallet and /holdings, with their journals."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction
from rest_framework.test import APIClient

from brokerage.models import Trader
from holdings import services as holdings
from tests.api.conftest import pointers
from wallets import services as wallets

pytestmark = pytest.mark.django_db
EVERY_URL = ["/api/v1/wallet", "/api/v1/wallet/entries", "/api/v1/holdings", "/api/v1/holdings/entries"]


class TestTheWallet:
    def test_shows_what_there_is(self, as_alice: APIClient, alice: Trader) -> None:
        assert as_alice.get("/api/v1/wallet").json() == {
            "trader_id": alice.pk,
            "currency": "INR",
            "balance": "100000.00",
            "blocked": "0.00",
            "available": "100000.00",
            "debt": "0.00",
        }

    def test_of_somebody_who_never_paid_in_is_empty(self, as_bob: APIClient) -> None:
        assert as_bob.get("/api/v1/wallet").json()["balance"] == "0.00"

    def test_has_a_journal_newest_first(self, as_alice: APIClient, alice: Trader) -> None:
        wallets.withdraw(trader_id=alice.pk, amount=Decimal("0.50"), key="out", note="for the bus")
        first = as_alice.get("/api/v1/wallet/entries?limit=1").json()
        [entry] = first["results"]
        assert entry == {
            "entry_id": entry["entry_id"],
            "at": entry["at"],
            "kind": "WITHDRAWAL",
            "amount": "-0.50",
            "blocked_change": "0.00",
            "debt_change": "0.00",
            "balance_after": "99999.50",
            "blocked_after": "0.00",
            "debt_after": "0.00",
            "trade_id": None,
            "execution": None,
            "note": "for the bus",
        }
        second = as_alice.get(first["next"]).json()
        assert [entry["kind"] for entry in second["results"]] == ["DEPOSIT"]
        assert second["next"] is None
        assert as_alice.get(second["previous"]).json()["results"] == first["results"]


class TestHoldings:
    def test_show_what_there_is(self, as_bob: APIClient) -> None:
        held = {"symbol": "ACME", "quantity": 1000, "blocked": 0, "available": 1000, "short": 0}
        assert as_bob.get("/api/v1/holdings").json() == {"results": [held]}

    def test_may_be_none(self, as_alice: APIClient) -> None:
        assert as_alice.get("/api/v1/holdings").json() == {"results": []}

    def test_have_a_journal(self, as_bob: APIClient) -> None:
        page = as_bob.get("/api/v1/holdings/entries").json()
        assert [(entry["kind"], entry["symbol"], entry["amount"]) for entry in page["results"]] == [
            ("DEPOSIT", "ACME", 1000)
        ]
        assert (page["next"], page["previous"]) == (None, None)


@pytest.mark.breaks_the_books  # the trade exists in the journals only
class TestALoanOfTheHouse:
    def test_is_seen_in_the_wallet_and_its_journal(self, as_bob: APIClient, bob: Trader) -> None:
        with transaction.atomic():
            ledger = wallets.open_ledger([bob.pk])
            ledger.settle(bob.pk, amount=Decimal("-5.00"), hold_change=Decimal(0), trade_id=uuid4(), execution="E1")
            ledger.post()
        wallets.deposit(trader_id=bob.pk, amount=Decimal("2.00"), key="k")
        wallet = as_bob.get("/api/v1/wallet").json()
        assert (wallet["balance"], wallet["available"], wallet["debt"]) == ("0.00", "0.00", "3.00")
        entries = as_bob.get("/api/v1/wallet/entries").json()["results"]
        assert [(entry["kind"], entry["debt_change"], entry["debt_after"]) for entry in entries] == [
            ("REPAY", "-2.00", "3.00"),
            ("DEPOSIT", "0.00", "5.00"),
            ("SETTLE", "0.00", "5.00"),
            ("LOAN", "5.00", "5.00"),
        ]

    def test_is_seen_in_the_holding_and_its_journal(self, as_alice: APIClient, alice: Trader) -> None:
        with transaction.atomic():
            ledger = holdings.open_ledger([(alice.pk, "ACME")])
            ledger.settle((alice.pk, "ACME"), amount=-5, hold_change=0, trade_id=uuid4(), execution="E1")
            ledger.post()
        holdings.deposit(trader_id=alice.pk, symbol="ACME", amount=2, key="k")
        held = {"symbol": "ACME", "quantity": 0, "blocked": 0, "available": 0, "short": 3}
        assert as_alice.get("/api/v1/holdings").json() == {"results": [held]}
        entries = as_alice.get("/api/v1/holdings/entries").json()["results"]
        assert [(entry["kind"], entry["short_change"], entry["short_after"]) for entry in entries] == [
            ("REPAY", -2, 3),
            ("DEPOSIT", 0, 5),
            ("SETTLE", 0, 5),
            ("LOAN", 5, 5),
        ]


@pytest.mark.parametrize("url", EVERY_URL)
class TestWhose:
    def test_staff_name_the_trader(self, as_agent: APIClient, alice: Trader, url: str) -> None:
        assert as_agent.get(f"{url}?trader_id={alice.pk}").status_code == 200

    def test_staff_must_name_one_that_exists(self, as_agent: APIClient, url: str) -> None:
        assert pointers(as_agent.get(url)) == {"/trader_id": "REQUIRED"}
        assert pointers(as_agent.get(f"{url}?trader_id=999999999")) == {"/trader_id": "UNKNOWN_TRADER"}

    def test_a_trader_names_nobody_else(self, as_alice: APIClient, alice: Trader, bob: Trader, url: str) -> None:
        assert as_alice.get(f"{url}?trader_id={alice.pk}").status_code == 200
        assert as_alice.get(f"{url}?trader_id={bob.pk}").status_code == 403
        assert as_alice.get(f"{url}?trader_id=999999999").status_code == 403

    def test_a_stranger_sees_nothing(self, stranger: APIClient, url: str) -> None:
        assert stranger.get(url).status_code == 401

    def test_two_queries(self, as_alice: APIClient, django_assert_num_queries: Any, url: str) -> None:
        with django_assert_num_queries(2):
            as_alice.get(url)
