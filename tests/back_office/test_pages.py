"""What the pages of the back office show, and what may be corrected there."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from django.contrib.admin.models import LogEntry
from django.db.models import Model
from django.test import Client
from django.utils import timezone

from brokerage.admin import base
from brokerage.models import FeeSchedule, Instrument, Trader, User
from holdings.models import Holding, HoldingEntry
from tests.back_office.conftest import SignIn, queries
from tests.back_office.test_permissions import TABLE, address
from tests.trades import steps
from wallets.models import WalletEntry

pytestmark = pytest.mark.django_db
MAX_QUERIES = 15


@pytest.fixture
def agent(sign_in: SignIn) -> Client:
    return sign_in("agent")


@pytest.fixture
def bought(filled: UUID, alice: Trader) -> UUID:
    """Alice's trade again, with shares of hers beside."""
    steps.holdings_for(alice, ACME=30)
    return filled


def text(client: Client, page: str, **query: str) -> str:
    response = client.get(page, query)
    assert response.status_code == 200, response
    return response.content.decode()


@dataclass(frozen=True)
class Journal:
    """A journal, and the texts that it must show about Alice's purchase of four of ten ACME."""

    model: type[WalletEntry] | type[HoldingEntry]
    list: str
    texts: tuple[str, ...]
    deposit: str


journals = pytest.mark.parametrize(
    "journal",
    [
        Journal(
            WalletEntry,
            "/admin/wallets/walletentry/",
            ("Blocked for a trade", "Paid or received for an execution", "-398.00", "99,602.00", "99,002.00"),
            "opening",
        ),
        Journal(
            HoldingEntry, "/admin/holdings/holdingentry/", ("Delivered or received for an execution", "+4"), "more-"
        ),
    ],
    ids=["wallets", "holdings"],
)


@journals
class TestTheJournals:
    def test_a_page_shows_balances_and_the_newest_movements_in_words(
        self, agent: Client, bought: UUID, alice: Trader, journal: Journal
    ) -> None:
        page = self._page(agent, alice, journal)
        for expected in (*journal.texts, "Deposit", "Available", f"/admin/brokerage/trader/{alice.pk}/change/"):
            assert expected in page
        assert f"/admin/trades/trade/{bought}/change/" in page
        assert f"{journal.list}?trader_id__exact={alice.pk}" in page
        assert page.index("for an execution") < page.index("for a trade") if "Blocked for a trade" in page else True

    def test_a_page_shows_fifty_movements_and_leads_to_the_others(
        self, agent: Client, bought: UUID, alice: Trader, journal: Journal, share: Instrument
    ) -> None:
        for _ in range(50):
            steps.wallets_for(alice, "1.00")
            steps.holdings_for(alice, ACME=1)
        page = self._page(agent, alice, journal)
        assert page.count("<tr><td>") == 50
        assert "for an execution" not in page

    def _page(self, agent: Client, alice: Trader, journal: Journal) -> str:
        if journal.model is WalletEntry:
            return text(agent, f"/admin/wallets/wallet/{alice.pk}/change/")
        return text(agent, f"/admin/holdings/holding/{Holding.objects.get(trader=alice).pk}/change/")

    def test_the_list_finds_by_trader_trade_execution_and_key(
        self, agent: Client, bought: UUID, bob: Trader, alice: Trader, journal: Journal
    ) -> None:
        entries = journal.model.objects
        execution = entries.get(kind="SETTLE").execution
        key = entries.filter(trader_id=alice.pk, key__startswith=journal.deposit).latest("id").key
        expected = {
            str(alice.pk): entries.filter(trader_id=alice.pk),
            f" {bought} ": entries.filter(trade_id=bought),
            execution: entries.filter(execution=execution),
            key: entries.filter(key=key),
            "nonsense": entries.none(),
            "9" * 30: entries.none(),
            "%": entries.none(),
        }
        for term, found in expected.items():
            assert self._listed(agent, journal, q=term) == set(found.values_list("pk", flat=True)), term

    def test_the_list_filters_by_kind_and_day(self, agent: Client, bought: UUID, journal: Journal) -> None:
        everything = set(journal.model.objects.values_list("pk", flat=True))
        settled = set(journal.model.objects.filter(kind="SETTLE").values_list("pk", flat=True))
        today = timezone.now().date().isoformat()
        assert self._listed(agent, journal, kind__exact="SETTLE") == settled
        assert self._listed(agent, journal, kind__exact="LOAN") == set()
        assert self._listed(agent, journal, day=today) == everything
        for empty in ("1999-01-01", "9999-12-31", "tomorrow"):
            assert self._listed(agent, journal, day=empty) == set()

    def test_the_list_leads_to_trade_and_owner(
        self, agent: Client, bought: UUID, alice: Trader, journal: Journal
    ) -> None:
        page = text(agent, journal.list)
        assert f'href="/admin/trades/trade/{bought}/change/"' in page
        assert f"{alice.pk}</a>" in page

    def _listed(self, client: Client, journal: Journal, **query: str) -> set[int]:
        return {entry.pk for entry in client.get(journal.list, query).context["cl"].result_list}


class TestWallets:
    def test_who_was_never_paid_anything_has_an_empty_wallet(self, agent: Client, carol: Trader) -> None:
        page = text(agent, f"/admin/wallets/wallet/{carol.pk}/change/")
        assert "Carol" in page
        assert "0.00" in page

    @pytest.mark.parametrize("pk", ["0", "9" * 30, "x", "٣"])
    def test_of_nobody_there_is_none(self, agent: Client, pk: str) -> None:
        assert agent.get(f"/admin/wallets/wallet/{pk}/change/").status_code == 302

    @pytest.mark.parametrize("term", ["alic", "{pk}"])
    def test_is_found_by_its_owner(self, agent: Client, alice: Trader, bob: Trader, term: str) -> None:
        steps.wallets_for(bob, "1.00")
        listed = agent.get("/admin/wallets/wallet/", {"q": term.format(pk=alice.pk)}).context["cl"].result_list
        assert [wallet.trader_id for wallet in listed] == [alice.pk]


class TestTraders:
    def test_a_page_leads_to_everything_of_the_trader(self, agent: Client, alice: Trader) -> None:
        page = text(agent, f"/admin/brokerage/trader/{alice.pk}/change/")
        for expected in (
            f"trades/trade/?trader__id__exact={alice.pk}",
            f"wallets/wallet/{alice.pk}/change/",
            "holdings/",
        ):
            assert expected in page

    def test_is_found_by_name_phone_and_number(self, agent: Client, alice: Trader, bob: Trader) -> None:
        Trader.objects.filter(pk=alice.pk).update(phone="+91 98765 43210")
        for term in ("ALI", "98765-43210", "6543", str(alice.pk)):
            listed = agent.get("/admin/brokerage/trader/", {"q": term}).context["cl"].result_list
            assert [trader.pk for trader in listed] == [alice.pk], term

    def test_an_agent_corrects_name_and_phone_and_nothing_else(self, agent: Client, alice: Trader) -> None:
        Trader.objects.filter(pk=alice.pk).update(status="SUSPENDED")
        posted = {"name": "Alicia", "phone": "1", "status": "ACTIVE", "id": "1", "created_at": "2020-01-01"}
        assert agent.post(f"/admin/brokerage/trader/{alice.pk}/change/", posted).status_code == 302
        after = Trader.objects.get(pk=alice.pk)
        assert (after.name, after.phone, after.status) == ("Alicia", "1", "SUSPENDED")
        assert after.created_at == alice.created_at

    def test_a_supervisor_suspends_one_and_it_is_recorded_with_what_was_before(
        self, sign_in: SignIn, alice: Trader
    ) -> None:
        posted = {"name": "Alice", "phone": "", "status": "SUSPENDED"}
        sign_in("supervisor").post(f"/admin/brokerage/trader/{alice.pk}/change/", posted)
        assert Trader.objects.get(pk=alice.pk).status == "SUSPENDED"
        page = text(sign_in("auditor"), "/admin/admin/logentry/")
        for expected in ("Who did what", "supervisor", f"{alice.pk} Alice", "Status (ACTIVE → SUSPENDED)"):
            assert expected in page


class TestFees:
    TERMS = {"name": "standard", "rate": "0.001", "minimum": "5.00", "cap": "20.00"}

    def test_a_supervisor_makes_a_schedule_and_says_who_pays_it(self, sign_in: SignIn, alice: Trader) -> None:
        supervisor = sign_in("supervisor")
        supervisor.post("/admin/brokerage/feeschedule/add/", self.TERMS)
        schedule = FeeSchedule.objects.get()
        posted = {"name": "Alice", "phone": "", "status": "ACTIVE", "fee_schedule": schedule.pk}
        supervisor.post(f"/admin/brokerage/trader/{alice.pk}/change/", posted)
        assert Trader.objects.get(pk=alice.pk).fee_schedule == schedule
        page = text(sign_in("agent"), "/admin/brokerage/feeschedule/")
        for expected in ("0.1 %", "5.00", "20.00", f"fee_schedule__id__exact={schedule.pk}"):
            assert expected in page
        assert "Alice" in text(supervisor, "/admin/brokerage/trader/", fee_schedule__id__exact=str(schedule.pk))

    def test_an_agent_does_not_waive_them(self, agent: Client, alice: Trader) -> None:
        schedule = FeeSchedule.objects.create(**self.TERMS)
        Trader.objects.filter(pk=alice.pk).update(fee_schedule=schedule)
        agent.post(f"/admin/brokerage/trader/{alice.pk}/change/", {"name": "Alicia", "fee_schedule": ""})
        after = Trader.objects.get(pk=alice.pk)
        assert (after.name, after.fee_schedule) == ("Alicia", schedule)

    def test_a_cap_below_the_minimum_is_refused(self, sign_in: SignIn) -> None:
        sign_in("supervisor").post("/admin/brokerage/feeschedule/add/", self.TERMS | {"cap": "4.99"})
        assert not FeeSchedule.objects.exists()


class TestTheFirm:
    def test_ops_halts_a_share_but_does_not_rename_it(self, sign_in: SignIn, share: Instrument) -> None:
        terms = {"name": "ACME", "tick": "0.05", "lot": "1", "reference_price": "100", "band_percent": "50"}
        posted = {**terms, "symbol": "OTHER", "halted": "on"}
        assert sign_in("ops").post("/admin/brokerage/instrument/ACME/change/", posted).status_code == 302
        assert Instrument.objects.get().halted
        assert LogEntry.objects.get().get_change_message() == "Changed Halted (no → yes)."
        assert "halted</strong>" in text(sign_in("agent"), "/admin/brokerage/instrument/")

    @pytest.mark.parametrize(
        ("symbol", "lot", "expected"), [("acme", "1", "capital letters"), ("NEW", "0", "instrument_rules_positive")]
    )
    def test_a_share_that_could_not_be_traded_is_refused(
        self, sign_in: SignIn, symbol: str, lot: str, expected: str
    ) -> None:
        posted = {"symbol": symbol, "name": "x", "tick": "1", "lot": lot, "reference_price": "1", "band_percent": "1"}
        page = sign_in("ops").post("/admin/brokerage/instrument/add/", posted).content.decode()
        assert expected in page
        assert not Instrument.objects.exists()

    def test_the_log_says_that_a_password_was_changed_and_nothing_of_it(self, sign_in: SignIn, alice: Trader) -> None:
        posted = {"password1": "Xy12-secret-99", "password2": "Xy12-secret-99", "usable_password": "true"}
        sign_in("admin").post(f"/admin/brokerage/user/{alice.user.pk}/password/", posted)
        assert User.objects.get(username="alice").check_password("Xy12-secret-99")
        assert LogEntry.objects.get().get_change_message() == "Changed password."

    def test_a_quarantined_message_is_shown_whole(self, sign_in: SignIn, world: dict[type[Model], Any]) -> None:
        ops = sign_in("ops")
        page = text(ops, "/admin/exchange/quarantinedmessage/", day=timezone.now().date().isoformat())
        assert "not JSON" in page
        pk = next(pk for model, pk in world.items() if model.__name__ == "QuarantinedMessage")
        page = text(ops, f"/admin/exchange/quarantinedmessage/{pk}/change/")
        assert '<pre class="whole">{&quot;odd&quot;: 1}</pre>' in page


class TestBigTables:
    def test_a_list_is_counted_to_an_end(
        self, agent: Client, alice: Trader, bob: Trader, carol: Trader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        page = text(agent, "/admin/brokerage/trader/")
        assert "3 traders" in page
        assert "3 results" not in page
        assert "1 result " in text(agent, "/admin/brokerage/trader/", q="alice")
        monkeypatch.setattr(base, "COUNT_LIMIT", 2)
        assert "2+ traders" in text(agent, "/admin/brokerage/trader/")

    def test_every_list_and_page_takes_few_queries_however_much_there_is(
        self, sign_in: SignIn, world: dict[type[Model], Any], alice: Trader, share: Instrument
    ) -> None:
        admin = sign_in("admin")
        pages = {address(model, page, world[model]) for model in TABLE for page in ("changelist", "change", "history")}
        few = {page: queries(lambda page=page: admin.get(page)) for page in pages}
        for _ in range(3):
            trade = steps.place(new_trader())
            steps.run_to_sent()
            steps.tell(steps.fill(trade, 1, "99.00"), steps.fill(trade, 1, "99.00"))
        many = {page: queries(lambda page=page: admin.get(page)) for page in pages}
        assert {page: (few[page], many[page]) for page in pages if many[page] > few[page]} == {}
        assert {page: count for page, count in many.items() if count > MAX_QUERIES} == {}


def new_trader() -> Trader:
    """Return a new trader with money."""
    trader = Trader.objects.create(name="New")
    User.objects.create(username=f"new{trader.pk}", trader=trader)
    steps.wallets_for(trader, "100000.00")
    return trader
