"""Trades under their lock: the one place that reads their facts for change and writes what became of them.

    with transaction.atomic(durable=True):
        trades = repository.lock_trades(trade_ids)
        trade.apply(lifecycle event, …)
        repository.save(trades, at=now)

A small number of statements, however many trades.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import models, transaction

from brokerage.db.bulk import fetch_many, insert_many, update_many
from brokerage.db.locks import lock_many
from trades.core import instrumentation, schedule
from trades.core.locked_trade import FACTS, LockedTrade
from trades.lifecycle import Side, Stage
from trades.models import Trade, TradeRequest

Loaded = dict[str, Any]
"""The columns of a row as they were read; none of a row that is new."""

NEW: Loaded = {}

Columns = tuple[type[models.Model], tuple[str, ...]]
"""A model and some of its columns."""


def lock_trades(trade_ids: Collection[UUID]) -> dict[UUID, LockedTrade]:
    """Lock the trades in the order of their ids and return each with its requests. Unknown ids are left out."""
    rows = lock_many(Trade, trade_ids)
    requests: dict[UUID, list[TradeRequest]] = {row.pk: [] for row in rows}
    for request in fetch_many(TradeRequest, by="trade", values=requests, order=("trade", "seq")):
        requests[request.trade_id].append(request)
    return {row.pk: LockedTrade(row, requests[row.pk]) for row in rows}


def lock_requests(request_ids: Collection[UUID]) -> dict[UUID, tuple[LockedTrade, TradeRequest]]:
    """Lock the trades of these requests and return each request with its trade."""
    trade_ids = TradeRequest.objects.filter(pk__in=request_ids).values_list("trade_id", flat=True)
    trades = lock_trades(set(trade_ids)).values()
    return {row.pk: (trade, row) for trade in trades for row in trade.requests if row.pk in request_ids}


def lock_leased(
    leases: Sequence[tuple[str, int]], *, stage: Stage | None = None
) -> list[tuple[LockedTrade, TradeRequest]]:
    """Lock the trades of these requests and return what is still to be done, in the order of `leases`.

    Left out, because somebody else did it, has it now, or took it away: requests at another stage than `stage` (sent,
    if none is given), under another lease, with an outcome, or parked. This guard is what makes a step safe to run any
    number of times.
    """
    wanted = {UUID(request_id): lease for request_id, lease in leases}
    found = lock_requests(wanted)
    work = [found[request_id] for request_id in wanted if request_id in found]
    return [
        (trade, row)
        for trade, row in work
        if row.lease == wanted[row.pk]
        and (row.stage == stage if stage else row.stage != Stage.SENT)
        and row.outcome is None
        and row.parked is None
    ]


def save(trades: Iterable[LockedTrade], *, at: datetime) -> None:
    """Write what became of the trades: their facts, what is due next, the timeline, executions and reports.

    Only rows that changed are written, and of them only the columns that did: what is not ours to change here, such as
    a lease that a dispatcher takes meanwhile, is never written back.
    """
    trades = list(trades)
    for trade in trades:
        _copy_facts(trade, at=at)
    changes = _changes([(trade.row, trade.loaded[trade.row.pk]) for trade in trades])
    changes |= _changes([(row, trade.loaded.get(row.pk, NEW)) for trade in trades for row in trade.requests])
    for (model, columns), rows in changes.items():
        update_many(model, key=["id"], columns=columns, rows=rows)
    insert_many([row for trade in trades for row in trade.requests if row.pk not in trade.loaded])
    insert_many([report for trade in trades for report in trade.reports])
    insert_many([execution for trade in trades for execution in trade.executions])
    insert_many([event for trade in trades for event in trade.events])
    if recorded := [trade for trade in trades if trade.events]:
        transaction.on_commit(partial(instrumentation.record, recorded), robust=True)


def _copy_facts(trade: LockedTrade, *, at: datetime) -> None:
    """Copy the state into the rows, with all that follows from it: status, hold, and what is due next."""
    row, before, after = trade.row, trade.saved, trade.state
    if after is not before:
        for name in FACTS:
            setattr(row, name, getattr(after, name))
        for request, was, now in zip(trade.requests, before.requests, after.requests, strict=True):
            if now is not was:
                reason = trade.reasons.get(request.pk)
                for name, value in schedule.request_changes(request, was, now, reason=reason, at=at).items():
                    setattr(request, name, value)
        row.check_at = schedule.next_check(
            before=before, after=after, planned=row.check_at, has_break=row.recon_break is not None, at=at
        )
    for request, columns in schedule.step_changes(trade.requests, urgent=trade.urgent, at=at):
        for name, value in columns.items():
            setattr(request, name, value)
    if trade.events:
        row.status = trade.events[-1].status  # that of the state: whatever changes it enters an event
    if after.side is Side.BUY:
        row.hold_cash = trade.blocked
    else:
        row.hold_shares = int(trade.blocked)
    row.revision, row.updated_at = trade.revision, trade.updated_at


def _changes(rows: Iterable[tuple[models.Model, Loaded]]) -> dict[Columns, list[tuple[Any, ...]]]:
    """Return the values that are not as they were loaded, by model and by which columns differ."""
    groups: dict[Columns, list[tuple[Any, ...]]] = defaultdict(list)
    for row, loaded in rows:
        values = row.__dict__
        if loaded and values != loaded:
            columns = tuple(name for name, value in values.items() if value != loaded[name])
            groups[type(row), columns].append((row.pk, *(values[name] for name in columns)))
    return groups
