"""What became of a trade, counted and logged once its commit is done: never what was rolled back or written again."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import structlog

from brokerage.observability import metrics
from trades.core.locked_trade import Docket, Progress
from trades.lifecycle import Outcome, Stage
from trades.models import Trade, TradeEvent, TradeRequest

log = structlog.get_logger(__name__)

_COUNTED = {
    Stage.VALIDATED: metrics.requests_validated,
    Stage.BOOKED: metrics.requests_booked,
    Stage.SENT: metrics.requests_sent,
}


def ids(trade: Trade, request: TradeRequest | None = None) -> dict[str, Any]:
    """What every log line about a trade carries; `request_id` is the request's id, the ClOrdID of the exchange."""
    named = {"trade_id": str(trade.pk), "trader_id": trade.trader_id}
    return named | {"request_id": str(request.pk), "kind": request.kind} if request else named


def tell(dockets: Iterable[Docket]) -> None:
    """Count and log what happened to each trade. To be called after the commit, once."""
    for docket in dockets:
        for progress in docket.progress:
            _count(docket.trade, progress)
        _count_fills(docket)
        for event in docket.events:
            _tell_event(docket, event)


def tell_accepted(trade: Trade, request: TradeRequest) -> None:
    """The same for a request that was written down."""
    metrics.requests_accepted.labels(request.kind, trade.side, request.channel).inc()
    log.info("accepted", **ids(trade, request), channel=request.channel)


def tell_dispatched(stage: Stage, requests: Sequence[TradeRequest]) -> None:
    """The same for a batch that was handed to the workers; each request with its trade."""
    metrics.batch_size.labels("dispatch").observe(len(requests))
    for request in requests:
        metrics.requests_dispatched.labels(stage, "first" if request.lease == 1 else "later").inc()
        named = {"trade_id": str(request.trade_id), "trader_id": request.trade.trader_id}
        log.info("dispatched", **named, request_id=str(request.pk), step="dispatch", stage=stage, lease=request.lease)


def _tell_event(docket: Docket, event: TradeEvent) -> None:
    """One line for an entry of the timeline. Of its data only codes and numbers of ours: never a message's words."""
    request = docket.row(event.request_id) if event.request_id else None
    about = ids(docket.trade, request) | {"status": event.status}
    code = event.data.get("code")
    match event.kind:
        case kind if kind.endswith("_RECEIVED"):
            pass  # told when it is accepted, for new trades and for changes alike
        case kind if kind.startswith("EXCHANGE_"):
            log.info("applied", **about, report=kind.removeprefix("EXCHANGE_"))
        case "PARKED":
            log.error("parked", **about | {"step": "park"}, code=code)
            metrics.requests_parked.labels(code).inc()
        case "ANOMALY":
            log.warning("anomaly", **about, code=code)
        case "REFUSED":
            log.info("refused", **about, code=code)
        case kind:
            log.info(kind.lower(), **about)


def _count(trade: Trade, progress: Progress) -> None:
    request = progress.request
    labels = (request.kind, trade.side, request.channel)
    if progress.stage:
        _COUNTED[progress.stage].labels(*labels).inc()
        metrics.stage_seconds.labels(progress.stage).observe(_seconds(progress.since, progress.at))
    if progress.stage is Stage.SENT:
        metrics.accept_to_sent_seconds.labels(request.kind).observe(_seconds(request.created_at, progress.at))
    if progress.outcome and request.sent_at:
        metrics.sent_to_answered_seconds.labels(request.kind).observe(_seconds(request.sent_at, progress.at))
    if progress.outcome is Outcome.REJECTED and request.reason:
        metrics.requests_rejected.labels(request.reason["code"], *labels).inc()


def _count_fills(docket: Docket) -> None:
    trade = docket.trade
    if fills := sum(execution.replaces is None for execution in docket.executions):
        metrics.executions.labels(trade.side, trade.channel).inc(fills)
    if docket.filled_at:
        metrics.trades_filled.labels(trade.side, trade.channel).inc()
        metrics.accept_to_settled_seconds.labels(trade.side).observe(_seconds(trade.created_at, docket.filled_at))


def _seconds(begin: datetime, end: datetime) -> float:
    """Two machines wrote the two times: their clocks may differ by a little."""
    return max(0.0, (end - begin).total_seconds())
