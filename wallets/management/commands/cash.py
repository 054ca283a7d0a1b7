import re
from decimal import Decimal

from django.core.management.base import BaseCommand, CommandError, CommandParser

from brokerage.models import Trader
from brokerage.money import plain
from wallets import selectors, services

_NUMBER = re.compile(r"[0-9]{1,18}")
_AMOUNT = re.compile(r"[0-9]{1,17}(\.[0-9]{1,2})?")


class Command(BaseCommand):
    help = "Pay cash into a trader's wallet or out of it, once per key."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("trader", metavar="TRADER", help="the trader's number or log-in name")
        parser.add_argument("action", choices=["deposit", "withdraw"])
        parser.add_argument("amount", metavar="AMOUNT", help="more than 0, with two decimals at most: 250 or 99.50")
        parser.add_argument("--key", required=True, help="names this movement: run again with it, nothing moves twice")
        parser.add_argument("--note", default="", help="a remark for the journal")

    def handle(self, *, trader: str, action: str, amount: str, key: str, note: str, **_: object) -> None:
        if not _AMOUNT.fullmatch(amount):
            raise CommandError(f"not an amount of money: {amount}")
        move = services.deposit if action == "deposit" else services.withdraw
        try:
            outcome = move(trader_id=_trader_number(trader), amount=Decimal(amount), key=key, note=note)
        except (ValueError, LookupError) as error:
            raise CommandError(str(error)) from None
        if isinstance(outcome, services.Shortfall):
            numbers = outcome.as_json()
            raise CommandError(
                "not enough cash: needed {needed}, available {available}, short {short}".format(**numbers)
            )
        entry = outcome.entry
        again = " (already done)" if outcome.replayed else ""
        wallet = selectors.wallet_of(entry.trader_id)
        owed = f", debt {plain(wallet.debt)}" if wallet.debt else ""
        self.stdout.write(
            f"{entry.kind} {plain(abs(entry.amount))}{again}: trader {entry.trader_id} has a balance of"
            f" {plain(wallet.balance)}, blocked {plain(wallet.blocked)}{owed}"
        )


def _trader_number(name: str) -> int:
    """Return the number of the trader who is meant: a number as it is, else the log-in name."""
    if _NUMBER.fullmatch(name):
        return int(name)
    number = Trader.objects.filter(user__username=name).values_list("pk", flat=True).first()
    if number is None:
        raise CommandError(f"no trader {name}")
    return number
