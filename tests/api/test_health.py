"""What only the inside calls: /livez, /readyz and /metrics."""

from typing import Any

import pytest
from django.conf import settings
from rest_framework.test import APIClient

from brokerage.observability import health


class TestLive:
    def test_without_looking_at_anything(self, stranger: APIClient) -> None:
        response = stranger.get("/livez")
        assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
@pytest.mark.parametrize("path", settings.INSIDE)
def test_is_answered_by_whatever_name_the_inside_knows(stranger: APIClient, path: str) -> None:
    """A container's address, a service: the world's names for us stand in ALLOWED_HOSTS, and those do not."""
    for host in ("10.11.12.13:8000", "web:8000"):
        assert stranger.get(path, headers={"Host": host}).status_code == 200
        assert stranger.get(f"{path}/", headers={"Host": host}).status_code == 400


@pytest.mark.django_db
class TestReady:
    def test_costs_one_query_once_the_migrations_are_there(
        self, stranger: APIClient, django_assert_num_queries: Any
    ) -> None:
        assert stranger.get("/readyz").json() == {"status": "ok"}
        with django_assert_num_queries(1):
            assert stranger.get("/readyz").status_code == 200

    def test_says_which_migrations_are_missing_until_they_are_there(
        self, stranger: APIClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(health, "migrations", health._Migrations())
        with monkeypatch.context() as patch:
            patch.setattr(health.MigrationExecutor, "migration_plan", lambda *args: [object()] * 2)
            response = stranger.get("/readyz")
            assert (response.status_code, response.json()["detail"]) == (503, "2 migrations are missing.")
        assert stranger.get("/readyz").status_code == 200
