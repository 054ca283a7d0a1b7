"""Asking the exchange what became of orders. Nothing is stored: the answer comes as a report, or not at all.

Killed anywhere in here, nothing is lost but a query, and the next one is planned already.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import structlog
from django.conf import settings
from django.db.models import F

from brokerage.db import clock
from brokerage.db.bulk import fetch_many
from brokerage.db.transactions import is_transient
from brokerage.observability import metrics
from exchange.amqp import WINDOW, LinkDown, OutboundMessage
from trades.core.gateway import publisher, status_request
from trades.core.link_gaps import unanswered
from trades.core.parking import park_unconfirmed
from trades.core.schedule import in_doubt, unsent_from
from trades.core.status_query import StatusQuery
from trades.lifecycle import Stage
from trades.models import Trade, TradeRequest

log = structlog.get_logger(__name__)


def query_trades(trade_ids: Sequence[UUID], *, until: datetime) -> None:
    """Ask about the orders of these trades. Later than `until` it is left alone: the next check has its turn."""
    for start in range(0, len(trade_ids), WINDOW):
        try:
            now = clock.now()
            if now > until:
                return
            _query(trade_ids[start : start + WINDOW], now=now)
        except Exception as error:
            if not (is_transient(error) or isinstance(error, LinkDown)):
                raise
            log.warning("status_query_failed", error=str(error).strip())


def _query(trade_ids: Sequence[UUID], *, now: datetime) -> None:
    trades = Trade.objects.in_bulk(trade_ids)
    requests: dict[UUID, list[TradeRequest]] = defaultdict(list)
    for row in fetch_many(TradeRequest, by="trade", values=list(trades), order=("trade", "seq")):
        requests[row.trade_id].append(row)
    messages = {pk: _status_request(trade, requests[pk], now=now) for pk, trade in trades.items()}
    publisher.publish([message for message in messages.values() if message])
    for pk in (pk for pk, message in messages.items() if message):
        waits = any(row.stage == Stage.SENT and row.outcome is None for row in requests[pk])
        metrics.status_queries.labels("unanswered" if waits else "open").inc()
    rows = unanswered().filter(trade__in=trades)
    checked_enough = rows.filter(parked__isnull=True, checks__gte=settings.PIPELINE["STATUS_CHECK_LIMIT"])
    park_unconfirmed(checked_enough.values_list("pk", flat=True))
    TradeRequest.objects.filter(trade__in=trades, check_at__isnull=False).update(checks=F("checks") + 1)


def _status_request(trade: Trade, requests: Sequence[TradeRequest], *, now: datetime) -> OutboundMessage | None:
    """Return what to ask about a trade; None if nothing of it can be outside."""
    outside = [row for row in requests if row.stage in (Stage.BOOKED, Stage.SENT)]
    if not outside:
        return None
    return status_request(trade, outside[-1], StatusQuery.about(_nobody_sends(outside, now=now)), at=now)


def _nobody_sends(rows: Iterable[TradeRequest], *, now: datetime) -> list[TradeRequest]:
    """Return the requests without an answer that nobody is sending: sent ones, and those parked for long enough."""
    rows = [row for row in rows if row.outcome is None]
    doubtful = [row for row in in_doubt(rows) if unsent_from(row) <= now]
    return [row for row in rows if row.stage == Stage.SENT or row in doubtful]
