"""What became of a trade, counted and logged once its commit is done: never what was rolled back or written again."""

from collections.abc import Iterable, Sequence
from typing import Any

import structlog

from brokerage.observability import metrics
from trades.core.locked_trade import LockedTrade
from trades.lifecycle import Outcome, Request, Stage
from trades.models import Trade, TradeEvent, TradeRequest

log = structlog.get_logger(__name__)

_REQUESTS_BY_STAGE = {
    Stage.VALIDATED: metrics.requests_validated,
    Stage.BOOKED: metrics.requests_booked,
    Stage.SENT: metrics.requests_sent,
}


def ids(trade: Trade, request: TradeRequest | None = None) -> dict[str, Any]:
    """Return what every log line about a trade carries; `request_id` is the ClOrdID of the exchange."""
    named = {"trade_id": str(trade.pk), "trader_id": trade.trader_id}
    return named | {"request_id": str(request.pk), "kind": request.kind} if request else named


def record(trades: Iterable[LockedTrade]) -> None:
    """Count and log what happened to each trade. To be called after the commit, once."""
    for trade in trades:
        row, before, after = trade.row, trade.saved, trade.state
        for request, was, now in zip(trade.requests, before.requests, after.requests, strict=True):
            if now is not was:
                _count_request(trade, request, was, now)
        if fills := sum(execution.replaces is None for execution in trade.executions):
            metrics.executions.labels(row.side, row.channel).inc(fills)
        if before.filled_quantity < before.quantity and after.filled_quantity >= after.quantity:
            metrics.trades_filled.labels(row.side, row.channel).inc()
            seconds = (trade.updated_at - row.created_at).total_seconds()
            metrics.accept_to_settled_seconds.labels(row.side).observe(seconds)
        requests = {request.pk: request for request in trade.requests}
        for event in trade.events:
            _log_event(row, event, requests.get(event.request_id) if event.request_id else None)


def record_accepted(trade: Trade, request: TradeRequest) -> None:
    """Count and log a request that was accepted. To be called after the commit, once."""
    metrics.requests_accepted.labels(request.kind, trade.side, request.channel).inc()
    log.info("accepted", **ids(trade, request), channel=request.channel)


def record_dispatched(stage: Stage, requests: Sequence[TradeRequest]) -> None:
    """Count and log a batch that was handed to the workers; each request with its trade."""
    metrics.batch_size.labels("dispatch").observe(len(requests))
    for request in requests:
        metrics.requests_dispatched.labels(stage, "first" if request.lease == 1 else "later").inc()
        named = {"trade_id": str(request.trade_id), "trader_id": request.trade.trader_id}
        log.info("dispatched", **named, request_id=str(request.pk), step="dispatch", stage=stage, lease=request.lease)


def _log_event(row: Trade, event: TradeEvent, request: TradeRequest | None) -> None:
    """Log one entry of the timeline. Of its data only codes and numbers of ours: never a message's words."""
    about = ids(row, request) | {"status": event.status}
    code = event.data.get("code")
    match event.kind:
        case kind if kind.endswith("_RECEIVED"):
            pass  # logged when it is accepted, for new trades and for changes alike
        case kind if kind.startswith("EXCHANGE_"):
            log.info("applied", **about, report=kind.removeprefix("EXCHANGE_"))
        case "PARKED":
            log.error("parked", **about | {"step": "park"}, code=code)
            metrics.requests_parked.labels(code).inc()
        case "ANOMALY":
            log.warning("anomaly", **about, code=code)
        case "DENIED":
            log.info("denied", **about, code=code)
        case kind:
            log.info(kind.lower(), **about)


def _count_request(trade: LockedTrade, request: TradeRequest, before: Request, after: Request) -> None:
    labels, at = (request.kind, trade.row.side, request.channel), trade.updated_at
    if after.stage is not before.stage and before.stage is not Stage.SENT:
        loaded = trade.loaded.get(request.pk, {})
        begun = loaded.get("reached_at") or request.created_at
        _REQUESTS_BY_STAGE[after.stage].labels(*labels).inc()
        metrics.stage_seconds.labels(after.stage).observe((at - begun).total_seconds())
        if after.stage is Stage.SENT:
            metrics.accept_to_sent_seconds.labels(request.kind).observe((at - request.created_at).total_seconds())
    if after.outcome is not None and before.outcome is None:
        if request.sent_at:
            metrics.sent_to_answered_seconds.labels(request.kind).observe((at - request.sent_at).total_seconds())
        if after.outcome is Outcome.REJECTED and request.reason:
            metrics.requests_rejected.labels(request.reason["code"], *labels).inc()
