"""The commands people and scripts use."""

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from brokerage.models import Instrument, Trader, User
from holdings.selectors import holding_of
from tests.trades import steps
from trades.core.parking import park_unconfirmed
from trades.models import Trade, TradeRequest
from wallets.selectors import wallet_of

pytestmark = pytest.mark.django_db


class TestSeedDemo:
    def test_may_be_run_again(self) -> None:
        for _ in range(2):
            call_command("seed_demo", stdout=StringIO())
        alice, bob = User.objects.get(username="alice"), User.objects.get(username="bob")
        assert alice.check_password("demo")
        assert str(wallet_of(alice.trader_id).balance) == "100000.00"
        assert [holding_of(bob.trader_id, symbol).quantity for symbol in ("INFY", "TCS", "RELIANCE")] == [1000] * 3
        assert User.objects.filter(is_staff=True).count() == 5

    def test_is_refused_in_production(self, settings) -> None:
        settings.PRODUCTION = True
        with pytest.raises(CommandError, match="not for production"):
            call_command("seed_demo")


class TestSeedTraders:
    def test_writes_one_line_for_each(self, tmp_path: Path, client, share: Instrument) -> None:
        output = tmp_path / "traders.jsonl"
        call_command(
            "seed_traders", 3, "--cash", "500.00", "--holding", "ACME=7", "--output", str(output), stderr=StringIO()
        )
        lines = [json.loads(line) for line in output.read_text().splitlines()]
        assert len(lines) == 3
        assert lines[0].keys() == {"trader_id", "username", "token"}
        assert str(wallet_of(lines[0]["trader_id"]).balance) == "500.00"
        answer = client.get("/api/v1/holdings", headers={"authorization": f"Token {lines[0]['token']}"})
        assert answer.json()["results"][0]["quantity"] == 7

    @pytest.mark.parametrize(
        "wrong",
        [
            ["0"],
            ["x"],
            *(["1", "--cash", amount] for amount in ("1.234", "-1", "NaN", "1e5", "9" * 18)),
            *(["1", "--holding", holding] for holding in ("ACME", "ACME=0", "ACME=-1", "ACME=" + "9" * 19, "NOPE=1")),
            ["1", "--holding", "ACME=1", "--holding", "ACME=2"],
        ],
    )
    def test_says_what_is_wrong_and_makes_nobody(self, share: Instrument, wrong: list[str]) -> None:
        with pytest.raises(CommandError):
            call_command("seed_traders", *wrong)
        assert not Trader.objects.exists()


class TestParking:
    def test_a_request_waits_and_goes_on(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice)
        call_command("park", str(pk), "--why", "asked by the desk", stdout=StringIO())
        row = TradeRequest.objects.get()
        assert (row.parked["message"], row.due_at) == ("asked by the desk", None)
        call_command("unpark", str(Trade.objects.get()), stdout=StringIO())
        steps.run_to_booked()
        assert Trade.objects.get().status == "BOOKED"

    def test_what_was_sent_can_be_asked_about_at_once_but_not_taken_out(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice)
        steps.run_to_sent()
        with pytest.raises(CommandError, match="no request to park"):
            call_command("park", str(pk))
        park_unconfirmed([TradeRequest.objects.get().pk])
        call_command("unpark", str(pk), stdout=StringIO())
        row = TradeRequest.objects.get()
        assert (row.stage, row.parked) == ("SENT", None)
        assert row.check_at <= timezone.now()

    def test_says_when_there_is_nothing_to_do(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice)
        with pytest.raises(CommandError, match="no request to unpark"):
            call_command("unpark", str(pk))
        with pytest.raises(CommandError, match="There is no trade"):
            call_command("park", "nonsense")


@pytest.mark.parametrize("content", [None, "", "[]", "{"])
def test_manage_py_says_when_the_stack_it_is_to_talk_to_is_none(tmp_path: Path, content: str | None) -> None:
    named = tmp_path / "stack.json"
    if content is not None:
        named.write_text(content)
    command = [sys.executable, "manage.py", "check"]
    ran = subprocess.run(command, env=os.environ | {"STACK": str(named)}, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert str(named) in ran.stderr
    assert "Traceback" not in ran.stderr
