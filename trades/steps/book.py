"""Booking: block the money or the shares, and freeze what the exchange will be told. One commit for the batch.

From that commit on the request may be outside: the process may die right after it, and somebody else will send.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from brokerage.db.transactions import retrying
from brokerage.observability import metrics
from brokerage.reasons import Reason
from exchange.fix import messages
from exchange.fix.codes import MsgType
from holdings import services as holdings
from trades import lifecycle
from trades.core import repository
from trades.core.locked_trade import Docket
from trades.lifecycle import Kind, Side, Stage
from trades.models import TradeRequest
from trades.risk import checks
from trades.steps.leases import Claim
from wallets import services as wallets


@retrying
def book(claims: Sequence[Claim], *, now: datetime) -> None:
    """Take requests from VALIDATED to BOOKED, in order of arrival, or refuse them with nothing blocked."""
    with transaction.atomic(durable=True):
        work = repository.open_claimed(claims, stage=Stage.VALIDATED)
        if not work:
            return
        market_now = checks.load_market((docket for docket, _ in work), now=now)
        balances = _Balances(docket for docket, _ in work)
        for docket, request in work:
            reasons = checks.refusals(docket, request, market_now)
            needed = checks.increase(docket, request)
            if short := balances.block(docket, needed, refused=bool(reasons)):
                reasons.append(short)
            if reasons:
                docket.refuse(request, reasons, at=now)
            else:
                request.message = message(docket, request, now=now)
                request.unsent_lease = request.lease - 1
                docket.touch(request)
                event = lifecycle.Advanced(str(request.pk), Stage.BOOKED)
                docket.apply(event, kind="BOOKED", at=now, request=request, data={"blocked": str(needed)})
                docket.record_hold()
        balances.post()
        repository.write((docket for docket, _ in work), at=now)
    metrics.batch_size.labels("book").observe(len(work))


class _Balances:
    """The locked wallets of the buyers and holdings of the sellers in a batch: wallets first, then holdings."""

    def __init__(self, dockets: Iterable[Docket]) -> None:
        trades = [(docket.state.side, docket.trade) for docket in dockets]
        self._cash = wallets.open_ledger({trade.trader_id for side, trade in trades if side is Side.BUY})
        self._shares = holdings.open_ledger(
            {(trade.trader_id, trade.symbol) for side, trade in trades if side is Side.SELL}
        )

    def block(self, docket: Docket, needed: Decimal, *, refused: bool) -> Reason | None:
        """Block what is needed, unless the request is refused for other reasons already; say if it is not there."""
        trade, side = docket.trade, docket.state.side
        if side is Side.BUY:
            available = self._cash[trade.trader_id].available
        else:
            available = Decimal(self._shares[trade.trader_id, trade.symbol].available)
        short = checks.uncovered(side, needed=needed, available=available)
        if short or refused:
            return short
        cause: dict[str, Any] = {"trade_id": trade.pk, "trade_revision": docket.next_revision}  # BOOKED follows
        if side is Side.BUY:
            self._cash.block(trade.trader_id, needed, **cause)
        else:
            self._shares.block((trade.trader_id, trade.symbol), int(needed), **cause)
        return None

    def post(self) -> None:
        self._cash.post()
        self._shares.post()


def message(docket: Docket, request: TradeRequest, *, now: datetime) -> dict[str, Any]:
    """The message for the exchange, complete: every resend carries the same body."""
    trade = docket.trade
    terms: messages.Terms = {
        "cl_ord_id": request.pk,
        "account": trade.trader_id,
        "symbol": trade.symbol,
        "side": trade.side,
        "quantity": request.quantity,
        "price": request.price,
        "time_in_force": trade.time_in_force,
        "transact_time": now,
        "trade_id": trade.pk,
    }
    if request.kind == Kind.NEW:
        return {"MsgType": MsgType.NEW_ORDER_SINGLE, "Body": messages.new_order_single(**terms)}
    original = lifecycle.original_id(docket.state, request.seq)
    if request.kind == Kind.AMEND:
        body = messages.order_cancel_replace_request(orig_cl_ord_id=original, **terms)
        return {"MsgType": MsgType.ORDER_CANCEL_REPLACE_REQUEST, "Body": body}
    body = messages.order_cancel_request(
        cl_ord_id=request.pk,
        orig_cl_ord_id=original,
        symbol=trade.symbol,
        side=trade.side,
        quantity=trade.quantity,
        transact_time=now,
        trade_id=trade.pk,
    )
    return {"MsgType": MsgType.ORDER_CANCEL_REQUEST, "Body": body}
