"""POST /trades: what is taken, what is refused for its shape, and for whom."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from brokerage.models import Trader
from tests.api.conftest import ORDER, pointers
from trades.models import Trade

URL = "/api/v1/trades"
pytestmark = pytest.mark.django_db


class TestPlacing:
    def test_the_trade_is_received_and_can_be_found_where_the_answer_says(
        self, as_alice: APIClient, alice: Trader
    ) -> None:
        answer = as_alice.post(URL, ORDER)
        assert answer.status_code == 202
        trade = answer.json()
        assert trade["status"] == "RECEIVED"
        assert trade["trader_id"] == alice.pk
        assert (trade["price"], trade["quantity"], trade["time_in_force"]) == ("101.50", 10, "DAY")
        assert [(r["seq"], r["kind"], r["placed_by"]) for r in trade["requests"]] == [(1, "NEW", "alice")]
        assert answer["ETag"] == '"1"'
        assert as_alice.get(answer["Location"]).json() == trade
