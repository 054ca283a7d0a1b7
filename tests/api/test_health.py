"""/livez and /readyz."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from brokerage import health


class TestLive:
    def test_without_looking_at_anything(self, stranger: APIClient) -> None:
        answer = stranger.get("/livez")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


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
            answer = stranger.get("/readyz")
            assert (answer.status_code, answer.json()["detail"]) == (503, "2 migrations are missing.")
        assert stranger.get("/readyz").status_code == 200
