"""The admin: the firm's data, and trades to be read."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from brokerage.models import Instrument, Trader, User
from exchange.models import QuarantinedMessage
from exchange.quarantine import quarantine
from tests.api.conftest import ORDER
from tests.factories import UserFactory
from trades.models import Trade

pytestmark = pytest.mark.django_db
LIST = "/admin/trades/trade/"
Place = Callable[..., dict[str, Any]]


@pytest.fixture
def office(db: None) -> Client:
    client = Client()
    client.force_login(UserFactory(username="admin", trader=None, is_staff=True, is_superuser=True))
    return client


class TestTheTradeList:
    def test_finds_a_trade_by_whatever_a_caller_can_say(
        self, office: Client, place: Place, as_bob: APIClient, alice: Trader
    ) -> None:
        trade = place(symbol="RARE", client_reference="my first")
        other = as_bob.post("/api/v1/trades", ORDER).json()
        mangled = trade["reference"].lower().replace("-", " ").replace("0", "o").replace("1", "l")
        for said in (trade["reference"], mangled, trade["trade_id"], "my first", " rare ", str(alice.pk), "alic"):
            page = office.get(LIST, {"q": said}).content.decode()
            assert trade["reference"] in page, said
            assert other["reference"] not in page, said

    @pytest.mark.parametrize("said", ["%", "\0", "9" * 30, "١٢", "\N{DUCK}" * 60, "' OR 1=1 --"])
    def test_finds_nothing_for_nonsense(self, office: Client, place: Place, said: str) -> None:
        trade = place()
        page = office.get(LIST, {"q": said})
        assert page.status_code == 200
        assert (trade["reference"] in page.content.decode()) == (said == "\0")

    def test_filters(self, office: Client, place: Place) -> None:
        trade = place()
        assert trade["reference"] in office.get(LIST, {"status__exact": "RECEIVED"}).content.decode()
        assert trade["reference"] not in office.get(LIST, {"side__exact": "SELL"}).content.decode()

    def test_takes_as_many_queries_for_many_as_for_one(self, office: Client, place: Place) -> None:
        place()
        few = _queries(lambda: office.get(LIST))
        for _ in range(4):
            place()
        assert _queries(lambda: office.get(LIST)) == few <= 10


class TestTheTradePage:
    def test_tells_requests_and_timeline(self, office: Client, place: Place, as_alice: APIClient) -> None:
        trade = place()
        as_alice.patch(f"/api/v1/trades/{trade['trade_id']}", {"price": "99.95"})
        page = office.get(f"{LIST}{trade['trade_id']}/change/").content.decode()
        for told in (trade["reference"], "101.50", "99.95", "New received", "Amend received", "alice", "Alice"):
            assert told in page
        assert 'name="_save"' not in page

    def test_tells_a_refusal_in_words(self, office: Client, place: Place) -> None:
        trade = place()
        details = {"tick": "0.05", "also": ["PRICE_OUT_OF_BAND"]}
        reason = {"code": "BAD_TICK", "message": "The price must be a multiple of 0.05.", "details": details}
        Trade.objects.filter(pk=trade["trade_id"]).update(reason=reason)
        page = office.get(f"{LIST}{trade['trade_id']}/change/").content.decode()
        assert "BAD_TICK: The price must be a multiple of 0.05. (tick 0.05; also PRICE_OUT_OF_BAND)" in page
        for unsightly in ("None", "{&quot;code", "History", "p.m."):
            assert unsightly not in page

    def test_takes_as_many_queries_however_long_the_story(
        self, office: Client, place: Place, as_alice: APIClient
    ) -> None:
        trade = place()
        few = _queries(lambda: office.get(f"{LIST}{trade['trade_id']}/change/"))
        for quantity in range(11, 15):
            as_alice.patch(f"/api/v1/trades/{trade['trade_id']}", {"quantity": quantity})
        assert _queries(lambda: office.get(f"{LIST}{trade['trade_id']}/change/")) == few <= 12

    def test_changes_nothing_not_even_for_a_superuser(self, office: Client, place: Place) -> None:
        trade = place()
        assert office.get(f"{LIST}add/").status_code == 403
        assert office.post(f"{LIST}{trade['trade_id']}/change/", {"quantity": 1}).status_code == 403
        assert office.post(f"{LIST}{trade['trade_id']}/delete/", {"post": "yes"}).status_code == 403

    @pytest.mark.parametrize("pk", ["nothing", "00000000-0000-0000-0000-000000000000", "%00"])
    def test_of_a_trade_there_is_not_leads_home(self, office: Client, pk: str) -> None:
        assert office.get(f"{LIST}{pk}/change/").status_code == 302


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


def _queries(ask: Callable[[], Any]) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert ask().status_code == 200
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
