"""Validating: refuse early, without blocking anything, what booking would refuse at this moment."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from brokerage.db.transactions import retrying
from brokerage.observability import metrics
from brokerage.reasons import Reason
from holdings import selectors as holdings
from trades import lifecycle
from trades.core import repository
from trades.core.locked_trade import Docket
from trades.lifecycle import Side, Stage
from trades.models import TradeRequest
from trades.risk import checks
from trades.steps.leases import Claim
from wallets import selectors as wallets


@retrying
def validate(claims: Sequence[Claim], *, now: datetime) -> None:
    """Take requests from RECEIVED to VALIDATED, or refuse them with every reason that applies."""
    with transaction.atomic(durable=True):
        work = repository.open_claimed(claims, stage=Stage.RECEIVED)
        if not work:
            return
        dockets = [docket for docket, _ in work]
        market_now = checks.load_market(dockets, now=now)
        available = _available(dockets)
        for docket, request in work:
            reasons = checks.refusals(docket, request, market_now)
            if short := _short(docket, request, available):
                reasons.append(short)
            if reasons:
                docket.refuse(request, reasons, at=now)
            else:
                event = lifecycle.Advanced(str(request.pk), Stage.VALIDATED)
                docket.apply(event, kind="VALIDATED", at=now, request=request)
        repository.write(dockets, at=now)
    metrics.batch_size.labels("validate").observe(len(work))


Available = dict[tuple[int, str], Decimal]
"""What a trader could block now, by trader and symbol; the symbol is empty for money."""


def _available(dockets: Sequence[Docket]) -> Available:
    buyers = {d.trade.trader_id for d in dockets if d.state.side is Side.BUY}
    sold = {(d.trade.trader_id, d.trade.symbol) for d in dockets if d.state.side is Side.SELL}
    money = {(trader_id, ""): wallet.available for trader_id, wallet in wallets.wallets_of(buyers).items()}
    shares = {key: Decimal(holding.available) for key, holding in holdings.holdings_by_key(sold).items()}
    return money | shares


def _short(docket: Docket, request: TradeRequest, available: Available) -> Reason | None:
    if request.kind == lifecycle.Kind.CANCEL:
        return None
    symbol = "" if docket.state.side is Side.BUY else docket.trade.symbol
    needed = checks.increase(docket, request)
    return checks.uncovered(docket.state.side, needed=needed, available=available[docket.trade.trader_id, symbol])
