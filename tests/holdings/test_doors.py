"""The command and the admin pages."""

from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import Client

from brokerage.models import User
from holdings import selectors, services
from holdings.models import Holding
from holdings.services import Key
from tests.factories import InstrumentFactory


def shares(*words: object) -> str:
    out = StringIO()
    call_command("shares", *map(str, words), stdout=out)
    return out.getvalue().strip()


@pytest.fixture(autouse=True)
def acme(db: None) -> None:
    InstrumentFactory(symbol="ACME")


def lend(key: Key, amount: int) -> None:
    """Let the exchange report a fill of that many, covered or not."""
    with transaction.atomic():
        ledger = services.open_ledger([key])
        ledger.settle(key, amount=amount, hold_change=0, trade_id=uuid4(), execution="E1")
        ledger.post()


class TestShares:
    def test_adds_once_per_key(self, emil: Key) -> None:
        says = f"trader {emil[0]} has 250 ACME, blocked 0"
        assert shares(emil[0], "add", "ACME", "250", "--key", "k") == f"DEPOSIT 250 ACME: {says}"
        assert shares(emil[0], "add", "ACME", "250", "--key", "k") == f"DEPOSIT 250 ACME (already done): {says}"

    def test_removes_for_a_log_in_name(self, dora: Key) -> None:
        User.objects.create(username="dora", trader_id=dora[0])
        assert shares("dora", "remove", "ACME", "1", "--key", "k").startswith("WITHDRAWAL 1 ACME: ")
        assert selectors.holding_of(*dora).quantity == 99

    def test_refuses_with_the_numbers(self, dora: Key) -> None:
        with pytest.raises(CommandError, match="not enough ACME: needed 101, available 100, short 1"):
            shares(dora[0], "remove", "ACME", "101", "--key", "k")

    @pytest.mark.parametrize("quantity", ["-1", "0", "1.5", "1e3", "1,000", "٣", "9" * 19])
    def test_refuses_what_is_not_a_number_of_shares(self, dora: Key, quantity: str) -> None:
        with pytest.raises(CommandError, match=r"not a number of shares|more than 0"):
            shares("--key", "k", "--", dora[0], "add", "ACME", quantity)

    def test_refuses_a_share_that_does_not_exist(self, dora: Key) -> None:
        with pytest.raises(CommandError, match="no share ACNE"):
            shares(dora[0], "add", "ACNE", "1", "--key", "k")

    @pytest.mark.parametrize("trader", ["nobody", "0", "9" * 18, "9" * 30])
    def test_refuses_a_trader_who_does_not_exist(self, trader: str) -> None:
        with pytest.raises(CommandError, match=f"no trader {trader}"):
            shares(trader, "add", "ACME", "1", "--key", "k")

    def test_refuses_a_key_used_otherwise(self, dora: Key) -> None:
        with pytest.raises(CommandError, match="already stands for"):
            shares(dora[0], "add", "ACME", "1", "--key", "dora's shares")

    @pytest.mark.breaks_the_books  # the trade exists in the journal only
    @pytest.mark.usefixtures("own_books")
    def test_says_what_is_still_owed_after_an_addition(self, dora: Key) -> None:
        lend(dora, -150)
        assert shares(dora[0], "add", "ACME", "20", "--key", "k").endswith("has 0 ACME, blocked 0, short 30")


class TestAdmin:
    @pytest.mark.breaks_the_books  # the trade exists in the journal only
    @pytest.mark.usefixtures("own_books")
    def test_finds_who_owes_the_house(self, dora: Key, emil: Key, admin_client: Client) -> None:
        lend(emil, -5)
        listed = admin_client.get("/admin/holdings/holding/?owes=shares")
        assert [holding.trader_id for holding in listed.context["cl"].result_list] == [emil[0]]
        entries = selectors.entries_of(emil[0])
        assert [entry.kind for entry in entries] == ["SETTLE", "LOAN"]
        page = admin_client.get(f"/admin/holdings/holding/{selectors.holding_of(*emil).pk}/change/").content.decode()
        assert "Lent by the house" in page
        assert "short" in page.lower()
        assert admin_client.get(f"/admin/holdings/holdingentry/{entries[1].pk}/change/").status_code == 200
        assert admin_client.get("/admin/holdings/holding/?owes=nonsense").context["cl"].result_count == 2

    @pytest.mark.parametrize("page", ["holding", "holdingentry"])
    def test_shows_and_changes_nothing(self, dora: Key, admin_client: Client, page: str) -> None:
        listed = admin_client.get(f"/admin/holdings/{page}/")
        assert listed.status_code == 200
        assert b"ACME" in listed.content
        assert admin_client.get(f"/admin/holdings/{page}/?q={dora[0]}").status_code == 200
        assert admin_client.get(f"/admin/holdings/{page}/add/").status_code == 403
        row = Holding.objects.get() if page == "holding" else selectors.entries_of(dora[0])[0]
        assert admin_client.get(f"/admin/holdings/{page}/{row.pk}/change/").status_code == 200
        assert admin_client.post(f"/admin/holdings/{page}/{row.pk}/change/", {"quantity": "1"}).status_code == 403
        assert admin_client.post(f"/admin/holdings/{page}/{row.pk}/delete/", {"post": "yes"}).status_code == 403
