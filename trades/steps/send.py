"""Sending: publish what is booked, wait for the broker's confirms, then note SENT, outside any transaction till then.

Killed between the two, somebody sends again: the same body under the same ClOrdID, marked PossResend, and the exchange
knows it already. One that would not know it (RESEND_POLICY `query_first`) is asked before anything is sent again, and
its answer makes the request due. Before every window the database is asked who may send: a lease that ran out or was
taken over, an outcome that came meanwhile, and the row is left alone.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.conf import settings

from brokerage.db import clock
from brokerage.db.clock import DatabaseNow
from brokerage.db.transactions import opens_transaction
from brokerage.observability import metrics
from exchange.amqp import WINDOW
from trades import lifecycle
from trades.core import repository
from trades.core.gateway import order_message, publisher, status_request
from trades.core.parking import park_unconfirmed
from trades.core.status_query import StatusQuery
from trades.lifecycle import Stage
from trades.models import TradeRequest
from trades.steps.leases import Lease


def send(leases: Sequence[Lease], *, now: datetime) -> None:
    """Take requests from BOOKED to SENT. Raises LinkDown when the exchange link is away: nothing of it was noted."""
    for start in range(0, len(leases), WINDOW):
        publisher.connect()  # before we look: frozen after it, we are cut off, and what we saw harms nobody
        window = _still_ours(leases[start : start + WINDOW])
        query_first = settings.RESEND_POLICY == "query_first"
        doubtful = [row for row in window if query_first and _times_maybe_sent(row) > 0]
        sendable = [row for row in window if row not in doubtful]
        publisher.publish(
            [
                *(order_message(row, at=now) for row in sendable),
                *(status_request(row.trade, row, StatusQuery.about([row]), at=now) for row in doubtful),
            ],
            connected=True,
        )
        if sendable:
            note_sent([row.pk for row in sendable])
            metrics.batch_size.labels("send").observe(len(sendable))
        limit = settings.PIPELINE["STATUS_CHECK_LIMIT"]
        if waiting_long := [row.pk for row in doubtful if _times_maybe_sent(row) >= limit]:
            park_unconfirmed(waiting_long)


def _still_ours(leases: Sequence[Lease]) -> list[TradeRequest]:
    """Return the requests that may be sent now, in order: booked, unanswered, and the lease is running."""
    rows = (
        TradeRequest.objects.filter(
            pk__in=[request_id for request_id, _ in leases],
            stage=Stage.BOOKED,
            outcome__isnull=True,
            parked__isnull=True,
            due_at__gt=DatabaseNow(),
        )
        .select_related("trade")
        .in_bulk()
    )
    found = {str(pk): row for pk, row in rows.items()}
    return [found[pk] for pk, number in leases if pk in found and found[pk].lease == number]


def _times_maybe_sent(row: TradeRequest) -> int:
    """Return how often the request may have been sent before: under each lease since it was not outside."""
    return row.lease - row.unsent_lease - 1


@opens_transaction
def note_sent(request_ids: Sequence[UUID], *, now: datetime | None = None) -> None:
    """Note what the broker has confirmed, unless a report was faster: it proves the sending by itself.

    `now`: when that was, if not now by the database's clock.
    """
    found = repository.lock_requests(set(request_ids)).values()
    now = now or clock.now()
    for trade, row in found:
        if row.stage == Stage.BOOKED and row.outcome is None:
            trade.apply(lifecycle.StageCompleted(str(row.pk), Stage.SENT), at=now, request=row)
    repository.save([trade for trade, _ in found], at=now)
