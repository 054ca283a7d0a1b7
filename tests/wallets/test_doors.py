"""The command and the admin pages."""

from decimal import Decimal
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import Client

from brokerage.models import User
from wallets import selectors, services


def cash(*words: object) -> str:
    out = StringIO()
    call_command("cash", *map(str, words), stdout=out)
    return out.getvalue().strip()


def lend(trader_id: int, amount: str) -> None:
    """Let the exchange report a fill of that much, covered or not."""
    with transaction.atomic():
        ledger = services.open_ledger([trader_id])
        ledger.settle(trader_id, amount=Decimal(amount), hold_change=Decimal(0), trade_id=uuid4(), execution="E1")
        ledger.post()


class TestCash:
    def test_deposits_once_per_key(self, emil: int) -> None:
        says = f"trader {emil} has a balance of 250.00, blocked 0.00"
        assert cash(emil, "deposit", "250", "--key", "k") == f"DEPOSIT 250.00: {says}"
        assert cash(emil, "deposit", "250.00", "--key", "k") == f"DEPOSIT 250.00 (already done): {says}"

    def test_withdraws_for_a_log_in_name(self, dora: int) -> None:
        User.objects.create(username="dora", trader_id=dora)
        assert cash("dora", "withdraw", "0.50", "--key", "k").startswith("WITHDRAWAL 0.50: ")
        assert str(selectors.wallet_of(dora).balance) == "99.50"

    def test_refuses_with_the_numbers(self, dora: int) -> None:
        with pytest.raises(CommandError, match=r"not enough cash: needed 100\.01, available 100\.00, short 0\.01"):
            cash(dora, "withdraw", "100.01", "--key", "k")

    @pytest.mark.parametrize("amount", ["-1", "0", "1.005", "1e3", "NaN", "1,000", "٣", "9" * 18])
    def test_refuses_what_is_not_an_amount(self, dora: int, amount: str) -> None:
        with pytest.raises(CommandError, match="amount"):
            cash("--key", "k", "--", dora, "deposit", amount)

    @pytest.mark.parametrize("trader", ["nobody", "0", "9" * 18, "9" * 30])
    def test_refuses_a_trader_who_does_not_exist(self, db: None, trader: str) -> None:
        with pytest.raises(CommandError, match=f"no trader {trader}"):
            cash(trader, "deposit", "1", "--key", "k")

    def test_refuses_a_key_used_otherwise(self, dora: int) -> None:
        with pytest.raises(CommandError, match="already stands for"):
            cash(dora, "deposit", "1", "--key", "dora's money")

    @pytest.mark.breaks_the_books  # the trade exists in the journal only
    @pytest.mark.usefixtures("own_books")
    def test_says_what_is_still_owed_after_a_deposit(self, dora: int) -> None:
        lend(dora, "-150.00")
        assert cash(dora, "deposit", "20", "--key", "k").endswith("has a balance of 0.00, blocked 0.00, debt 30.00")


class TestAdmin:
    @pytest.mark.breaks_the_books  # the trade exists in the journal only
    @pytest.mark.usefixtures("own_books")
    def test_finds_who_owes_the_house(self, dora: int, emil: int, admin_client: Client) -> None:
        lend(emil, "-5.00")
        listed = admin_client.get("/admin/wallets/wallet/?owes=cash")
        assert [wallet.trader_id for wallet in listed.context["cl"].result_list] == [emil]
        assert b"5.00" in listed.content
        entries = selectors.entries_of(emil)
        assert [entry.kind for entry in entries] == ["SETTLE", "LOAN"]
        page = admin_client.get(f"/admin/wallets/wallet/{emil}/change/").content.decode()
        assert "Lent by the house" in page
        assert "debt" in page.lower()
        assert "5.00" in admin_client.get(f"/admin/wallets/walletentry/{entries[1].pk}/change/").content.decode()
        assert admin_client.get("/admin/wallets/wallet/?owes=nonsense").context["cl"].result_count == 2

    @pytest.mark.parametrize("page", ["wallet", "walletentry"])
    def test_shows_and_changes_nothing(self, dora: int, admin_client: Client, page: str) -> None:
        listed = admin_client.get(f"/admin/wallets/{page}/")
        assert listed.status_code == 200
        assert b"100.00" in listed.content
        assert admin_client.get(f"/admin/wallets/{page}/?q={dora}").status_code == 200
        assert admin_client.get(f"/admin/wallets/{page}/add/").status_code == 403
        key = dora if page == "wallet" else selectors.entries_of(dora)[0].pk
        assert admin_client.get(f"/admin/wallets/{page}/{key}/change/").status_code == 200
        assert admin_client.post(f"/admin/wallets/{page}/{key}/change/", {"balance": "1"}).status_code == 403
        assert admin_client.post(f"/admin/wallets/{page}/{key}/delete/", {"post": "yes"}).status_code == 403
