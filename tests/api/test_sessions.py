"""Logging in and out."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import hashers
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from knox.models import AuthToken
from rest_framework.test import APIClient

from brokerage.models import Trader, User
from tests.api.conftest import client_of, pointers
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse"


@pytest.fixture
def alice_user(alice: Trader) -> User:
    alice.user.set_password(PASSWORD)
    alice.user.save()
    return alice.user


def login(client: APIClient, username: str = "alice", password: str = PASSWORD) -> Any:
    return client.post("/api/v1/auth/login", {"username": username, "password": password})


def bearer(response: Any) -> APIClient:
    return APIClient(HTTP_AUTHORIZATION=f"Token {response.json()['token']}")


class TestLoggingIn:
    def test_gives_a_token_for_thirty_days(self, stranger: APIClient, alice_user: User) -> None:
        response = login(stranger)
        assert response.status_code == 200
        session = response.json()
        assert set(session) == {"token", "expires_at", "trader_id"}
        assert session["trader_id"] == alice_user.trader_id
        assert session["expires_at"].endswith("Z")
        assert timedelta(days=29) < parse_datetime(session["expires_at"]) - timezone.now() <= timedelta(days=30)
        assert bearer(response).get("/api/v1/wallet").json()["trader_id"] == alice_user.trader_id

    def test_staff_have_no_trader(self, stranger: APIClient) -> None:
        staff = UserFactory(username="agent", trader=None, is_staff=True)
        staff.set_password(PASSWORD)
        staff.save()
        assert login(stranger, "agent").json()["trader_id"] is None

    def test_fails_alike_for_a_wrong_password_an_unknown_and_an_inactive_user(
        self, stranger: APIClient, alice_user: User
    ) -> None:
        UserFactory(username="gone", is_active=False, password=alice_user.password)
        responses = [login(stranger, password="wrong"), login(stranger, "nobody"), login(stranger, "gone")]
        assert [response.status_code for response in responses] == [401] * 3
        problems = [{**response.json(), "request_id": None} for response in responses]
        assert problems[0]["code"] == "BAD_CREDENTIALS"
        assert problems == problems[:1] * 3

    def test_hashes_once_whether_the_user_exists_or_not(
        self, stranger: APIClient, alice_user: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hashed: list[str] = []
        hash_once = hashers.Argon2PasswordHasher.encode
        check_once = hashers.Argon2PasswordHasher.verify
        monkeypatch.setattr(hashers.Argon2PasswordHasher, "encode", lambda *args: hashed.append("") or hash_once(*args))
        monkeypatch.setattr(
            hashers.Argon2PasswordHasher, "verify", lambda *args: hashed.append("") or check_once(*args)
        )
        login(stranger, "nobody")
        unknown = len(hashed)
        login(stranger, password="wrong")
        assert (unknown, len(hashed) - unknown) == (1, 1)

    def test_its_fields_are_checked(self, stranger: APIClient) -> None:
        response = stranger.post("/api/v1/auth/login", {"username": 7, "otp": "1"})
        assert response.status_code == 400
        found = {"/username": "NOT_A_STRING", "/password": "REQUIRED", "/otp": "UNKNOWN_FIELD"}
        assert pointers(response) == found

    def test_is_possible_with_a_token_that_is_no_longer_valid(self, alice_user: User) -> None:
        assert login(APIClient(HTTP_AUTHORIZATION="Token stale")).status_code == 200

    def test_takes_expired_tokens_of_the_user_out_of_the_way(self, stranger: APIClient, alice_user: User) -> None:
        AuthToken.objects.create(user=alice_user, expiry=timedelta(seconds=-1))
        login(stranger)
        assert AuthToken.objects.filter(user=alice_user).count() == 1


class TestAToken:
    @pytest.mark.parametrize("header", ["Token", "Token x", "Token a b", "Token \xff\xfe", "Token \0", "Bearer x", "x"])
    def test_that_is_none_is_refused(self, db: None, header: str) -> None:
        response = APIClient(HTTP_AUTHORIZATION=header).get("/api/v1/wallet")
        assert (response.status_code, response.json()["code"]) == (401, "NOT_AUTHENTICATED")
        assert response["WWW-Authenticate"] == "Token"

    def test_that_has_expired_is_refused(self, alice: Trader) -> None:
        _, token = AuthToken.objects.create(user=alice.user, expiry=timedelta(seconds=-1))
        assert APIClient(HTTP_AUTHORIZATION=f"Token {token}").get("/api/v1/wallet").status_code == 401

    def test_without_an_end_is_good(self, alice: Trader) -> None:
        _, token = AuthToken.objects.create(user=alice.user, expiry=None)
        assert APIClient(HTTP_AUTHORIZATION=f"Token {token}").get("/api/v1/wallet").status_code == 200

    def test_of_a_user_made_inactive_is_refused(self, as_alice: APIClient, alice: Trader) -> None:
        User.objects.filter(pk=alice.user.pk).update(is_active=False)
        assert as_alice.get("/api/v1/wallet").status_code == 401


class TestLoggingOut:
    def test_ends_this_device_only(self, alice: Trader) -> None:
        one, two = client_of(alice.user), client_of(alice.user)
        assert one.post("/api/v1/auth/logout").status_code == 204
        assert one.get("/api/v1/wallet").status_code == 401
        assert two.get("/api/v1/wallet").status_code == 200

    def test_everywhere_ends_every_device(self, alice: Trader, as_bob: APIClient) -> None:
        one, two = client_of(alice.user), client_of(alice.user)
        assert one.post("/api/v1/auth/logout-all", {}).status_code == 204
        assert two.get("/api/v1/wallet").status_code == 401
        assert as_bob.get("/api/v1/wallet").status_code == 200

    def test_takes_no_fields(self, as_alice: APIClient) -> None:
        assert as_alice.post("/api/v1/auth/logout", {"all": True}).status_code == 400

    def test_is_for_those_who_are_logged_in(self, stranger: APIClient) -> None:
        assert stranger.post("/api/v1/auth/logout").status_code == 401
