"""The admin: the firm's data, and trades to be read."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from brokerage.models import Instrument, Trader, User
from exchange.models import QuarantinedMessage
from exchange.quarantine import quarantine
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
LIST = "/admin/trades/trade/"
Place = Callable[..., dict[str, Any]]


@pytest.fixture
def office(db: None) -> Client:
    client = Client()
    client.force_login(UserFactory(username="admin", trader=None, is_staff=True, is_superuser=True))
    return client


class TestTheFirm:
    def test_every_list_and_page_opens(self, office: Client, alice: Trader, share: Instrument) -> None:
        user = User.objects.get(username="alice")
        for path in (
            "user/",
            f"user/{user.pk}/change/",
            "user/add/",
            "trader/?q=ali",
            f"trader/{alice.pk}/change/",
            "instrument/?q=ac",
            f"instrument/{share.pk}/change/",
            "tradingsession/",
            "tradingsession/add/",
        ):
            assert office.get(f"/admin/brokerage/{path}").status_code == 200, path

    def test_shows_nothing_of_a_password_to_those_who_may_only_look(self, office: Client, alice: Trader) -> None:
        viewer = UserFactory(username="agent", trader=None, is_staff=True)
        viewer.user_permissions.set(Permission.objects.filter(codename="view_user"))
        page = f"/admin/brokerage/user/{alice.user.pk}/change/"
        assert "Password:" in office.get(page).content.decode()
        office.force_login(viewer)
        seen = office.get(page).content.decode()
        assert "alice" in seen
        assert "Password:" not in seen

    def test_a_trader_has_no_business_there(self, alice: Trader) -> None:
        client = Client()
        client.force_login(alice.user)
        assert client.get(LIST).status_code == 302


def _queries(send: Callable[[], Any]) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert send().status_code == 200
    return len(captured)


def test_the_bare_address_leads_to_the_back_office() -> None:
    assert Client().get("/").headers["Location"] == "/admin/"


def test_a_quarantined_message_can_be_read_but_not_changed(office: Client) -> None:
    quarantine(queue="exchange.reports", message_id="m", body=b'{"odd": \xff}', code="MALFORMED", detail="not JSON")
    pk = QuarantinedMessage.objects.get().pk
    page = office.get(f"/admin/exchange/quarantinedmessage/{pk}/change/").content.decode()
    assert "not JSON" in page
    assert "odd&quot;: \\xff" in page
    assert office.post(f"/admin/exchange/quarantinedmessage/{pk}/delete/").status_code == 403
