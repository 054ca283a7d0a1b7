"""What the page of one trade shows, gathered from the trade, its story, and what its trader has."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.safestring import SafeString

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

LATEST = 300
"""Entries of the timeline that are shown unless more are asked for."""

EXECUTIONS = 200
NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the timeline as it is shown."""

    at: datetime
    day: date | None
    """Set where a new day begins."""
    took: str
    who: str
    """The kind of hand it came from: client, broker, exchange."""
    name: str
    text: str
    odd: bool
    moved: list[tuple[str, str]]
    """What moved, and what there was after it."""
    badge: SafeString
    changed: bool
    """Whether the status is another than before."""

    @property
    def milliseconds(self) -> str:
        return f"{self.at.microsecond // 1000:03}"


def page_of(trade: Trade, *, after: int | None) -> dict[str, Any]:
    """Return everything the page shows; the timeline behind revision `after`, or its latest entries."""
    after = max(0, trade.revision - LATEST) if after is None else min(after, trade.revision)
    story = timeline.read(trade.pk, after=after)
    state = state_of(trade, story.requests)
    executions = list(trade.executions.order_by("received_at", "exec_id")[: EXECUTIONS + 1])
    filled = trade.filled_quantity
    waiting_since = unconfirmed_since(story.requests, now=timezone.now())
    wallet = wallets.wallet_of(trade.trader_id)
    holding = holdings.holding_of(trade.trader_id, trade.symbol)
    held = f"{trade.currency} {grouped(trade.hold_cash)}", f"{grouped(trade.hold_shares)} {trade.symbol}"
    return {
        "title": f"Trade {trade}",
        "subtitle": None,
        "trade": trade,
        "headline": headline(trade),
        "badge": badge(trade.status),
        "reason": descriptions.told(trade.reason),
        "unconfirmed": waiting_since and _lasting(timezone.now() - waiting_since),
        "asked": max(row.checks for row in story.requests),
        "desk": descriptions.told(trade.recon_break) if trade.recon_break else "",
        "desk_since": trade.recon_break and datetime.fromisoformat(trade.recon_break["since"]),
        "quantity": grouped(trade.quantity),
        "filled": grouped(filled),
        "filled_percent": min(100, 100 * filled // trade.quantity),
        "open": grouped(lifecycle.leaves(state)),
        "average": grouped(average_price(trade.filled_notional, filled)) if filled else NOTHING,
        "worth": f"{trade.currency} {grouped(trade.filled_value)}" if filled else NOTHING,
        "fees": f"{trade.currency} {grouped(charged)}" if (charged := lifecycle.charged(state)) else NOTHING,
        "blocked": held[0] if trade.side == Side.BUY else held[1],
        "wallet_exists": wallet.updated_at is not None,
        "cash": {name: grouped(getattr(wallet, name)) for name in ("balance", "blocked", "available")},
        "holding": holding,
        "shares": {name: grouped(getattr(holding, name)) for name in ("quantity", "blocked", "available")},
        "lines": list(_lines(trade, story.entries)),
        "left_out": after,
        "goes_on": story.entries[-1].event.seq if len(story.entries) == timeline.MOST else None,
        "courses": [_course(course) for course in story.courses()],
        "executions": _executions(executions[:EXECUTIONS]),
        "more_executions": len(executions) > EXECUTIONS,
    }


def headline(trade: Trade) -> str:
    """The order in one line: "Buy 10 INFY at 1,510.00"."""
    return f"{trade.side.capitalize()} {grouped(trade.quantity)} {trade.symbol} at {grouped(trade.price)}"


def _lines(trade: Trade, entries: list[timeline.Entry]) -> Iterator[Line]:
    day, status = None, None
    for entry in entries:
        event = entry.event
        who, name = _who(entry)
        yield Line(
            at=event.at,
            day=event.at.date() if event.at.date() != day else None,
            took=_lasting(entry.took),
            who=who,
            name=name,
            text=descriptions.sentence(trade, event, entry.request),
            odd=event.kind in ("ANOMALY", "PARKED"),
            moved=list(_moved(trade, entry)),
            badge=badge(event.status),
            changed=event.status != status,
        )
        day, status = event.at.date(), event.status


def _who(entry: timeline.Entry) -> tuple[str, str]:
    kind = entry.event.kind
    if kind.endswith("_RECEIVED") and entry.request:
        return "client", f"{entry.request.placed_by}, {entry.request.get_channel_display()}"
    if kind.startswith("EXCHANGE_"):
        return "exchange", "Exchange"
    return "broker", "Brokerage"


def _moved(trade: Trade, entry: timeline.Entry) -> Iterator[tuple[str, str]]:
    """Money and shares, in the order in which they matter: what the client gave first."""
    cash = [
        (
            descriptions.moved(e.kind, e.amount, e.blocked_change, unit=trade.currency),
            f"balance {grouped(e.balance_after)}, blocked {grouped(e.blocked_after)},"
            f" available {grouped(e.balance_after - e.blocked_after)}",
        )
        for e in entry.cash
    ]
    shares = [
        (
            descriptions.moved(e.kind, e.amount, e.blocked_change, unit=e.symbol),
            f"has {grouped(e.quantity_after)}, blocked {grouped(e.blocked_after)},"
            f" available {grouped(e.quantity_after - e.blocked_after)}",
        )
        for e in entry.shares
    ]
    yield from (*cash, *shares) if trade.side == Side.BUY else (*shares, *cash)


def _course(course: timeline.Course) -> dict[str, Any]:
    request = course.request
    terms = f"{grouped(request.quantity)} at {grouped(request.price)}"
    return {
        "request": request,
        "terms": NOTHING if request.kind == Kind.CANCEL else terms,
        "steps": [(name.lower(), at, _lasting(course.took(name))) for name, at in course.reached.items()],
        "reason": descriptions.told(request.reason),
        "parked": descriptions.told(request.parked),
    }


def _executions(executions: Sequence[Execution]) -> list[dict[str, Any]]:
    """Every version, those that do not count any more marked as such."""
    replaced = {execution.replaces for execution in executions}
    return [
        {
            "id": execution.pk,
            "what": _what(execution),
            "counts": execution.pk not in replaced,
            "quantity": grouped(execution.quantity),
            "price": grouped(execution.price),
            "value": grouped(execution.value),
            "executed_at": execution.executed_at,
            "received_at": execution.received_at,
        }
        for execution in executions
    ]


def _what(execution: Execution) -> str:
    if execution.replaces is None:
        return "Executed"
    return f"{'Corrects' if execution.quantity else 'Takes back'} {execution.replaces}"


def _lasting(duration: timedelta | None) -> str:
    return "" if duration is None else descriptions.lasting(duration.total_seconds())
