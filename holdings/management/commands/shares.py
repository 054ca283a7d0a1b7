import re

from django.core.management.base import BaseCommand, CommandError, CommandParser

from brokerage.journal.commands import add_key_and_note, add_trader_and_action, errors_end_the_command
from brokerage.models import Instrument
from brokerage.traders import trader_id_of
from holdings import selectors, services

_QUANTITY = re.compile(r"[0-9]{1,18}")


class Command(BaseCommand):
    help = "Bring shares into a trader's holdings or take them out, once per key."

    def add_arguments(self, parser: CommandParser) -> None:
        add_trader_and_action(parser, actions=["add", "remove"])
        parser.add_argument("symbol", metavar="SYMBOL", help="the share, as the exchange calls it")
        parser.add_argument("quantity", metavar="QTY", help="whole shares, more than 0")
        add_key_and_note(parser)

    def handle(self, *, trader: str, action: str, symbol: str, quantity: str, key: str, note: str, **_: object) -> None:
        if not _QUANTITY.fullmatch(quantity):
            raise CommandError(f"not a number of shares: {quantity}")
        if not Instrument.objects.filter(pk=symbol).exists():
            raise CommandError(f"no share {symbol}")
        move = services.deposit if action == "add" else services.withdraw
        with errors_end_the_command():
            outcome = move(trader_id=trader_id_of(trader), symbol=symbol, amount=int(quantity), key=key, note=note)
        if isinstance(outcome, services.Shortfall):
            numbers = outcome.as_json()
            raise CommandError(
                "not enough {symbol}: needed {needed}, available {available}, short {short}".format(
                    symbol=symbol, **numbers
                )
            )
        entry = outcome.entry
        again = " (already done)" if outcome.replayed else ""
        holding = selectors.holding_of(entry.trader_id, symbol)
        short = f", short {holding.short}" if holding.short else ""
        self.stdout.write(
            f"{entry.kind} {abs(entry.amount)} {symbol}{again}: trader {entry.trader_id} has"
            f" {holding.quantity} {symbol}, blocked {holding.blocked}{short}"
        )
