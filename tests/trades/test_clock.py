"""Whatever is due is due by the clock of the database: a host that is an hour off delays and hurries nobody."""

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from brokerage.db import clock
from brokerage.models import Instrument, Trader
from tests.trades import steps
from trades.lifecycle import Stage
from trades.models import TradeRequest
from trades.reconciliation import due
from trades.steps import leases

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
OFF = pytest.mark.parametrize("off", [HOUR, -HOUR], ids=["ahead", "behind"])


@pytest.fixture
def wrong_host(off: timedelta, monkeypatch: pytest.MonkeyPatch) -> None:
    """This host's clock is an hour off, and the database's is not."""
    right = timezone.now
    monkeypatch.setattr("django.utils.timezone.now", lambda: right() + off)


def seconds_from_now(moment: datetime | None) -> float:
    assert moment is not None
    return (moment - clock.now()).total_seconds()


@OFF
@pytest.mark.usefixtures("wrong_host")
class TestAHostThatIsAnHourOff:
    def test_has_its_orders_dispatched_at_once(self, alice: Trader, share: Instrument) -> None:
        steps.place(alice)
        assert [batch.stage for batch in leases.lease_due(10)] == [Stage.RECEIVED]

    def test_leases_for_as_long_as_any_other(self, alice: Trader, share: Instrument) -> None:
        steps.place(alice)
        leases.lease_due(10)
        assert 10 < seconds_from_now(TradeRequest.objects.get().due_at) <= 20
        assert leases.lease_due(10) == []
        assert leases.batches_in_flight() == 1

    def test_makes_the_next_instruction_due_at_once(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice)
        steps.run_to_sent()
        steps.amend(pk, quantity=12)
        assert [batch.stage for batch in leases.lease_due(10)] == [Stage.RECEIVED]

    def test_asks_after_the_usual_patience(self, alice: Trader, share: Instrument) -> None:
        steps.place(alice)
        steps.run_to_sent()
        assert 5 < seconds_from_now(TradeRequest.objects.get().check_at) <= 15
        assert due.take_due(10) == []

    def test_makes_ids_that_sort_with_those_of_others(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice)
        made_at = (pk.int >> 80) / 1000
        assert abs(made_at - clock.now().timestamp()) < 60


@OFF
def test_everything_follows_the_clock_of_the_database(alice: Trader, share: Instrument, off: timedelta) -> None:
    """Its owner, and so this test, may set it; the change is rolled back with the test."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE OR REPLACE FUNCTION brokerage_now() RETURNS timestamptz LANGUAGE sql STABLE AS"
            f" $$ SELECT statement_timestamp() + interval '{off.total_seconds():.0f} seconds' $$"
        )
    pk = steps.place(alice)
    steps.run_to_sent()
    steps.tell(steps.report(pk, "0"))
    request = TradeRequest.objects.get()
    assert all(abs(seconds_from_now(at)) < 60 for at in (request.created_at, request.sent_at, request.trade.updated_at))
    assert abs((timezone.now() + off - request.created_at).total_seconds()) < 60
