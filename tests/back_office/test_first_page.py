"""The database gauges, and the cards of the first page that show them to those who may open their lists."""

import re
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from django.db.models import F
from django.test import Client
from django.utils import timezone

from brokerage.models import Instrument, Trader
from exchange.quarantine import quarantine
from holdings import services as holdings
from tests.back_office.conftest import STAFF, SignIn
from tests.trades import steps
from trades.core.parking import park_by_hand
from trades.models import PendingRevision, TradeRequest
from trades.queries import gauges
from wallets import services as wallets

pytestmark = pytest.mark.django_db

Cards = dict[str, tuple[str, bool, str]]


@pytest.fixture
def waiting(alice: Trader, share: Instrument) -> None:
    """Two requests unanswered, one parked, three on their way of which two are due; four messages quarantined.

    For each of the two unanswered the exchange has reported the bust of an execution that nobody knows, and one of them
    is a reconciliation break.
    """
    unanswered = [steps.place(alice, quantity=1) for _ in range(2)]
    steps.run_to_sent()
    steps.tell(*(steps.report(trade, "H", ExecRefID="unheard of") for trade in unanswered))
    status = {"ExecID": "0", "OrdStatus": "1", "CumQty": "7"}
    steps.tell(steps.report(unanswered[0], "I", **status))
    PendingRevision.objects.update(since=F("since") - timedelta(seconds=400))
    TradeRequest.objects.update(sent_at=F("sent_at") - timedelta(seconds=300))
    parked = steps.place(alice, quantity=1)
    park_by_hand(_request(parked), why="looks odd")
    on_their_way = [_request(steps.place(alice, quantity=1)) for _ in range(3)]
    of_them = TradeRequest.objects.filter(pk__in=on_their_way)
    of_them.update(created_at=timezone.now() - timedelta(seconds=200), due_at=timezone.now() - timedelta(seconds=100))
    of_them.filter(pk=on_their_way[0]).update(due_at=timezone.now() + timedelta(seconds=60))
    for number in range(4):
        quarantine(
            queue="exchange.reports", message_id=str(number), body=b"?%d" % number, code="MALFORMED", detail="not JSON"
        )


@pytest.fixture
def lent(alice: Trader, bob: Trader) -> None:
    """Alice owes the house cash; both owe it shares. No trade explains it."""
    with transaction.atomic():
        cash = wallets.open_ledger([alice.pk])
        cash.block_on_credit(alice.pk, Decimal("200000.00"), trade_id=uuid4())
        cash.post()
        shares = holdings.open_ledger([(alice.pk, "ACME"), (bob.pk, "ACME")])
        for trader in (alice, bob):
            shares.block_on_credit((trader.pk, "ACME"), 5_000, trade_id=uuid4())
        shares.post()


def _request(trade_id: UUID) -> UUID:
    return TradeRequest.objects.get(trade_id=trade_id).pk


def cards(client: Client) -> Cards:
    """Return each card of the first page by its title: the count, whether it is marked, and where it leads."""
    page = client.get("/admin/").content.decode()
    found = re.findall(
        r'<a class="card( alarming)?" href="([^"]+)">\s*<span class="title">(?:⚠ )?([^<]+)</span>'
        r'\s*<span class="count">([^<]+)</span>',
        page,
    )
    return {title: (count, bool(marked), url) for marked, url, title, count in found}


@pytest.mark.breaks_the_books
@pytest.mark.usefixtures("waiting", "lent")
def test_each_gauge_has_the_value_that_its_name_says() -> None:
    values = gauges.read()
    assert {name: round(value, -1) if "seconds" in name else value for name, value in values.items()} == {
        "brokerage_due_requests": 2,
        "brokerage_oldest_due_seconds": 100,
        "brokerage_unprocessed_requests": 3,
        "brokerage_oldest_unprocessed_seconds": 200,
        "brokerage_unconfirmed_requests": 2,
        "brokerage_oldest_unconfirmed_seconds": 300,
        "brokerage_parked_requests": 1,
        "brokerage_reconciliation_breaks": 1,
        "brokerage_quarantined_messages": 4,
        "brokerage_waiting_revisions": 2,
        "brokerage_oldest_waiting_revision_seconds": 400,
        "brokerage_traders_in_debt": 1,
        "brokerage_holdings_short": 2,
    }


@pytest.mark.breaks_the_books
@pytest.mark.usefixtures("waiting", "lent")
def test_the_first_page_shows_what_waits_and_marks_what_waits_too_long(sign_in: SignIn) -> None:
    found = cards(sign_in("ops"))
    assert {title: (count, marked) for title, (count, marked, _) in found.items()} == {
        "On their way": ("3", True),
        "Unanswered": ("2", True),
        "Parked": ("1", True),
        "Reconciliation breaks": ("1", True),
        "Early corrections": ("2", True),
        "In debt": ("1", True),
        "Short": ("2", True),
        "Quarantined": ("4", True),
    }


def test_nothing_is_marked_when_nothing_waits(sign_in: SignIn) -> None:
    assert {(count, marked) for count, marked, _ in cards(sign_in("ops")).values()} == {("0", False)}


@pytest.mark.breaks_the_books
@pytest.mark.usefixtures("waiting", "lent")
@pytest.mark.parametrize("role", STAFF)
def test_every_card_leads_to_a_list_of_what_it_counts(sign_in: SignIn, role: str) -> None:
    client = sign_in(role)
    for title, (count, _, url) in cards(client).items():
        response = client.get(url)
        assert response.status_code == 200, (title, url)
        assert response.context["cl"].result_count == int(count), title
