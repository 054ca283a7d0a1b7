import re

from django.core.management.base import BaseCommand, CommandError, CommandParser

from brokerage.models import Instrument, Trader
from holdings import selectors, services

_NUMBER = re.compile(r"[0-9]{1,18}")


class Command(BaseCommand):
    help = "Bring shares into a trader's holdings or take them out, once per key."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("trader", metavar="TRADER", help="the trader's number or log-in name")
        parser.add_argument("action", choices=["add", "remove"])
        parser.add_argument("symbol", metavar="SYMBOL", help="the share, as the exchange calls it")
        parser.add_argument("quantity", metavar="QTY", help="whole shares, more than 0")
        parser.add_argument("--key", required=True, help="names this movement: run again with it, nothing moves twice")
        parser.add_argument("--note", default="", help="a remark for the journal")

    def handle(self, *, trader: str, action: str, symbol: str, quantity: str, key: str, note: str, **_: object) -> None:
        if not _NUMBER.fullmatch(quantity):
            raise CommandError(f"not a number of shares: {quantity}")
        if not Instrument.objects.filter(pk=symbol).exists():
            raise CommandError(f"no share {symbol}")
        move = services.deposit if action == "add" else services.withdraw
        try:
            outcome = move(trader_id=_trader_number(trader), symbol=symbol, amount=int(quantity), key=key, note=note)
        except (ValueError, LookupError) as error:
            raise CommandError(str(error)) from None
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
        owed = f", short {holding.short}" if holding.short else ""
        self.stdout.write(
            f"{entry.kind} {abs(entry.amount)} {symbol}{again}: trader {entry.trader_id} has"
            f" {holding.quantity} {symbol}, blocked {holding.blocked}{owed}"
        )


def _trader_number(name: str) -> int:
    """Return the number of the trader who is meant: a number as it is, else the log-in name."""
    if _NUMBER.fullmatch(name):
        return int(name)
    number = Trader.objects.filter(user__username=name).values_list("pk", flat=True).first()
    if number is None:
        raise CommandError(f"no trader {name}")
    return number
