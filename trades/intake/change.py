"""Accepting changes of a trade: amendments and cancellations, decided upon under its lock."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import OperationalError, connection

from brokerage.db.transactions import sqlstate_of
from brokerage.reasons import Code, Reason
from trades import lifecycle
from trades.core import repository
from trades.core.locked_trade import LockedTrade
from trades.intake.accept import Accepted, accept_once, new_request
from trades.intake.idempotency import RequestContext, StoredResponse
from trades.lifecycle import Kind, Stage, Status
from trades.models import Trade

LOCK_WAIT = "300ms"
"""How long an amendment or a cancellation waits for its trade: a web thread is not to be held by one trade."""

MAX_OPEN, MAX_REQUESTS = 20, 500
"""Instructions without an outcome, and all of them, that one trade may have when a further amendment comes."""

_LOCK_NOT_AVAILABLE = "55P03"


class ConflictError(Exception):
    """The call cannot be taken as things stand; nothing was kept."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.message)
        self.reason = reason


class TradeBusyError(Exception):
    """Somebody else has held the trade's lock for too long; nothing was kept. The same call may be made again."""


def amend(
    trade_id: UUID,
    *,
    context: RequestContext,
    quantity: int | None = None,
    remaining_quantity: int | None = None,
    price: Decimal | None = None,
    check: Callable[[Trade], None] = lambda trade: None,
) -> StoredResponse:
    """Accept an amendment. What is left out keeps the value last asked for; `remaining_quantity` is without the fills.

    Of several amendments that are not booked yet only the newest goes on. `check` may look at the locked trade and
    raise. Raises ConflictError (TRADE_FINISHED, NOTHING_TO_CHANGE, TOO_MANY_CHANGES), TradeBusyError, KeyBusyError,
    KeyReusedError.
    """
    terms: dict[str, Any] = {"quantity": quantity, "remaining_quantity": remaining_quantity, "price": price}
    return accept_once(partial(write_amend, trade_id, check=check, **terms), context)


def cancel(
    trade_id: UUID, *, context: RequestContext, check: Callable[[Trade], None] = lambda trade: None
) -> StoredResponse:
    """Accept a cancellation. A trade that was never sent ends here and now; otherwise the exchange is asked.

    Amendments that were not booked end, so that the cancellation goes next. While one is outstanding another changes
    nothing. Raises as `amend` does, but for TOO_MANY_CHANGES: a cancellation is always taken.
    """
    return accept_once(partial(write_cancel, trade_id, check=check), context)


def write_amend(
    trade_id: UUID,
    context: RequestContext,
    request_id: UUID,
    at: datetime,
    *,
    quantity: int | None = None,
    remaining_quantity: int | None = None,
    price: Decimal | None = None,
    check: Callable[[Trade], None] = lambda trade: None,
) -> Accepted:
    """Write an AMEND under the trade's lock, in the caller's transaction; see `amend`."""
    trade = _lock(trade_id, check)
    state = trade.state
    last_quantity, last_price = lifecycle.requested_terms(state)
    if remaining_quantity is not None:
        quantity = state.filled_quantity + remaining_quantity
    quantity = last_quantity if quantity is None else quantity
    price = last_price if price is None else price
    filled = lifecycle.status(state) is Status.FILLED
    if not (settings.AMEND_FILLED and filled and quantity > last_quantity):
        _must_be_open(state)
    if (quantity, price) == (last_quantity, last_price):
        raise ConflictError(Reason(Code.NOTHING_TO_CHANGE, "These are the terms last asked for already."))
    _must_not_be_too_many(state)
    _drop_unbooked_amends(trade, at=at)
    seq = len(trade.requests) + 1
    trade.add_request(new_request(trade.row, seq, request_id, Kind.AMEND, quantity, price, context, at), at=at)
    repository.save([trade], at=at)
    return trade.row, trade.requests


def write_cancel(
    trade_id: UUID,
    context: RequestContext,
    request_id: UUID,
    at: datetime,
    *,
    check: Callable[[Trade], None] = lambda trade: None,
) -> Accepted:
    """Write a CANCEL under the trade's lock, in the caller's transaction; see `cancel`."""
    trade = _lock(trade_id, check)
    state = trade.state
    _must_be_open(state)
    if any(r.kind is Kind.CANCEL and r.outcome is None for r in state.requests):
        return trade.row, trade.requests
    quantity, price = lifecycle.requested_terms(state)
    _drop_unbooked_amends(trade, at=at)
    seq = len(trade.requests) + 1
    request = new_request(trade.row, seq, request_id, Kind.CANCEL, quantity, price, context, at)
    trade.add_request(request, at=at)
    if state.new.stage in (Stage.RECEIVED, Stage.VALIDATED):
        trade.apply(lifecycle.CancelledLocally(str(request.pk)), at=at, request=request)
    repository.save([trade], at=at)
    return trade.row, trade.requests


def _lock(trade_id: UUID, check: Callable[[Trade], None]) -> LockedTrade:
    """Lock the trade, or give up soon. Raises TradeBusyError, and what `check` raises."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_WAIT])
    try:
        trade = repository.lock_trades([trade_id])[trade_id]
    except OperationalError as error:
        if sqlstate_of(error) == _LOCK_NOT_AVAILABLE:
            raise TradeBusyError from None
        raise
    check(trade.row)
    return trade


def _must_be_open(state: lifecycle.State) -> None:
    """Over means: filled or ended, and no amendment is on its way that could open it again."""
    waiting = any(r.kind is Kind.AMEND and r.outcome is None for r in state.requests)
    if lifecycle.is_ended(state) or (lifecycle.is_over(state) and not waiting):
        ended = lifecycle.status(state).replace("_", " ").lower()
        raise ConflictError(Reason(Code.TRADE_FINISHED, f"The trade is {ended}: this cannot be done any more."))


def _must_not_be_too_many(state: lifecycle.State) -> None:
    waiting = sum(request.outcome is None for request in state.requests)
    if waiting >= MAX_OPEN or len(state.requests) >= MAX_REQUESTS:
        text = f"A trade may have {MAX_OPEN} changes on their way and {MAX_REQUESTS} instructions in all."
        numbers = {"open": waiting, "all": len(state.requests)}
        raise ConflictError(Reason(Code.TOO_MANY_CHANGES, text, numbers))


def _drop_unbooked_amends(trade: LockedTrade, *, at: datetime) -> None:
    """Let amendments end that cannot be outside: what comes now says the same anew, or that nothing of it counts."""
    for facts in trade.state.requests:
        if facts.kind is Kind.AMEND and facts.outcome is None and facts.stage in (Stage.RECEIVED, Stage.VALIDATED):
            trade.apply(lifecycle.AmendDropped(facts.id), at=at, request=trade.request(facts.id))
