"""Sending: publish what is booked, wait for the broker's confirms, then note SENT, outside any transaction till then.

Killed between the two, somebody sends again: the same body under the same ClOrdID, marked PossResend, and the exchange
knows it already. One that would not know it (RESEND_POLICY `query_first`) is asked before anything is sent again, and
its answer makes the request due. Before every window the database is asked who may send: a claim that ran out or was
taken over, an outcome that came meanwhile, and the row is left alone.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from brokerage.db.transactions import retrying
from brokerage.observability import metrics
from exchange.amqp import WINDOW
from trades import lifecycle
from trades.core import repository
from trades.core.gateway import instruction, publisher, question
from trades.core.parking import set_unconfirmed_aside
from trades.lifecycle import Stage
from trades.models import TradeRequest
from trades.reconciliation.due import Asking
from trades.steps.leases import Claim


def send(claims: Sequence[Claim], *, now: datetime) -> None:
    """Take requests from BOOKED to SENT. Raises LinkDown when the exchange link is away: nothing of it was noted."""
    for start in range(0, len(claims), WINDOW):
        publisher.connect()  # before we look: frozen after it, we are cut off, and what we saw harms nobody
        window = _still_ours(claims[start : start + WINDOW])
        doubtful = [row for row in window if _must_ask_first(row)]
        sendable = [row for row in window if row not in doubtful]
        publisher.publish(
            [
                *(instruction(row, at=now) for row in sendable),
                *(question(row.trade, row, Asking.about([row]), at=now) for row in doubtful),
            ],
            connected=True,
        )
        if sendable:
            note_sent([row.pk for row in sendable], now=timezone.now())
            metrics.batch_size.labels("send").observe(len(sendable))
        if waiting_long := [row.pk for row in doubtful if _askings(row) >= settings.PIPELINE["STATUS_CHECK_LIMIT"]]:
            set_unconfirmed_aside(waiting_long, now=timezone.now())


def _still_ours(claims: Sequence[Claim]) -> list[TradeRequest]:
    """The requests of these claims that may be sent now, in order: booked, unanswered, and the lease is running."""
    wanted = dict(claims)
    rows = (
        TradeRequest.objects.filter(
            pk__in=wanted, stage=Stage.BOOKED, outcome__isnull=True, parked__isnull=True, due_at__gt=Now()
        )
        .select_related("trade")
        .in_bulk()
    )
    found = {str(pk): row for pk, row in rows.items()}
    return [found[pk] for pk, claim in claims if pk in found and found[pk].lease == claim]


def _must_ask_first(row: TradeRequest) -> bool:
    """Whether the request may be outside already, and the exchange would take it for another one if it came again."""
    return settings.RESEND_POLICY == "query_first" and _askings(row) > 0


def _askings(row: TradeRequest) -> int:
    """How often before now the request may have been sent: under each lease since it was not outside, and each try."""
    return row.lease - row.unsent_lease - 1


@retrying
def note_sent(request_ids: Sequence[UUID], *, now: datetime) -> None:
    """Note what the broker has confirmed, unless a report was faster: it proves the sending by itself."""
    with transaction.atomic(durable=True):
        rows = repository.open_rows(set(request_ids))
        for docket, row in rows.values():
            if row.stage == Stage.BOOKED and row.outcome is None:
                docket.apply(lifecycle.Advanced(str(row.pk), Stage.SENT), kind="SENT", at=now, request=row)
        repository.write((docket for docket, _ in rows.values()), at=now)
