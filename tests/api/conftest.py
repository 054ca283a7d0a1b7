"""Clients: an `APIClient` that bears the token of a trader, or of staff."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from knox.models import AuthToken
from rest_framework.test import APIClient

from brokerage.models import Trader, User
from tests.api import openapi
from tests.factories import UserFactory

ORDER = {"symbol": "ACME", "side": "BUY", "quantity": 10, "price": "101.50"}


@pytest.fixture(autouse=True)
def _every_response_is_as_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare every response that a test of the API receives with the OpenAPI document."""
    send = APIClient.request

    def send_and_check(self: APIClient, **call: Any) -> Any:
        response = send(self, **call)
        if call["PATH_INFO"].startswith("/api/v1/"):
            openapi.check(call["REQUEST_METHOD"], call["PATH_INFO"], response)
        return response

    monkeypatch.setattr(APIClient, "request", send_and_check)


def client_of(user: User) -> APIClient:
    _, token = AuthToken.objects.create(user=user)
    client = APIClient(HTTP_AUTHORIZATION=f"Token {token}")
    client.raise_request_exception = False  # what a client sees, not a traceback
    return client


@pytest.fixture
def stranger() -> APIClient:
    """Somebody who has not logged in."""
    client = APIClient()
    client.raise_request_exception = False
    return client


@pytest.fixture
def as_alice(alice: Trader) -> APIClient:
    return client_of(alice.user)


@pytest.fixture
def as_bob(bob: Trader) -> APIClient:
    return client_of(bob.user)


@pytest.fixture
def as_agent(db: None) -> APIClient:
    """Staff of the call centre, who are no traders and take their orders."""
    agent = UserFactory(username="agent", trader=None, is_staff=True)
    agent.user_permissions.add(Permission.objects.get(codename="act_for_trader"))
    return client_of(agent)


@pytest.fixture
def as_auditor(db: None) -> APIClient:
    """Staff who look, and change nothing."""
    return client_of(UserFactory(username="auditor", trader=None, is_staff=True))


@pytest.fixture
def place(as_alice: APIClient) -> Callable[..., dict[str, Any]]:
    """Let Alice place a trade; returns it."""

    def send(**changes: Any) -> dict[str, Any]:
        response = as_alice.post("/api/v1/trades", ORDER | changes)
        assert response.status_code == 202, response.content
        return response.json()

    return send


def pointers(response: Any) -> dict[str, str]:
    """Return the findings of a problem: pointer → code."""
    assert response["Content-Type"] == "application/problem+json"
    return {finding["pointer"]: finding["code"] for finding in response.json()["errors"]}
