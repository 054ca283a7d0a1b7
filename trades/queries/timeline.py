"""The story of a trade: every entry of its timeline with the request it is about and the money and shares it moved."""

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

MOST = 1_000
"""Entries of one reading, at most. A trade may be filled in any number of pieces."""

MILESTONES = ("RECEIVED", "VALIDATED", "BOOKED", "SENT", "ANSWERED")


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened to a trade, and what it did to the books."""

    event: TradeEvent
    request: TradeRequest | None
    took: timedelta | None
    """Since the entry before it about the same request; None for the first one."""
    cash: Sequence[Any]
    """The entries of the wallet's journal that it caused, in order."""
    shares: Sequence[Any]
    """The entries of the holding's journal that it caused, in order."""


@dataclass(frozen=True, slots=True)
class Course:
    """How one request went: when it reached each stage and when it was answered, as far as it has come."""

    request: TradeRequest
    reached: dict[str, datetime]
    """By milestone, in the order of `MILESTONES`."""

    def took(self, milestone: str) -> timedelta | None:
        """How long it took from the milestone before; None for the first, and for one that was not reached."""
        before = None
        for name, at in self.reached.items():
            if name == milestone:
                return None if before is None else at - before
            before = at
        return None


@dataclass(frozen=True, slots=True)
class Story:
    """A stretch of a trade's timeline, and all of its requests."""

    entries: list[Entry]
    requests: list[TradeRequest]
    earlier: Sequence[tuple[UUID, str, datetime, datetime]]
    """What stands before this stretch, by request and kind of entry: when the first and the last of that kind was."""

    def courses(self) -> list[Course]:
        """How each request went, in the order of the chain, as far as this stretch and what stands before it tell."""
        told = [(request_id, kind, first) for request_id, kind, first, _ in self.earlier]
        told += [(entry.request.pk, entry.event.kind, entry.event.at) for entry in self.entries if entry.request]
        return [Course(request, _reached(request, told)) for request in self.requests]


def read(trade_id: UUID, *, after: int = 0, limit: int = MOST) -> Story:
    """Return up to `limit` entries behind revision `after`, oldest first: four or five queries, however long the story.

    What happens meanwhile is not in it: entries are read first, then what they refer to.
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
        took = event.at - before if before and event.request_id else None
        request = requests.get(event.request_id) if event.request_id else None
        entries.append(Entry(event, request, took, cash[event.seq], shares[event.seq]))
    return Story(entries, list(requests.values()), earlier)


def _earlier(trade_id: UUID, before: int) -> list[tuple[UUID, str, datetime, datetime]]:
    """Tell of the entries up to revision `before` what those behind it need. Their times rise with their revisions."""
    events = TradeEvent.objects.filter(trade_id=trade_id, seq__lte=before, request_id__isnull=False)
    found = events.order_by().values_list("request_id", "kind").annotate(first=Min("at"), last=Max("at"))
    return [(request_id, kind, first, last) for request_id, kind, first, last in found if request_id]


def _reached(request: TradeRequest, told: Iterable[tuple[UUID, str, datetime]]) -> dict[str, datetime]:
    """When the request first came to each milestone."""
    times: dict[str, datetime] = {}
    for request_id, kind, at in told:
        if request_id == request.pk and (milestone := _milestone(kind, request)):
            times[milestone] = min(at, times.get(milestone, at))
    return {milestone: times[milestone] for milestone in MILESTONES if milestone in times}


def _by_revision(rows: Iterable[Any]) -> dict[int, list[Any]]:
    grouped: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        grouped[row.trade_revision].append(row)
    return grouped


def _milestone(kind: str, request: TradeRequest) -> str | None:
    """What an entry of this kind means to the request. A fill proves that the order was taken, and nothing else."""
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
