"""What `park` and `unpark` share: finding the request a person means."""

from argparse import ArgumentParser
from uuid import UUID

from django.core.management.base import CommandError

from trades.lifecycle import Stage
from trades.models import Trade, TradeRequest
from trades.queries.selectors import find


def add_trade_argument(parser: ArgumentParser) -> None:
    parser.add_argument("trade", help="The trade's id or its reference, such as 7K3M-9QX2.")
    parser.add_argument("--seq", type=int, help="Which of its requests; the first that fits if left out.")


def find_request(spoken: str, seq: int | None, *, parked: bool) -> UUID:
    """Return the id of the request meant. Raises CommandError if there is none."""
    trade = find(Trade.objects.all(), spoken)
    if trade is None:
        raise CommandError(f"There is no trade {spoken}.")
    requests = TradeRequest.objects.filter(trade=trade, parked__isnull=not parked, outcome__isnull=True).order_by("seq")
    if not parked:
        requests = requests.exclude(stage=Stage.SENT)  # what was sent can only be asked about
    row = (requests.filter(seq=seq) if seq else requests).first()
    if row is None:
        raise CommandError(f"Trade {trade} has no request to {'unpark' if parked else 'park'}.")
    return row.pk
