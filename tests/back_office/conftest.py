"""The users of the back office by role, and one real object of every model that it shows."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from brokerage.models import FeeSchedule, Instrument, Trader, TradingSession, User
from exchange.models import QuarantinedMessage
from exchange.quarantine import quarantine
from holdings.models import Holding, HoldingEntry
from tests.factories import UserFactory
from tests.trades import steps
from trades.models import Trade
from wallets.models import Wallet, WalletEntry

STAFF = ("agent", "supervisor", "ops", "auditor", "admin")

SignIn = Callable[[str], Client]


@pytest.fixture
def sign_in(db: None) -> SignIn:
    """Log somebody in: a member of staff by role, `trader`, or `nobody`."""

    def as_somebody(role: str) -> Client:
        client = Client()
        if role in STAFF:
            user = UserFactory(username=role, trader=None, is_staff=True, is_superuser=role == "admin")
            if role != "admin":
                user.groups.add(Group.objects.get(name=role))
            client.force_login(user)
        elif role == "trader":
            client.force_login(UserFactory(username="a trader"))
        return client

    return as_somebody


@pytest.fixture
def filled(alice: Trader, share: Instrument) -> UUID:
    """Alice has bought four of ten ACME, by phone."""
    trade_id = steps.place(alice, channel="CALL")
    steps.run_to_sent()
    steps.tell(steps.report(trade_id, "0"), steps.fill(trade_id, 4, "99.50"))
    return trade_id


@pytest.fixture
def world(filled: UUID, alice: Trader, share: Instrument) -> dict[type[Model], Any]:
    """One object of every model of the back office: its primary key by its model."""
    quarantine(queue="exchange.reports", message_id="m", body=b'{"odd": 1}', code="MALFORMED", detail="not JSON")
    now = timezone.now()
    session = TradingSession.objects.create(opens_at=now, closes_at=now + timedelta(hours=6))
    kind = ContentType.objects.get_for_model(Trader)
    entry = LogEntry.objects.create(
        user=alice.user, content_type=kind, object_id=str(alice.pk), object_repr="Alice", action_flag=CHANGE
    )
    return {
        Trade: filled,
        Wallet: alice.pk,
        WalletEntry: WalletEntry.objects.filter(trade_id=filled).latest("id").pk,
        Holding: Holding.objects.get(trader=alice).pk,
        HoldingEntry: HoldingEntry.objects.filter(trade_id=filled).latest("id").pk,
        Trader: alice.pk,
        User: alice.user.pk,
        FeeSchedule: FeeSchedule.objects.create(name="standard", rate="0.001", minimum="5.00", cap="20.00").pk,
        Instrument: share.pk,
        TradingSession: session.pk,
        QuarantinedMessage: QuarantinedMessage.objects.get().pk,
        Group: Group.objects.get(name="agent").pk,
        LogEntry: entry.pk,
    }


def queries(load: Callable[[], Any]) -> int:
    """Return how many statements a page takes."""
    with CaptureQueriesContext(connection) as captured:
        response = load()
    assert response.status_code == 200, response
    return len(captured)
