from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from trades.core import parking
from trades.management.commands._parking import add_trade_argument, find_request


class Command(BaseCommand):
    help = "Take a trade's unfinished request out of the pipeline until a person has looked at it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_trade_argument(parser)
        parser.add_argument("--why", default="Parked by hand.", help="Shown with the request.")

    def handle(self, *, trade: str, seq: int | None, why: str, **options: Any) -> None:
        request_id = find_request(trade, seq, parked=False)
        if not parking.park_by_hand(request_id, why=why):
            raise CommandError("Nothing to park: somebody was faster.")
        self.stdout.write(self.style.SUCCESS(f"Request {request_id} is parked."))
