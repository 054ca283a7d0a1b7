"""Sending: publish what is booked, wait for the broker's confirms, then note SENT, outside any transaction till then.

Killed between the two, somebody sends again: the same body under the same ClOrdID, marked PossResend, and the exchange
knows it already. Before every window the database is asked who may send: a claim that ran out or was taken over, an
outcome that came meanwhile, and the row is left alone.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from brokerage import metrics
from brokerage.db import retrying
from exchange.link import WINDOW, Outgoing, Publisher
from exchange.messages import encode
from trades import lifecycle, store
from trades.leases import Claim
from trades.lifecycle import Stage
from trades.models import TradeRequest

_publisher = Publisher(settings.EXCHANGE_URL)


def send(claims: Sequence[Claim], *, now: datetime) -> None:
    """Take requests from BOOKED to SENT. Raises LinkDown when the exchange link is away: nothing of it was noted."""
    for start in range(0, len(claims), WINDOW):
        window = _still_ours(claims[start : start + WINDOW])
        if not window:
            continue
        _publisher.publish([_outgoing(row, at=now) for row in window])
        note_sent([row.pk for row in window], now=timezone.now())
        metrics.batch_size.labels("send").observe(len(window))


def _still_ours(claims: Sequence[Claim]) -> list[TradeRequest]:
    """The requests of these claims that may be sent now, in order: booked, unanswered, and the lease is running."""
    wanted = dict(claims)
    rows = TradeRequest.objects.filter(
        pk__in=wanted, stage=Stage.BOOKED, outcome__isnull=True, parked__isnull=True, due_at__gt=Now()
    ).in_bulk()
    found = {str(pk): row for pk, row in rows.items()}
    return [found[pk] for pk, claim in claims if pk in found and found[pk].claim == claim]


def _outgoing(row: TradeRequest, *, at: datetime) -> Outgoing:
    """The frozen body in a fresh envelope. Under a second lease or after a try it may be outside already."""
    message: dict[str, Any] = row.message or {}
    resend = row.claim > 1 or row.tries > 0
    body = encode(message["MsgType"], message["Body"], sending_time=at, poss_resend=resend)
    return Outgoing(str(row.pk), body)


@retrying
def note_sent(request_ids: Sequence[UUID], *, now: datetime) -> None:
    """Note what the broker has confirmed, unless a report was faster: it proves the sending by itself."""
    with transaction.atomic(durable=True):
        rows = store.open_rows(set(request_ids))
        for docket, row in rows.values():
            if row.stage == Stage.BOOKED and row.outcome is None:
                docket.apply(lifecycle.Advanced(str(row.pk), Stage.SENT), kind="SENT", at=now, request=row)
        store.write((docket for docket, _ in rows.values()), at=now)
