import json
import re
import sys
from argparse import ArgumentParser, ArgumentTypeError, FileType
from decimal import Decimal
from typing import Any, TextIO

from django.contrib.auth.hashers import make_password
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from knox.crypto import create_token_string, hash_token
from knox.models import AuthToken
from knox.settings import CONSTANTS

from brokerage.models import Instrument, Trader, User
from brokerage.money import money
from holdings import services as holdings
from wallets import services as wallets

CHUNK = 5_000
KEY = "seed"


def _amount(text: str) -> Decimal:
    if not re.fullmatch(r"[0-9]{1,17}(\.[0-9]{1,2})?", text):
        raise ArgumentTypeError(f"not an amount of money: {text}")
    return money(text)


def _holding(text: str) -> tuple[str, int]:
    symbol, _, quantity = text.partition("=")
    if not re.fullmatch(r"[0-9]{1,18}", quantity) or int(quantity) == 0:
        raise ArgumentTypeError(f"not SYMBOL=QUANTITY: {text}")
    return symbol, int(quantity)


class Command(BaseCommand):
    help = (
        "Create many traders with money, shares and a token each, for load tests. They have no password and no limits."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("count", type=int, help="How many traders.")
        parser.add_argument("--cash", type=_amount, default=Decimal(0), help="Money for each, such as 100000.00.")
        parser.add_argument(
            "--holding", type=_holding, action="append", default=[], help="SYMBOL=QUANTITY for each; may be repeated."
        )
        parser.add_argument(
            "--output", type=FileType("w"), default=sys.stdout, help="File for one JSON line per trader; - is stdout."
        )

    def handle(
        self, *, count: int, cash: Decimal, holding: list[tuple[str, int]], output: TextIO, **options: Any
    ) -> None:
        if count < 1:
            raise CommandError("The count must be at least 1.")
        _must_be_shares([symbol for symbol, _ in holding])
        done = 0
        while done < count:
            size = min(CHUNK, count - done)
            lines = _create(size, cash=cash, holding=holding)
            output.writelines(f"{json.dumps(line)}\n" for line in lines)
            done += size
            self.stderr.write(f"{done} of {count} traders")
        output.flush()


def _must_be_shares(symbols: list[str]) -> None:
    """Refuse before anything is made: nothing half-done is kept."""
    if len(set(symbols)) < len(symbols):
        raise CommandError("Give each share once.")
    if unknown := set(symbols) - set(Instrument.objects.in_bulk(symbols)):
        raise CommandError(f"There is no share {', '.join(sorted(unknown))}.")


def _create(size: int, *, cash: Decimal, holding: list[tuple[str, int]]) -> list[dict[str, Any]]:
    """Create `size` traders with their log-ins and tokens in one commit, then what they own."""
    with transaction.atomic(durable=True):
        traders = Trader.objects.bulk_create([Trader(name="Seeded trader") for _ in range(size)])
        users = User.objects.bulk_create(
            [User(username=f"trader{t.pk}", trader=t, password=make_password(None)) for t in traders]
        )
        tokens = [create_token_string() for _ in users]
        AuthToken.objects.bulk_create(
            [
                AuthToken(digest=hash_token(token), token_key=token[: CONSTANTS.TOKEN_KEY_LENGTH], user=user)
                for user, token in zip(users, tokens, strict=True)
            ]
        )
    if cash:
        wallets.deposit_opening_balances((trader.pk, cash, KEY) for trader in traders)
    for symbol, quantity in holding:
        holdings.deposit_opening_balances((trader.pk, symbol, quantity, f"{KEY}-{symbol}") for trader in traders)
    return [
        {"trader_id": user.trader_id, "username": user.username, "token": token}
        for user, token in zip(users, tokens, strict=True)
    ]
