from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from trades.core import parking
from trades.management.commands._parking import add_trade_argument, find_request


class Command(BaseCommand):
    help = "Put a parked request back to work at the stage it had reached; one that was sent is asked about at once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_trade_argument(parser)

    def handle(self, *, trade: str, seq: int | None, **options: Any) -> None:
        request_id = find_request(trade, seq, parked=True)
        if not parking.unpark_by_hand(request_id):
            raise CommandError("Nothing to unpark: somebody was faster.")
        self.stdout.write(self.style.SUCCESS(f"Request {request_id} is unparked."))
