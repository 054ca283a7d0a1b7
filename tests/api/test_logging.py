"""What a call leaves in the log: its own id beside the ids of the trade, and nothing about the person."""

from collections.abc import Iterator

import pytest
import structlog
from django.test import Client
from rest_framework.test import APIClient
from structlog.contextvars import merge_contextvars
from structlog.typing import EventDict

from brokerage.models import Instrument, Trader
from tests.api.conftest import ORDER

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "correct horse battery staple"


@pytest.fixture
def lines() -> Iterator[list[EventDict]]:
    with structlog.testing.capture_logs(processors=[merge_contextvars]) as lines:
        yield lines


def logins(lines: list[EventDict]) -> list[tuple[str, str | None, int | None]]:
    return [(it["event"], it.get("outcome"), it["user_id"]) for it in lines if it["event"] in ("login", "logout")]


class TestACall:
    def test_has_an_id_that_leads_from_the_response_to_the_log(
        self, as_alice: APIClient, share: Instrument, lines: list[EventDict]
    ) -> None:
        response = as_alice.post("/api/v1/trades", ORDER)
        [line] = [line for line in lines if line["event"] == "accepted"]
        assert line["http_request_id"] == response["X-Request-Id"]
        assert line["request_id"] == response.json()["requests"][0]["request_id"]
        assert (line["trade_id"], line["step"]) == (response.json()["trade_id"], "accept")


class TestLogIns:
    def test_leave_the_users_number_and_the_outcome(
        self, stranger: APIClient, alice: Trader, lines: list[EventDict]
    ) -> None:
        user = alice.user
        user.set_password(PASSWORD)
        user.save()
        for password in (PASSWORD, "wrong one"):
            response = stranger.post("/api/v1/auth/login", {"username": "alice", "password": password})
            if response.status_code == 200:
                token = response.json()["token"]
        stranger.post("/api/v1/auth/login", {"username": "typed my password here", "password": "x"})
        APIClient(HTTP_AUTHORIZATION=f"Token {token}").post("/api/v1/auth/logout")
        assert logins(lines) == [
            ("login", "accepted", user.pk),
            ("login", "refused", user.pk),
            ("login", "refused", None),
            ("logout", None, user.pk),
        ]
        for personal in ("alice", PASSWORD, "wrong one", "typed my password here", token):
            assert personal not in str(lines)

    def test_of_the_back_office_too(self, alice: Trader, lines: list[EventDict]) -> None:
        user = alice.user
        user.is_staff = True
        user.set_password(PASSWORD)
        user.save()
        office = Client()
        for password in ("wrong", PASSWORD):
            office.post("/admin/login/", {"username": "alice", "password": password})
        office.post("/admin/logout/")
        assert logins(lines) == [
            ("login", "refused", user.pk),
            ("login", "accepted", user.pk),
            ("logout", None, user.pk),
        ]
