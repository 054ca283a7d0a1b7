import re
from decimal import Decimal

from django.core.management.base import BaseCommand, CommandError, CommandParser

from brokerage.journal.commands import add_key_and_note, add_trader_and_action, errors_end_the_command
from brokerage.money import plain
from brokerage.traders import trader_id_of
from wallets import selectors, services

_AMOUNT = re.compile(r"[0-9]{1,17}(\.[0-9]{1,2})?")


class Command(BaseCommand):
    help = "Pay cash into a trader's wallet or out of it, once per key."

    def add_arguments(self, parser: CommandParser) -> None:
        add_trader_and_action(parser, actions=["deposit", "withdraw"])
        parser.add_argument("amount", metavar="AMOUNT", help="more than 0, with two decimals at most: 250 or 99.50")
        add_key_and_note(parser)

    def handle(self, *, trader: str, action: str, amount: str, key: str, note: str, **_: object) -> None:
        if not _AMOUNT.fullmatch(amount):
            raise CommandError(f"not an amount of money: {amount}")
        move = services.deposit if action == "deposit" else services.withdraw
        with errors_end_the_command():
            outcome = move(trader_id=trader_id_of(trader), amount=Decimal(amount), key=key, note=note)
        if isinstance(outcome, services.Shortfall):
            numbers = outcome.as_json()
            raise CommandError(
                "not enough cash: needed {needed}, available {available}, short {short}".format(**numbers)
            )
        entry = outcome.entry
        again = " (already done)" if outcome.replayed else ""
        wallet = selectors.wallet_of(entry.trader_id)
        debt = f", debt {plain(wallet.debt)}" if wallet.debt else ""
        self.stdout.write(
            f"{entry.kind} {plain(abs(entry.amount))}{again}: trader {entry.trader_id} has a balance of"
            f" {plain(wallet.balance)}, blocked {plain(wallet.blocked)}{debt}"
        )
