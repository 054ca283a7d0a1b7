"""Trades opened for change: the one place that reads their facts under the lock and writes what became of them.

    with transaction.atomic(durable=True):
        dockets = store.open_dockets(trade_ids)
        docket.apply(lifecycle event, …)
        store.write(dockets)

A constant number of statements, however many trades.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from django.db import transaction

from brokerage.db.bulk import fetch_many, insert_many, update_many
from brokerage.db.locks import lock_many
from brokerage.db.transactions import transaction_required
from trades.core.facts import FACTS
from trades.core.instrumentation import tell
from trades.core.locked_trade import Docket
from trades.core.schedule import is_unfinished
from trades.lifecycle import Stage
from trades.models import Trade, TradeRequest

_DERIVED = ("reason", "status", "hold_cash", "hold_shares", "revision", "updated_at")
_TRADE_COLUMNS = (*FACTS, *_DERIVED, "check_at", "recon_break")
_REACHED = ("stage", "outcome", "pending", "reason", "parked", "message", "attempts", "reached_at", "sent_at")
_REQUEST_COLUMNS = (*_REACHED, "check_at", "checks", "unsent_lease")


@transaction_required
def open_dockets(trade_ids: Collection[UUID]) -> dict[UUID, Docket]:
    """Lock the trades in the order of their ids and return each with its requests. Unknown ids are left out."""
    trades = {trade.pk: trade for trade in lock_many(Trade, trade_ids)}
    requests: dict[UUID, list[TradeRequest]] = {pk: [] for pk in trades}
    for row in fetch_many(TradeRequest, by="trade", values=requests, order=["trade", "seq"]):
        requests[row.trade_id].append(row)
    return {pk: Docket(trade, requests[pk]) for pk, trade in trades.items()}


@transaction_required
def open_claimed(claims: Sequence[tuple[str, int]], *, stage: Stage | None = None) -> list[tuple[Docket, TradeRequest]]:
    """Lock the trades of these requests and return what is still to be done, in the order of `claims`.

    Left out, because somebody else did it, has it now, or took it away: requests at another stage than `stage` (sent,
    if none is given), under another claim, with an outcome, or parked. This guard is what makes a step safe to run any
    number of times.
    """
    wanted = {UUID(request_id): claim for request_id, claim in claims}
    rows = open_rows(wanted)
    work = [rows[request_id] for request_id in wanted if request_id in rows]
    return [(docket, row) for docket, row in work if row.lease == wanted[row.pk] and is_unfinished(row, stage)]


@transaction_required
def open_rows(request_ids: Collection[UUID]) -> dict[UUID, tuple[Docket, TradeRequest]]:
    """Lock the trades of these requests and return each request with its trade's docket."""
    trade_ids = TradeRequest.objects.filter(pk__in=request_ids).values_list("trade_id", flat=True)
    dockets = open_dockets(set(trade_ids))
    rows = ((docket, row) for docket in dockets.values() for row in docket.requests)
    return {row.pk: (docket, row) for docket, row in rows if row.pk in request_ids}


@transaction_required
def write(dockets: Iterable[Docket], *, at: datetime) -> None:
    """Write every changed docket: trades, requests, what is due next, timeline, executions, reports."""
    changed = [docket for docket in dockets if docket.changed]
    if not changed:
        return
    update_many(
        Trade,
        key=["id"],
        columns=_TRADE_COLUMNS,
        rows=[(d.trade.pk, *(getattr(d.trade, name) for name in _TRADE_COLUMNS)) for d in changed],
    )
    planned = [docket.plan_steps(at=at) for docket in changed]
    # A row may not be finished and due at once, not even for one statement: clear first, set last.
    _set_due((row, None) for cleared, _ in planned for row in cleared)
    update_many(
        TradeRequest,
        key=["id"],
        columns=_REQUEST_COLUMNS,
        rows=[
            (row.pk, *(getattr(row, name) for name in _REQUEST_COLUMNS))
            for docket in changed
            for row in docket.changed_requests()
        ],
    )
    _set_due(due for _, following in planned for due in following)
    insert_many([report for docket in changed for report in docket.reports])
    insert_many([execution for docket in changed for execution in docket.executions])
    insert_many([event for docket in changed for event in docket.events])
    transaction.on_commit(partial(tell, changed), robust=True)


def _set_due(times: Iterable[tuple[TradeRequest, datetime | None]]) -> None:
    update_many(TradeRequest, key=["id"], columns=["due_at"], rows=[(row.pk, due_at) for row, due_at in times])
