"""The auditor notices whatever is broken. Each test breaks one invariant behind everybody's back."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from brokerage.models import Instrument, Trader
from tests.trades import steps
from trades.models import Execution, Trade, TradeRequest
from trades.queries.audit import discrepancies

pytestmark = [pytest.mark.django_db, pytest.mark.breaks_the_books]


def found() -> set[str]:
    return {discrepancy.code for discrepancy in discrepancies()}


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


def test_finds_an_unfinished_request_that_nobody_will_take_up(alice: Trader, share: Instrument) -> None:
    steps.place(alice)
    TradeRequest.objects.update(due_at=None)
    assert found() == {"I10_DUE"}


def test_finds_a_wallet_that_does_not_add_up(working: UUID) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE wallets_wallet SET balance = balance + 1")
    assert found()


@pytest.mark.django_db(transaction=True)
class TestTheCommand:
    def test_is_content_with_clean_books(self, alice: Trader) -> None:
        output = StringIO()
        call_command("audit_books", stdout=output)
        assert "clean" in output.getvalue()

    def test_names_each_discrepancy_and_fails(self, working: UUID) -> None:
        Trade.objects.update(status="NEW")
        output = StringIO()
        with pytest.raises(CommandError, match="1 discrepancies"):
            call_command("audit_books", stdout=output)
        assert f"I9_STATUS trade {working}: expected PARTIALLY_FILLED, found NEW" in output.getvalue()
