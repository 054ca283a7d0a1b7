"""Trades in the back office: found by what a caller can say, and shown on one page."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from brokerage.models import Instrument, Trader
from tests.api.conftest import ORDER
from tests.factories import UserFactory
from tests.trades import steps
from trades.admin import trade_page
from trades.admin.badges import badge
from trades.lifecycle import Status

pytestmark = pytest.mark.django_db
LIST = "/admin/trades/trade/"
Place = Callable[..., dict[str, Any]]


@pytest.fixture
def office(db: None) -> Client:
    client = Client()
    client.force_login(UserFactory(username="admin", trader=None, is_staff=True, is_superuser=True))
    return client


def queries(send: Callable[[], Any]) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert send().status_code == 200
    return len(captured)


def listed(office: Client, trade: dict[str, Any], **query: str) -> bool:
    response = office.get(LIST, query)
    assert response.status_code == 200
    return trade["reference"] in response.content.decode()


def page_of(office: Client, trade: dict[str, Any], **query: str) -> str:
    response = office.get(f"{LIST}{trade['trade_id']}/change/", query)
    assert response.status_code == 200
    return response.content.decode()


class TestTheTradeList:
    def test_finds_a_trade_by_whatever_a_caller_can_say(
        self, office: Client, place: Place, as_bob: APIClient, alice: Trader
    ) -> None:
        Trader.objects.filter(pk=alice.pk).update(phone="+91 22 5550 0171")
        trade = place(symbol="RARE", client_reference="my first")
        other = as_bob.post("/api/v1/trades", ORDER).json()
        mangled = trade["reference"].lower().replace("-", " ").replace("0", "o").replace("1", "l")
        said = (trade["reference"], mangled, trade["trade_id"], "my first", " rare ", str(alice.pk), "alic")
        for words in (*said, "ALICE", "+91 22 5550 0171", "022-5550-0171"[1:], "(5550) 0171"):
            assert listed(office, trade, q=words), words
            assert not listed(office, other, q=words), words

    @pytest.mark.parametrize("said", ["%", "\0", "9" * 30, "١٢", "\N{DUCK}", "' OR 1=1 --", "22"])
    def test_finds_nothing_for_nonsense(self, office: Client, place: Place, said: str) -> None:
        assert listed(office, place(), q=said) == (said == "\0")

    def test_filters(self, office: Client, place: Place) -> None:
        trade = place()
        today, yesterday = timezone.now().date(), timezone.now().date() - timedelta(days=1)
        fits = {"status__exact": "RECEIVED", "side__exact": "BUY", "channel__exact": "API", "symbol": "acme"}
        for name, value in (fits | {"day": str(today)}).items():
            assert listed(office, trade, **{name: value}), name
        fits_not = {"status__exact": "FILLED", "side__exact": "SELL", "channel__exact": "WEB", "symbol": "INFY"}
        for name, value in (fits_not | {"day": str(yesterday)}).items():
            assert not listed(office, trade, **{name: value}), name
        assert listed(office, trade, **fits, day=str(today), q="alice")

    @pytest.mark.parametrize("day", ["yesterday", "2026-02-30", "0001-01-01", "9999-12-31", "\0"])
    def test_finds_nothing_on_a_day_there_is_not(self, office: Client, place: Place, day: str) -> None:
        assert not listed(office, place(), day=day)

    def test_keeps_the_other_filters_when_a_value_is_typed(self, office: Client) -> None:
        seen = office.get(LIST, {"side__exact": "BUY", "q": "x<y", "day": "2026-11-20"}).content.decode()
        assert '<input type="hidden" name="side__exact" value="BUY">' in seen
        assert '<input type="hidden" name="q" value="x&lt;y">' in seen
        assert '<input type="date" name="day" value="2026-11-20"' in seen

    def test_takes_as_many_queries_for_many_as_for_one(self, office: Client, place: Place) -> None:
        place()
        few = queries(lambda: office.get(LIST))
        for _ in range(4):
            place()
        assert queries(lambda: office.get(LIST)) == few <= 10
        assert queries(lambda: office.get(LIST, {"q": "alice", "side__exact": "BUY"})) <= 15


class TestTheTradePage:
    def test_shows_the_whole_timeline(
        self, office: Client, place: Place, as_alice: APIClient, share: Instrument
    ) -> None:
        trade = place(quantity=1000, price="100.00", client_reference="my first")
        steps.run_to_sent()
        as_alice.patch(f"/api/v1/trades/{trade['trade_id']}", {"price": "99.95"}, HTTP_X_CHANNEL="MOBILE")
        steps.tell(steps.fill(trade["trade_id"], 400, "99.50", ExecID="EX-17"))
        seen = page_of(office, trade)
        for text in (
            trade["reference"],
            trade["trade_id"],
            "my first",
            "Buy 1,000 ACME at 100.00",
            "◑ Partially filled",
            "400 of 1,000",
            "Order received over the API, by alice: buy 1,000 ACME at 100.00 or better",
            "Change asked for from the mobile app, by alice: 1,000 at 99.95.",
            "alice, Mobile",
            "INR 100,000.00 blocked",
            "then balance 100,000.00, blocked 100,000.00, available 0.00",
            "Executed: bought 400 at 99.50.",
            "INR 39,800.00 paid, INR 40,000.00 of the hold freed",
            "400 ACME received",
            "EX-17",
            "39,800.00",
        ):
            assert text in seen, text
        assert 'name="_save"' not in seen

    def test_shows_a_refusal_in_words(self, office: Client, place: Place, share: Instrument) -> None:
        trade = place(price="500.01")
        steps.run_to_booked()
        seen = page_of(office, trade)
        text = r"BAD_TICK: The price must be a multiple of 0\.05\. \([^)]*tick 0\.05[^)]*also PRICE_OUT_OF_BAND\)"
        assert re.search(text, seen)
        assert "The order was refused: The price must be a multiple of 0.05. (also PRICE_OUT_OF_BAND)" in seen
        for unsightly in ("None", "{&quot;code", "History", "p.m."):
            assert unsightly not in seen

    def test_shows_each_version_of_an_execution_and_which_counts(
        self, office: Client, place: Place, share: Instrument
    ) -> None:
        trade = place(price="100.00")
        steps.run_to_sent()
        revised = {"ExecID": "EX-2", "ExecRefID": "EX-1", "LastQty": "3", "LastPx": "99.00"}
        steps.tell(steps.fill(trade["trade_id"], 4, "99.50", ExecID="EX-1"))
        steps.tell(steps.report(trade["trade_id"], "G", **revised))
        seen = page_of(office, trade)
        assert "The exchange corrected an execution: 3 at 99.00 instead of 4 at 99.50." in seen
        assert "Corrects EX-1" in seen
        assert seen.count("(counts no more)") == 1
        steps.tell(steps.report(trade["trade_id"], "H", ExecID="EX-3", ExecRefID="EX-2"))
        seen = page_of(office, trade)
        assert "The exchange took an execution back: 3 at 99.00 never happened." in seen
        assert "Takes back EX-2" in seen
        assert seen.count("(counts no more)") == 2

    def test_leads_to_the_trader_the_wallet_and_the_holding(
        self, office: Client, as_bob: APIClient, bob: Trader, share: Instrument
    ) -> None:
        trade = as_bob.post("/api/v1/trades", ORDER | {"side": "SELL"}).json()
        steps.run_to_sent()
        steps.tell(steps.fill(trade["trade_id"], 1, "101.50"))
        seen = page_of(office, trade)
        links = re.findall(r'href="(/admin/(?:brokerage/trader|wallets/wallet|holdings/holding)/[^"]+)"', seen)
        assert len(links) == 3
        for link in links:
            assert "Bob" in office.get(link).content.decode()

    def test_of_a_trader_who_never_had_money_leads_to_no_wallet(
        self, office: Client, as_bob: APIClient, share: Instrument
    ) -> None:
        trade = as_bob.post("/api/v1/trades", ORDER).json()
        assert "/admin/wallets/" not in page_of(office, trade)

    def test_escapes_what_clients_wrote(self, office: Client, place: Place) -> None:
        seen = page_of(office, place(client_reference="<script>alert(1)</script>"))
        assert "<script>alert" not in seen
        assert "&lt;script&gt;alert(1)" in seen

    def test_shows_the_latest_part_of_a_long_timeline_and_the_way_to_the_rest(
        self, office: Client, place: Place, as_alice: APIClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(trade_page, "LATEST_ENTRIES", 2)
        trade = place()
        for quantity in (11, 12):
            as_alice.patch(f"/api/v1/trades/{trade['trade_id']}", {"quantity": quantity})
        latest = page_of(office, trade)
        assert "Order received" not in latest
        assert "The first 2 entries are left out." in latest
        assert "Order received" in page_of(office, trade, **{"from": "0"})
        assert "Order received" not in page_of(office, trade, **{"from": "nonsense"})
        assert "The first 4 entries are left out." in page_of(office, trade, **{"from": "99"})

    def test_takes_as_many_queries_however_long_the_timeline(
        self, office: Client, place: Place, as_alice: APIClient
    ) -> None:
        trade = place()
        page_of(office, trade)  # what is queried once per process, is queried here
        few = queries(lambda: office.get(f"{LIST}{trade['trade_id']}/change/"))
        for quantity in range(11, 15):
            as_alice.patch(f"/api/v1/trades/{trade['trade_id']}", {"quantity": quantity})
        assert queries(lambda: office.get(f"{LIST}{trade['trade_id']}/change/")) == few <= 12

    def test_changes_nothing_not_even_for_a_superuser(self, office: Client, place: Place) -> None:
        trade = place()
        assert office.get(f"{LIST}add/").status_code == 403
        assert office.post(f"{LIST}{trade['trade_id']}/change/", {"quantity": 1}).status_code == 403
        assert office.post(f"{LIST}{trade['trade_id']}/delete/", {"post": "yes"}).status_code == 403

    @pytest.mark.parametrize("pk", ["nothing", "00000000-0000-0000-0000-000000000000", "%00"])
    def test_of_a_trade_there_is_not_leads_home(self, office: Client, pk: str) -> None:
        assert office.get(f"{LIST}{pk}/change/").status_code == 302


@pytest.mark.parametrize("status", Status)
def test_each_status_has_its_word_and_a_sign_not_colour_alone(status: Status) -> None:
    words = re.sub("<[^>]+>", "", badge(status))
    sign, word = words.split(" ", 1)
    assert word == status.replace("_", " ").capitalize()
    assert not sign.isalnum()
