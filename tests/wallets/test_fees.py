"""A payment and its fee are one movement with two entries: neither is lent for while the other brings it."""

from decimal import Decimal
from uuid import UUID

import pytest
from django.db import transaction

from wallets import selectors, services

# The trades named here exist in the wallets' journal only.
pytestmark = [pytest.mark.breaks_the_books, pytest.mark.usefixtures("own_books")]

D = Decimal


def settled(trader_id: int, trade: UUID, amount: str, fee: str, hold_change: str = "0") -> list[tuple[str, str, str]]:
    """Settle one execution; returns what that entered: kind, change of the balance, balance after it."""
    with transaction.atomic():
        ledger = services.open_ledger([trader_id])
        ledger.settle(
            trader_id, amount=D(amount), hold_change=D(hold_change), fee=D(fee), trade_id=trade, execution="E1"
        )
        entries = ledger.post()
    return [(entry.kind, f"{entry.amount:+}", f"{entry.balance_after}") for entry in entries]


def test_a_fee_follows_the_payment(dora: int, trade: UUID) -> None:
    entered = settled(dora, trade, "-60.00", "1.50")
    assert entered == [("SETTLE", "-60.00", "40.00"), ("FEE", "-1.50", "38.50")]
    assert selectors.fees_by_trade() == {trade: D("1.50")}


def test_no_fee_is_no_entry(dora: int, trade: UUID) -> None:
    assert settled(dora, trade, "-60.00", "0") == [("SETTLE", "-60.00", "40.00")]


def test_what_comes_in_pays_the_fee(emil: int, trade: UUID) -> None:
    assert settled(emil, trade, "5.00", "5.00") == [("SETTLE", "+5.00", "5.00"), ("FEE", "-5.00", "0.00")]


def test_what_is_given_back_helps_to_pay(dora: int, trade: UUID) -> None:
    entered = settled(dora, trade, "-101.00", "-1.00")
    assert entered == [("FEE", "+1.00", "101.00"), ("SETTLE", "-101.00", "0.00")]


def test_the_house_lends_once_for_both(dora: int, trade: UUID) -> None:
    entered = settled(dora, trade, "-100.00", "2.00")
    assert entered == [("LOAN", "+2.00", "102.00"), ("SETTLE", "-100.00", "2.00"), ("FEE", "-2.00", "0.00")]
    assert selectors.wallet_of(dora).debt == D("2.00")


def test_the_house_is_repaid_after_the_fee(emil: int, trade: UUID) -> None:
    with transaction.atomic():
        ledger = services.open_ledger([emil])
        ledger.settle(emil, amount=D("-50.00"), hold_change=D(0), trade_id=trade, execution="E0")
        ledger.post()
    entered = settled(emil, trade, "30.00", "1.00")
    assert entered == [("SETTLE", "+30.00", "30.00"), ("FEE", "-1.00", "29.00"), ("REPAY", "-29.00", "0.00")]


@pytest.mark.parametrize("fee", ["0.001", "NaN"])
def test_what_is_no_amount_is_refused(dora: int, trade: UUID, fee: str) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        settled(dora, trade, "-1.00", fee)
