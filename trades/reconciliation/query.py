"""Asking the exchange what became of orders. Nothing is written down: the answer comes as a report, or not at all.

Killed anywhere in here, nothing is lost but an asking, and the next one is planned already.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import structlog
from django.conf import settings
from django.db.models import F
from django.utils import timezone

from brokerage.db.bulk import fetch_many
from brokerage.db.transactions import is_transient
from brokerage.observability import metrics
from exchange.amqp import WINDOW, LinkDown, Outgoing
from trades.core.gateway import publisher, question
from trades.core.parking import set_unconfirmed_aside
from trades.core.schedule import in_doubt, nobody_sends_from
from trades.lifecycle import Stage
from trades.models import Trade, TradeRequest
from trades.reconciliation.due import Asking, unanswered

log = structlog.get_logger(__name__)


def ask(trade_ids: Sequence[UUID], *, until: datetime) -> None:
    """Ask about the orders of these trades. Later than `until` it is left alone: the next asking has its turn."""
    for start in range(0, len(trade_ids), WINDOW):
        now = timezone.now()
        if now > until:
            return
        try:
            _ask(trade_ids[start : start + WINDOW], now=now)
        except Exception as error:
            if not (is_transient(error) or isinstance(error, LinkDown)):
                raise
            log.warning("status_query_failed", error=str(error).strip())


def _ask(trade_ids: Sequence[UUID], *, now: datetime) -> None:
    trades = Trade.objects.in_bulk(trade_ids)
    requests: dict[UUID, list[TradeRequest]] = defaultdict(list)
    for row in fetch_many(TradeRequest, by="trade", values=list(trades), order=["trade", "seq"]):
        requests[row.trade_id].append(row)
    questions = {pk: _question(trade, requests[pk], now=now) for pk, trade in trades.items()}
    publisher.publish([one for one in questions.values() if one])
    for pk in (pk for pk, one in questions.items() if one):
        waits = any(row.stage == Stage.SENT and row.outcome is None for row in requests[pk])
        metrics.status_queries.labels("unanswered" if waits else "open").inc()
    rows = unanswered().filter(trade__in=trades)
    asked_enough = rows.filter(parked__isnull=True, checks__gte=settings.PIPELINE["STATUS_CHECK_LIMIT"])
    set_unconfirmed_aside(asked_enough.values_list("pk", flat=True), now=now)
    TradeRequest.objects.filter(trade__in=trades, check_at__isnull=False).update(checks=F("checks") + 1)


def _question(trade: Trade, requests: Sequence[TradeRequest], *, now: datetime) -> Outgoing | None:
    """What to ask about a trade; None if nothing of it can be outside."""
    outside = [row for row in requests if row.stage in (Stage.BOOKED, Stage.SENT)]
    if not outside:
        return None
    return question(trade, outside[-1], Asking.about(_nobody_sends(outside, now=now)), at=now)


def _nobody_sends(rows: Iterable[TradeRequest], *, now: datetime) -> list[TradeRequest]:
    """The requests without an answer that nobody is sending: those that were sent, and those parked long enough."""
    rows = [row for row in rows if row.outcome is None]
    doubtful = [row for row in in_doubt(rows) if nobody_sends_from(row) <= now]
    return [row for row in rows if row.stage == Stage.SENT or row in doubtful]
