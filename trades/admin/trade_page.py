"""The context of the page of one trade: the trade, its timeline, and the cash and shares of its trader."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.safestring import SafeString

from brokerage.admin.base import EMPTY_VALUE
from brokerage.money import average_price, grouped
from holdings import selectors as holdings
from trades import lifecycle
from trades.admin.badges import badge
from trades.core.locked_trade import state_of
from trades.core.representation import unconfirmed_since
from trades.lifecycle import Kind, Side
from trades.models import Execution, Trade
from trades.queries import descriptions, timeline
from wallets import selectors as wallets

LATEST_ENTRIES = 300
"""Entries of the timeline that are shown without `?from=`."""

MAX_EXECUTIONS = 200


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """One row of the timeline's table."""

    at: datetime
    new_day: date | None
    """Set on the first row of each day."""
    elapsed: str
    origin: str
    """client, broker or exchange."""
    actor: str
    text: str
    anomalous: bool
    movements: list[tuple[str, str]]
    """Each movement of cash or shares, and the balance after it."""
    badge: SafeString
    status_changed: bool

    @property
    def milliseconds(self) -> str:
        return f"{self.at.microsecond // 1000:03}"


def trade_page_context(trade: Trade, *, after: int | None) -> dict[str, Any]:
    """Return the template's context, with the timeline behind revision `after`, or its latest entries."""
    after = max(0, trade.revision - LATEST_ENTRIES) if after is None else min(after, trade.revision)
    history = timeline.read(trade.pk, after=after)
    state = state_of(trade, history.requests)
    executions = list(trade.executions.order_by("received_at", "exec_id")[: MAX_EXECUTIONS + 1])
    filled = trade.filled_quantity
    unconfirmed = unconfirmed_since(history.requests, now=timezone.now())
    wallet = wallets.wallet_of(trade.trader_id)
    holding = holdings.holding_of(trade.trader_id, trade.symbol)
    return {
        "title": f"Trade {trade}",
        "subtitle": None,
        "trade": trade,
        "headline": headline(trade),
        "badge": badge(trade.status),
        "reason": descriptions.format_reason(trade.reason),
        "unconfirmed": unconfirmed and _format_duration(timezone.now() - unconfirmed),
        "checks": max(row.checks for row in history.requests),
        "recon_break": descriptions.format_reason(trade.recon_break) if trade.recon_break else "",
        "recon_break_since": trade.recon_break and datetime.fromisoformat(trade.recon_break["since"]),
        "quantity": grouped(trade.quantity),
        "filled": grouped(filled),
        "filled_percent": min(100, 100 * filled // trade.quantity),
        "open": grouped(lifecycle.leaves(state)),
        "average": grouped(average_price(trade.filled_notional, filled)) if filled else EMPTY_VALUE,
        "worth": f"{trade.currency} {grouped(trade.filled_value)}" if filled else EMPTY_VALUE,
        "fees": f"{trade.currency} {grouped(charged)}" if (charged := lifecycle.charged(state)) else EMPTY_VALUE,
        "blocked": _format_hold(trade),
        "wallet_exists": wallet.updated_at is not None,
        "cash": {name: grouped(getattr(wallet, name)) for name in ("balance", "blocked", "available")},
        "holding": holding,
        "shares": {name: grouped(getattr(holding, name)) for name in ("quantity", "blocked", "available")},
        "rows": list(_rows(trade, history.entries)),
        "skipped": after,
        "next_from": history.entries[-1].event.seq if len(history.entries) == timeline.MAX_ENTRIES else None,
        "request_histories": [_request_history(one) for one in history.request_histories()],
        "executions": _executions(executions[:MAX_EXECUTIONS]),
        "more_executions": len(executions) > MAX_EXECUTIONS,
    }


def _format_hold(trade: Trade) -> str:
    if trade.side == Side.BUY:
        return f"{trade.currency} {grouped(trade.hold_cash)}"
    return f"{grouped(trade.hold_shares)} {trade.symbol}"


def headline(trade: Trade) -> str:
    """Return the order in one line: "Buy 10 INFY at 1,510.00"."""
    return f"{trade.side.capitalize()} {grouped(trade.quantity)} {trade.symbol} at {grouped(trade.price)}"


def _rows(trade: Trade, entries: list[timeline.TimelineEntry]) -> Iterator[TimelineRow]:
    day, status = None, None
    for entry in entries:
        event = entry.event
        origin, actor = _actor(entry)
        yield TimelineRow(
            at=event.at,
            new_day=event.at.date() if event.at.date() != day else None,
            elapsed=_format_duration(entry.elapsed),
            origin=origin,
            actor=actor,
            text=descriptions.describe_event(trade, event, entry.request),
            anomalous=event.kind in ("ANOMALY", "PARKED"),
            movements=list(_movements(trade, entry)),
            badge=badge(event.status),
            status_changed=event.status != status,
        )
        day, status = event.at.date(), event.status


def _actor(entry: timeline.TimelineEntry) -> tuple[str, str]:
    kind = entry.event.kind
    if kind.endswith("_RECEIVED") and entry.request:
        return "client", f"{entry.request.placed_by}, {entry.request.get_channel_display()}"
    if kind.startswith("EXCHANGE_"):
        return "exchange", "Exchange"
    return "broker", "Brokerage"


def _movements(trade: Trade, entry: timeline.TimelineEntry) -> Iterator[tuple[str, str]]:
    """Yield the movements of cash and shares: first what the trader gave, then what the trader got."""
    cash = [
        (
            descriptions.describe_movement(e.kind, e.amount, e.blocked_change, unit=trade.currency),
            f"balance {grouped(e.balance_after)}, blocked {grouped(e.blocked_after)},"
            f" available {grouped(e.balance_after - e.blocked_after)}",
        )
        for e in entry.cash
    ]
    shares = [
        (
            descriptions.describe_movement(e.kind, e.amount, e.blocked_change, unit=e.symbol),
            f"has {grouped(e.quantity_after)}, blocked {grouped(e.blocked_after)},"
            f" available {grouped(e.quantity_after - e.blocked_after)}",
        )
        for e in entry.shares
    ]
    yield from (*cash, *shares) if trade.side == Side.BUY else (*shares, *cash)


def _request_history(history: timeline.RequestHistory) -> dict[str, Any]:
    request = history.request
    terms = f"{grouped(request.quantity)} at {grouped(request.price)}"
    return {
        "request": request,
        "terms": EMPTY_VALUE if request.kind == Kind.CANCEL else terms,
        "steps": [(name.lower(), at, _format_duration(history.elapsed(name))) for name, at in history.reached.items()],
        "reason": descriptions.format_reason(request.reason),
        "parked": descriptions.format_reason(request.parked),
    }


def _executions(executions: Sequence[Execution]) -> list[dict[str, Any]]:
    """Return every version of every execution; one that another replaced does not count."""
    replaced = {execution.replaces for execution in executions}
    return [
        {
            "id": execution.pk,
            "what": _describe_execution(execution),
            "counts": execution.pk not in replaced,
            "quantity": grouped(execution.quantity),
            "price": grouped(execution.price),
            "value": grouped(execution.value),
            "executed_at": execution.executed_at,
            "received_at": execution.received_at,
        }
        for execution in executions
    ]


def _describe_execution(execution: Execution) -> str:
    if execution.replaces is None:
        return "Executed"
    return f"{'Corrects' if execution.quantity else 'Takes back'} {execution.replaces}"


def _format_duration(duration: timedelta | None) -> str:
    return "" if duration is None else descriptions.format_duration(duration.total_seconds())
