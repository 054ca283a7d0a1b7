"""Read the timeline of a trade: its entries, each with its request and the cash and shares that it moved."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Max, Min

from holdings import selectors as holdings
from trades.lifecycle import Kind
from trades.models import TradeEvent, TradeRequest
from wallets import selectors as wallets

MAX_ENTRIES = 1_000
"""Entries that one read returns, at most. A trade may be filled in any number of pieces."""

MILESTONES = ("RECEIVED", "VALIDATED", "BOOKED", "SENT", "ANSWERED")


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One event of a trade, and the ledger entries that it caused."""

    event: TradeEvent
    request: TradeRequest | None
    elapsed: timedelta | None
    """Since the entry before it about the same request; None for the first one."""
    cash: Sequence[Any]
    """The wallet entries that it caused, in order."""
    shares: Sequence[Any]
    """The holding entries that it caused, in order."""


@dataclass(frozen=True, slots=True)
class RequestHistory:
    """When one request reached each milestone, as far as it has come."""

    request: TradeRequest
    reached: dict[str, datetime]
    """By milestone, in the order of `MILESTONES`."""

    def elapsed(self, milestone: str) -> timedelta | None:
        """Return the time since the milestone before; None for the first, and for one that was not reached."""
        before = None
        for name, at in self.reached.items():
            if name == milestone:
                return None if before is None else at - before
            before = at
        return None


@dataclass(frozen=True, slots=True)
class Timeline:
    """A part of a trade's timeline, and all of its requests."""

    entries: list[TimelineEntry]
    requests: list[TradeRequest]
    earlier: Sequence[tuple[UUID, str, datetime, datetime]]
    """Before this part, by request and kind of entry: the times of the first and the last of that kind."""

    def request_histories(self) -> list[RequestHistory]:
        """Return the history of each request, in the order of `seq`, up to the end of this part."""
        events = [(request_id, kind, first) for request_id, kind, first, _ in self.earlier]
        events += [(entry.request.pk, entry.event.kind, entry.event.at) for entry in self.entries if entry.request]
        return [RequestHistory(request, _reached(request, events)) for request in self.requests]


def read(trade_id: UUID, *, after: int = 0, limit: int = MAX_ENTRIES) -> Timeline:
    """Return up to `limit` entries behind revision `after`, oldest first: four or five queries, however long it is.

    Events are read first, then the rows they refer to, so that no event lacks its rows.
    """
    events = list(TradeEvent.objects.filter(trade_id=trade_id, seq__gt=after).order_by("seq")[:limit])
    requests = {row.pk: row for row in TradeRequest.objects.filter(trade_id=trade_id).order_by("seq")}
    span = (events[0].seq, events[-1].seq) if events else (0, 0)
    cash = _by_revision(wallets.entries_of_trade(trade_id).filter(trade_revision__range=span))
    shares = _by_revision(holdings.entries_of_trade(trade_id).filter(trade_revision__range=span))
    earlier = _earlier(trade_id, after) if after else []
    newest: dict[UUID | None, datetime] = {}
    for request_id, _, _, last in earlier:
        newest[request_id] = max(last, newest.get(request_id, last))
    entries = []
    for event in events:
        before, newest[event.request_id] = newest.get(event.request_id), event.at
        elapsed = event.at - before if before and event.request_id else None
        request = requests.get(event.request_id) if event.request_id else None
        entries.append(TimelineEntry(event, request, elapsed, cash[event.seq], shares[event.seq]))
    return Timeline(entries, list(requests.values()), earlier)


def _earlier(trade_id: UUID, before: int) -> list[tuple[UUID, str, datetime, datetime]]:
    """Return the first and last time of each kind of entry up to revision `before`. Times rise with revisions."""
    events = TradeEvent.objects.filter(trade_id=trade_id, seq__lte=before, request_id__isnull=False)
    found = events.order_by().values_list("request_id", "kind").annotate(first=Min("at"), last=Max("at"))
    return [(request_id, kind, first, last) for request_id, kind, first, last in found if request_id]


def _reached(request: TradeRequest, events: Iterable[tuple[UUID, str, datetime]]) -> dict[str, datetime]:
    """Return when the request first reached each milestone, in the order of `MILESTONES`."""
    times: dict[str, datetime] = {}
    for request_id, kind, at in events:
        if request_id == request.pk and (milestone := _milestone(kind, request)):
            times[milestone] = min(at, times.get(milestone, at))
    return {milestone: times[milestone] for milestone in MILESTONES if milestone in times}


def _by_revision(rows: Iterable[Any]) -> dict[int, list[Any]]:
    grouped: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        grouped[row.trade_revision].append(row)
    return grouped


def _milestone(kind: str, request: TradeRequest) -> str | None:
    """Return the milestone that an entry of this kind marks. A fill answers the new order only."""
    if kind.endswith("_RECEIVED"):
        return "RECEIVED"
    if kind in ("VALIDATED", "BOOKED", "SENT"):
        return kind
    if kind in ("EXCHANGE_FILL", "EXCHANGE_CORRECTED", "EXCHANGE_BUSTED"):
        return "ANSWERED" if request.kind == Kind.NEW else None
    if kind.startswith("EXCHANGE_PENDING_") or kind == "EXCHANGE_STATUS":
        return None
    return (
        "ANSWERED" if kind.startswith("EXCHANGE_") or kind in ("DENIED", "CANCELLED_LOCALLY", "AMEND_DROPPED") else None
    )
