"""A past invented for looking and measuring is as real as one that happened, but for the people in it."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Q
from django.utils import timezone

from brokerage.models import Instrument, Trader
from tests.factories import InstrumentFactory
from trades.management.commands import seed_trades
from trades.management.seeding import orders
from trades.models import ExchangeReport, Execution, Trade, TradeEvent, TradeRequest
from trades.reconciliation import due
from trades.steps import leases
from wallets.models import WalletEntry

pytestmark = pytest.mark.django_db
COUNT = 400


def seed(count: int = COUNT, **options: int) -> None:
    call_command("seed_trades", count, **{"jobs": 1, **options}, stdout=StringIO(), stderr=StringIO())


@pytest.fixture
def shares(db: None) -> None:
    InstrumentFactory(symbol="ACME", max_quantity=100_000)
    InstrumentFactory(symbol="ROADRUN", reference_price=2500)
    InstrumentFactory(symbol="STILL", halted=True)


@pytest.mark.usefixtures("shares")
class TestSeedTrades:
    def test_plays_every_scenario_and_keeps_the_books(self) -> None:
        seed()
        assert Trade.objects.count() == COUNT
        assert Trader.objects.count() == COUNT // 20
        statuses = set(Trade.objects.values_list("status", flat=True))
        assert statuses >= {"FILLED", "PARTIALLY_FILLED", "CANCELED", "REJECTED", "EXPIRED", "NEW"}
        refused = Trade.objects.filter(reason__isnull=False).values_list("reason__code", flat=True)
        assert set(refused) >= {"INSUFFICIENT_FUNDS", "INSUFFICIENT_SHARES", "BAD_TICK", "SYMBOL_HALTED"}
        assert TradeRequest.objects.filter(kind="AMEND", outcome="ACCEPTED").exists()
        assert not TradeEvent.objects.filter(kind="ANOMALY").exists()
        assert Execution.objects.count() == ExchangeReport.objects.filter(body__ExecType="F").count() > COUNT // 2

    def test_leaves_nothing_for_the_pipeline_to_do(self) -> None:
        seed()
        assert leases.lease_due(COUNT) == []
        assert due.take_due(COUNT) == []
        assert not Trade.objects.filter(check_at__isnull=False).exists()
        assert not TradeRequest.objects.filter(Q(due_at__isnull=False) | Q(check_at__isnull=False)).exists()

    def test_parks_a_few_before_they_are_booked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(orders, "SCENARIOS", {"parked": 1})
        seed(5, traders=5)
        request = TradeRequest.objects.filter(parked__code="STEP_FAILED", stage="VALIDATED", due_at=None)
        assert request.count() + TradeRequest.objects.filter(outcome="REJECTED").count() == 5

    def test_gives_every_id_and_every_movement_its_own_time(self) -> None:
        seed(days=7)
        now = timezone.now()
        for trade in Trade.objects.all():
            assert int(trade.created_at.timestamp() * 1000) == trade.pk.int >> 80
            assert now - timedelta(days=8) < trade.created_at <= trade.updated_at < now
        for entry in WalletEntry.objects.filter(trade_id__isnull=False):
            assert entry.trade_revision is not None
            assert entry.at == TradeEvent.objects.get(trade_id=entry.trade_id, seq=entry.trade_revision).at

    def test_makes_the_same_choices_under_the_same_seed(self) -> None:
        histories = []
        for _ in range(2):
            earlier = set(Trade.objects.values_list("pk", flat=True))
            seed(60, seed=5)
            new = Trade.objects.exclude(pk__in=earlier).order_by("trader_id", "created_at")
            histories.append([(trade.trader.name, trade.symbol, trade.side) for trade in new])
        assert histories[0] == histories[1]

    def test_is_refused_in_production(self, settings) -> None:
        settings.PRODUCTION = True
        with pytest.raises(CommandError, match="not for production"):
            seed()

    @pytest.mark.parametrize("options", [{"count": 0}, {"days": 0}, {"traders": 500}, {"traders": -1}])
    def test_refuses_impossible_numbers(self, options: dict[str, int]) -> None:
        with pytest.raises(CommandError, match="at least 1"):
            seed(**options)


@pytest.mark.django_db(transaction=True)
def test_several_processes_make_as_many(shares: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seed_trades, "BATCH", 50)
    seed(200, jobs=2)
    assert (Trade.objects.count(), Trader.objects.count()) == (200, 10)


def test_needs_a_share_to_trade_in() -> None:
    Instrument.objects.update(halted=True)
    with pytest.raises(CommandError, match="seed_demo"):
        seed()
