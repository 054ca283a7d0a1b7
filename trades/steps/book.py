"""Booking: block the money or the shares, and freeze what the exchange will be told. One commit for the batch.

From that commit on the request may be outside: the process may die right after it, and somebody else will send.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from django.db import transaction

from brokerage.db.transactions import opens_transaction
from brokerage.observability import metrics
from trades import lifecycle
from trades.core import repository
from trades.core.gateway import order_body
from trades.core.settlement import Ledgers, posting
from trades.lifecycle import Side, Stage
from trades.risk import checks
from trades.steps.leases import Lease


@opens_transaction
def book(leases: Sequence[Lease], *, now: datetime) -> None:
    """Take requests from VALIDATED to BOOKED, in order of arrival, or refuse them with nothing blocked."""
    work = repository.lock_leased(leases, stage=Stage.VALIDATED)
    if not work:
        return
    trades = [trade for trade, _ in work]
    market = checks.load_market(trades, now=now)
    rows = [trade.row for trade in trades]
    ledgers = Ledgers(
        cash_of=[row for row in rows if row.side == Side.BUY], shares_of=[row for row in rows if row.side == Side.SELL]
    )
    for trade, request in work:
        needed, found = checks.check(trade, request, market, available=ledgers.available(trade.row))
        if found:
            checks.deny(trade, request, found, at=now)
            continue
        request.message = order_body(trade, request, at=now)
        request.unsent_lease = request.lease - 1
        event = lifecycle.StageCompleted(str(request.pk), Stage.BOOKED)
        revision = trade.apply(event, at=now, request=request, data={"blocked": str(needed)})
        ledgers.post(posting(trade, revision, hold_change=needed), on_credit=False)
    ledgers.save(at=now)
    repository.save(trades, at=now)
    transaction.on_commit(partial(metrics.batch_size.labels("book").observe, len(work)))
