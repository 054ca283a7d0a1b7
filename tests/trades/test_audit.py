"""The auditor notices whatever is broken. Each test breaks one invariant behind everybody's back."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from brokerage.models import Instrument, Trader
from holdings import services as holdings
from tests.trades import steps
from trades.models import AuditRun, Execution, Trade, TradeRequest
from trades.queries import audit
from trades.queries.audit import discrepancies
from wallets import services as wallets

pytestmark = [pytest.mark.django_db, pytest.mark.breaks_the_books]


def found(since: datetime | None = None) -> set[str]:
    """Return the codes of what the audit finds: of everything, or of what changed since a time."""
    return {discrepancy.code for discrepancy in discrepancies(since)}


def an_hour_ago() -> datetime:
    return timezone.now() - timedelta(hours=1)


def execute(statement: str, *parameters: object) -> None:
    """Do what the triggers do not let anybody do."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(statement, parameters)
        cursor.execute("SET LOCAL session_replication_role = origin")


@pytest.fixture
def working(alice: Trader, share: Instrument) -> UUID:
    """A trade that is partly filled: something blocked, something settled."""
    pk = steps.place(alice, quantity=10)
    steps.run_to_sent()
    steps.tell(steps.report(pk, "0"), steps.fill(pk, 4, "99.00"))
    assert found() == set()
    return pk


def _extra_execution(pk: UUID) -> None:
    trade = Trade.objects.get(pk=pk)
    Execution.objects.create(
        exec_id="extra",
        trade=trade,
        trader_id=trade.trader_id,
        symbol="ACME",
        side="BUY",
        quantity=1,
        price=Decimal(99),
        value=Decimal(99),
        received_at=datetime.now(UTC),
    )


BREAKS: dict[str, tuple[Callable[[UUID], object], set[str]]] = {
    "a cached status": (lambda pk: Trade.objects.update(status="NEW"), {"I9_STATUS"}),
    "a hold": (lambda pk: Trade.objects.update(hold_cash=Decimal("600.01")), {"I3_HOLD", "I2_CASH_BLOCKED"}),
    "a hold of what is over": (
        lambda pk: Trade.objects.update(cancelled=True, status="CANCELED"),
        {"I3_HOLD", "I7_OVER_BUT_HOLDING"},
    ),
    "an execution nobody settled": (_extra_execution, {"I4_CASH_SETTLED", "I4_SHARES_SETTLED", "I4_FILLED"}),
    "a request that is gone": (lambda pk: TradeRequest.objects.update(seq=2), {"I1_REQUESTS"}),
    "a fee that nobody charged": (lambda pk: Trade.objects.update(fee_minimum=1), {"I5_FEES"}),
    "a revision": (lambda pk: Trade.objects.update(revision=99), {"I1_TIMELINE"}),
}


@pytest.mark.parametrize("name", BREAKS)
def test_finds(working: UUID, name: str) -> None:
    break_it, codes = BREAKS[name]
    break_it(working)
    assert found() == codes
    assert found(since=an_hour_ago()) == codes


def test_finds_what_a_journal_has_for_a_trade_that_is_not_there(alice: Trader) -> None:
    ledger = wallets.open_ledger([alice.pk])
    ledger.block(alice.pk, Decimal("1.00"), trade_id=uuid4())
    ledger.post()
    assert found() == {"I2_CASH_BLOCKED"}
    assert found(since=an_hour_ago()) == {"I2_CASH_BLOCKED"}


def test_finds_an_unfinished_request_that_nobody_will_take_up(alice: Trader, share: Instrument) -> None:
    steps.place(alice)
    TradeRequest.objects.update(due_at=None)
    assert found() == {"I10_DUE"}
    assert found(since=timezone.now()) == {"I10_DUE"}, "what waits is looked at, however long it has not changed"


def test_finds_a_wallet_that_does_not_add_up(working: UUID) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE wallets_wallet SET balance = balance + 1")
    assert found() == {"wallet.balance", "wallet.trial_balance"}
    assert found(since=an_hour_ago()) == {"wallet.balance"}


def test_finds_the_same_however_few_trades_are_compared_at_once(
    working: UUID, alice: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    for quantity in (1, 2, 3):
        steps.place(alice, quantity=quantity)
    assert found() == set()
    Trade.objects.update(revision=99)
    sizes = []
    check_trades = audit.check_trades
    monkeypatch.setattr(audit, "CHUNK", 1)
    monkeypatch.setattr(audit, "check_trades", lambda ids: sizes.append(len(ids)) or check_trades(ids))
    for since in (None, an_hour_ago()):
        subjects = [each.subject for each in discrepancies(since)]
        assert sorted(subjects) == sorted(f"trade {pk}" for pk in Trade.objects.values_list("pk", flat=True))
    assert sizes == [1] * 8


class TestWhatChanged:
    """An audit of what changed costs as much as changed, whatever else there is."""

    def test_is_all_that_is_looked_at(self, working: UUID, alice: Trader, monkeypatch: pytest.MonkeyPatch) -> None:
        steps.run_to_sent()
        since = timezone.now()
        changed = steps.place(alice)
        steps.run_to_sent()
        Trade.objects.update(revision=99)
        execute("UPDATE trades_tradeevent SET at = %s WHERE trade_id = %s", an_hour_ago(), working)
        looked_at: list[UUID] = []
        monkeypatch.setattr(audit, "check_trades", lambda ids: looked_at.extend(ids) or ())
        assert found(since) == set()
        assert looked_at == [changed]

    def test_is_a_trade_with_a_new_entry_in_its_timeline_alone(self, working: UUID) -> None:
        since = timezone.now()
        steps.tell(steps.report(working, "6"))  # pending cancel: nothing is booked
        Trade.objects.update(status="NEW")
        assert found(since) == {"I9_STATUS"}

    def test_is_a_trade_with_a_new_entry_in_a_journal_alone(self, working: UUID, alice: Trader) -> None:
        since = timezone.now()
        ledger = wallets.open_ledger([alice.pk])
        ledger.block(alice.pk, Decimal("1.00"), trade_id=working)
        ledger.post()
        assert found(since) == {"I2_CASH_BLOCKED"}

    def test_is_followed_from_the_entries_before_it(self, working: UUID, alice: Trader, bob: Trader) -> None:
        since = timezone.now()
        wallets.deposit(trader_id=alice.pk, amount=Decimal("1.00"), key="a")
        wallets.deposit(trader_id=alice.pk, amount=Decimal("2.00"), key="b")
        holdings.deposit(trader_id=bob.pk, symbol="ACME", amount=1, key="a")
        assert found(since) == set()
        execute("UPDATE wallets_walletentry SET balance_after = balance_after + 1 WHERE key = 'a'")
        execute("UPDATE holdings_holdingentry SET quantity_after = quantity_after + 1 WHERE key = 'a'")
        assert found(since) == {"wallet.chain", "holding.chain", "holding.quantity"}

    def test_is_a_wallet_whose_entries_came_out_of_the_order_of_their_times(self, alice: Trader) -> None:
        """A transaction that waited for the wallet's lock has an older time than the one that had it."""
        since = timezone.now()
        wallets.deposit(trader_id=alice.pk, amount=Decimal("1.00"), key="a")
        wallets.deposit(trader_id=alice.pk, amount=Decimal("2.00"), key="b")
        execute("UPDATE wallets_walletentry SET at = %s, amount = 5 WHERE key = 'b'", an_hour_ago())
        assert found(since) == {"wallet.chain"}

    def test_does_not_hold_the_wallet_of_somebody_else(self, alice: Trader, carol: Trader) -> None:
        since = timezone.now()
        wallets.deposit(trader_id=carol.pk, amount=Decimal("1.00"), key="a")
        execute("UPDATE wallets_wallet SET balance = balance + 1 WHERE trader_id = %s", alice.pk)
        assert found(since) == set()
        assert found() == {"wallet.balance", "wallet.trial_balance"}


@pytest.mark.django_db(transaction=True)
class TestTheCommand:
    def test_is_content_with_clean_books(self, alice: Trader) -> None:
        output = StringIO()
        call_command("audit_books", stdout=output)
        assert "clean" in output.getvalue()
        assert AuditRun.objects.get().scope == AuditRun.Scope.FULL

    def test_names_each_discrepancy_and_fails(self, working: UUID) -> None:
        Trade.objects.update(status="NEW")
        output = StringIO()
        with pytest.raises(CommandError, match="1 discrepancies"):
            call_command("audit_books", stdout=output)
        assert f"I9_STATUS trade {working}: expected PARTIALLY_FILLED, found NEW" in output.getvalue()
