"""Applying: what the exchange reports becomes facts, money and shares. One commit per batch, acknowledged after it.

Killed after the commit and before the acknowledgement, the batch comes again: every report is known by its ExecID (a
cancel reject by the outcome it left on its request), and nothing happens twice.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from structlog.contextvars import bound_contextvars

from brokerage import metrics
from brokerage.db import retrying
from brokerage.money import plain, value
from brokerage.reasons import Code, Reason
from exchange.intake import Report
from exchange.link import REPORTS
from exchange.messages import CancelReject, ExecType, ExecutionReport
from exchange.quarantine import Code as Quarantine
from exchange.quarantine import quarantine
from holdings import services as holdings
from trades import lifecycle, store
from trades.docket import Docket
from trades.lifecycle import Reported, Side
from trades.models import ExchangeReport, Execution, Trade, TradeRequest
from wallets import services as wallets

_REPORTED = {
    ExecType.PENDING_NEW: Reported.PENDING_NEW,
    ExecType.NEW: Reported.NEW,
    ExecType.REJECTED: Reported.REJECTED,
    ExecType.TRADE: Reported.FILL,
    ExecType.PENDING_REPLACE: Reported.PENDING_REPLACE,
    ExecType.REPLACED: Reported.REPLACED,
    ExecType.PENDING_CANCEL: Reported.PENDING_CANCEL,
    ExecType.CANCELED: Reported.CANCELED,
    ExecType.EXPIRED: Reported.EXPIRED,
    ExecType.DONE_FOR_DAY: Reported.DONE_FOR_DAY,
    ExecType.SUSPENDED: Reported.SUSPENDED,
    ExecType.RESTATED: Reported.RESTATED,
}
_TOO_LATE_TO_CANCEL = "0"  # CxlRejReason (102)


@dataclass(frozen=True, slots=True)
class _Movement:
    """What one report does to the books: the change of what is blocked and, for a fill, the execution to settle."""

    trade: Trade
    revision: int
    side: Side
    hold_change: Decimal
    execution: Execution | None


@bound_contextvars(step="apply")
@retrying
def apply_reports(reports: Sequence[Report]) -> None:
    """Apply a batch in the order in which it came. Commits all of it or raises; safe to run any number of times.

    What belongs to no trade of ours, or comes under a known ExecID with other numbers, is quarantined in the same
    commit.
    """
    now = timezone.now()
    with transaction.atomic(durable=True):
        trade_of = _route([report.message for report in reports])
        dockets = store.open_dockets(set(trade_of.values()))
        known = _known([report.message for report in reports])
        movements: list[_Movement] = []
        for report in reports:
            trade_id = _trade_id(report.message, trade_of)
            docket = dockets.get(trade_id) if trade_id else None
            if docket is None:
                _set_aside(report, Quarantine.UNKNOWN_ORDER, "names no request and no trade of ours")
            elif isinstance(report.message, CancelReject):
                movements += _cancel_reject(docket, report.message, now=now)
            elif report.message.exec_type in (ExecType.TRADE_CORRECT, ExecType.TRADE_CANCEL):
                _set_aside(report, Quarantine.UNSUPPORTED, "corrections and busts are booked by hand")
            elif report.message.exec_type is not ExecType.ORDER_STATUS:
                movements += _execution_report(docket, report, report.message, known, now=now)
        _post(movements)
        store.write(dockets.values(), at=now)
    metrics.batch_size.labels("apply").observe(len(reports))


# --- Whose report it is ----------------------------------------------------------------------------------------------


def _route(messages: Iterable[ExecutionReport | CancelReject]) -> dict[str, UUID]:
    """Map every id that the messages name and that is ours to its trade: two queries."""
    names = (name for message in messages for name in (message.cl_ord_id, message.trade_ref))
    named = {found for name in names if (found := _uuid(name))}
    by_request = TradeRequest.objects.filter(pk__in=named).values_list("pk", "trade_id")
    trades = Trade.objects.filter(pk__in=named).values_list("pk", flat=True)
    return {str(pk): trade_id for pk, trade_id in by_request} | {str(pk): pk for pk in trades}


def _trade_id(message: ExecutionReport | CancelReject, trade_of: dict[str, UUID]) -> UUID | None:
    named = (_uuid(message.cl_ord_id), _uuid(message.trade_ref))
    return next((trade_of[str(name)] for name in named if str(name) in trade_of), None)


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


def _known(messages: Iterable[ExecutionReport | CancelReject]) -> dict[str, ExchangeReport]:
    """The reports that were applied before, by ExecID. Read under the trades' locks."""
    ids = {message.exec_id for message in messages if isinstance(message, ExecutionReport)}
    return ExchangeReport.objects.in_bulk(ids)


def _set_aside(report: Report, code: Quarantine, detail: str) -> None:
    quarantine(queue=REPORTS.name, message_id=report.message_id, body=report.raw, code=code, detail=detail)


# --- What it does ----------------------------------------------------------------------------------------------------


def _cancel_reject(docket: Docket, message: CancelReject, *, now: datetime) -> list[_Movement]:
    """A `9`: once per ClOrdID, its request having an outcome from then on."""
    row = docket.row(_uuid(message.cl_ord_id) or "")
    if row is not None and row.outcome is not None:
        return []
    code = Code.TOO_LATE if message.cxl_rej_reason == _TOO_LATE_TO_CANCEL else Code.EXCHANGE_REJECTED
    reason = Reason(code, message.text or "The exchange refused it.", {"CxlRejReason": message.cxl_rej_reason})
    event = lifecycle.Report(Reported.CANCEL_REJECTED, str(row.pk) if row else None)
    revision = docket.apply(event, kind="EXCHANGE_CANCEL_REJECTED", at=now, request=row, reason=reason)
    return [_movement(docket, revision)]


def _execution_report(
    docket: Docket, report: Report, message: ExecutionReport, known: dict[str, ExchangeReport], *, now: datetime
) -> list[_Movement]:
    if message.exec_id in known:
        _again(docket, report, message, known[message.exec_id], now=now)
        return []
    first = ExchangeReport(exec_id=message.exec_id, trade_id=docket.trade.pk, body=message.body, received_at=now)
    known[message.exec_id] = first
    docket.reports.append(first)
    reported = _REPORTED[message.exec_type]
    row = docket.row(_uuid(message.cl_ord_id) or "")
    if row is None and reported is Reported.REJECTED:
        row = docket.requests[0]  # only the trade is named: its order is refused
    quantity, price = message.fill if reported is Reported.FILL else (message.order_qty, message.price)
    event = lifecycle.Report(reported, str(row.pk) if row else None, quantity, price, message.transact_time)
    reason = None
    if reported is Reported.REJECTED:
        details = {"OrdRejReason": message.ord_rej_reason}
        reason = Reason(Code.EXCHANGE_REJECTED, message.text or "The exchange refused it.", details)
    data = _data(message, reported)
    revision = docket.apply(event, kind=f"EXCHANGE_{reported}", at=now, request=row, data=data, reason=reason)
    execution = _execution(docket, message, now=now) if reported is Reported.FILL else None
    return [_movement(docket, revision, execution)]


def _movement(docket: Docket, revision: int, execution: Execution | None = None) -> _Movement:
    """What must move in the books for the facts as they are now; the trade's hold is taken over with it."""
    movement = _Movement(docket.trade, revision, docket.state.side, docket.hold_change(), execution)
    docket.record_hold()
    return movement


def _again(docket: Docket, report: Report, message: ExecutionReport, earlier: ExchangeReport, *, now: datetime) -> None:
    """A report whose ExecID is known: nothing happens; another trade or other numbers under it are a mistake."""
    numbers = ("ExecType", "LastQty", "LastPx", "ExecRefID")
    other = earlier.trade_id != docket.trade.pk
    if other or any(message.body.get(name) != earlier.body.get(name) for name in numbers):
        what = "of another trade" if other else "with other numbers"
        _set_aside(report, Quarantine.EXEC_ID_REUSED, f"ExecID {message.exec_id} is known {what}")
    elif message.exec_type is ExecType.TRADE and not (message.poss_resend or report.redelivered):
        docket.note("ANOMALY", at=now, data={"code": "DUPLICATE_EXECUTION", "exec_id": message.exec_id})


def _execution(docket: Docket, message: ExecutionReport, *, now: datetime) -> Execution:
    trade, (quantity, price) = docket.trade, message.fill
    execution = Execution(
        exec_id=message.exec_id,
        trade=trade,
        trader_id=trade.trader_id,
        symbol=trade.symbol,
        side=trade.side,
        quantity=quantity,
        price=price,
        value=value(quantity, price),
        executed_at=message.transact_time,
        received_at=now,
    )
    docket.executions.append(execution)
    return execution


def _data(message: ExecutionReport, reported: Reported) -> dict[str, Any]:
    """What the timeline keeps of a report: its id and its numbers."""
    data: dict[str, Any] = {"exec_id": message.exec_id}
    if reported is Reported.FILL:
        quantity, price = message.fill
        data |= {"quantity": quantity, "price": plain(price)}
    elif reported in (Reported.REPLACED, Reported.RESTATED):
        data |= {"quantity": message.order_qty, "price": plain(message.price) if message.price else None}
    return data | ({"text": message.text} if message.text else {})


def _post(movements: Sequence[_Movement]) -> None:
    """Move money and shares: wallets first, then holdings, each locked once for the whole batch."""
    moving = [m for m in movements if m.execution or m.hold_change]
    if not moving:
        return
    buys = [m for m in moving if m.side is Side.BUY]
    fills = [m for m in moving if m.execution]
    cash = wallets.open_ledger({m.trade.trader_id for m in (*buys, *fills)})
    sells = [m for m in moving if m.side is Side.SELL]
    shares = holdings.open_ledger({(m.trade.trader_id, m.trade.symbol) for m in (*sells, *fills)})
    for movement in moving:
        _move(movement, cash, shares)
    cash.post()
    shares.post()


def _move(movement: _Movement, cash: wallets.Ledger, shares: holdings.Ledger) -> None:
    trade, change, bought = movement.trade, movement.hold_change, movement.side is Side.BUY
    trader_id, key = trade.trader_id, (trade.trader_id, trade.symbol)
    cause: dict[str, Any] = {"trade_id": trade.pk, "trade_revision": movement.revision}
    if execution := movement.execution:
        sign = 1 if bought else -1
        cause["execution"] = execution.exec_id
        cash.settle(trader_id, amount=-sign * execution.value, hold_change=change if bought else Decimal(0), **cause)
        shares.settle(key, amount=sign * execution.quantity, hold_change=0 if bought else int(change), **cause)
    elif change < 0 and bought:
        cash.release(trader_id, -change, **cause)
    elif change < 0:
        shares.release(key, int(-change), **cause)
    elif bought:
        _must(cash.block(trader_id, change, **cause))
    else:
        _must(shares.block(key, int(change), **cause))


def _must(short: wallets.Shortfall | holdings.Shortfall | None) -> None:
    """The exchange raised the terms by itself and the trader cannot cover it: the report is set aside with an alarm."""
    if short is not None:
        raise wallets.UncoveredError(f"restated terms need {short.needed}, available are {short.available}")
