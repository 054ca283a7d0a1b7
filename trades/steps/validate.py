"""Validating: refuse early, without blocking anything, what booking would refuse at this moment."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from uuid import UUID

from django.db import transaction

from brokerage.db.transactions import opens_transaction
from brokerage.observability import metrics
from holdings import selectors as holdings
from trades import lifecycle
from trades.core import repository
from trades.core.locked_trade import LockedTrade
from trades.lifecycle import Side, Stage
from trades.risk import checks
from trades.steps.leases import Lease
from wallets import selectors as wallets


@opens_transaction
def validate(leases: Sequence[Lease], *, now: datetime) -> None:
    """Take requests from RECEIVED to VALIDATED, or refuse them with every reason that applies."""
    work = repository.lock_leased(leases, stage=Stage.RECEIVED)
    if not work:
        return
    trades = [trade for trade, _ in work]
    market = checks.load_market(trades, now=now)
    available = _available(trades)
    for trade, request in work:
        _, found = checks.check(trade, request, market, available=available[trade.row.pk])
        if found:
            checks.deny(trade, request, found, at=now)
        else:
            event = lifecycle.StageCompleted(str(request.pk), Stage.VALIDATED)
            trade.apply(event, at=now, request=request)
    repository.save(trades, at=now)
    transaction.on_commit(partial(metrics.batch_size.labels("validate").observe, len(work)))


def _available(trades: Iterable[LockedTrade]) -> dict[UUID, Decimal]:
    """Return what each trade could block now, by its id; read without locks."""
    buys = [trade.row for trade in trades if trade.row.side == Side.BUY]
    sells = [trade.row for trade in trades if trade.row.side == Side.SELL]
    found: dict[UUID, Decimal] = {}
    if buys:
        cash = wallets.available_cash({row.trader_id for row in buys})
        found |= {row.pk: cash[row.trader_id] for row in buys}
    if sells:
        shares = holdings.available_shares({(row.trader_id, row.symbol) for row in sells})
        found |= {row.pk: Decimal(shares[row.trader_id, row.symbol]) for row in sells}
    return found
