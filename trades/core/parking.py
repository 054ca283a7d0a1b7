"""Parking: a request waits for a person. By hand, after failures, or because the exchange does not answer.

Its stage and its hold stay. `park` and `unpark` are transitions of a locked trade; the others open a transaction.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from structlog.contextvars import bound_contextvars

from brokerage.db import clock
from brokerage.db.transactions import opens_transaction
from brokerage.reasons import Code, Reason
from trades.core import repository
from trades.core.locked_trade import LockedTrade
from trades.core.schedule import unsent_from
from trades.lifecycle import Stage
from trades.models import TradeRequest

UNCONFIRMED = Reason(Code.UNCONFIRMED, "The exchange was asked again and again, and does not say what became of it.")


def park(trade: LockedTrade, request: TradeRequest, reason: Reason, *, at: datetime) -> None:
    """Take a request out of the pipeline until a person looks at it. One that may be outside is asked about, too."""
    request.parked = {"since": at.isoformat(), "code": str(reason.code), "message": reason.message}
    if request.stage == Stage.BOOKED:
        request.check_at = unsent_from(request)
    trade.record("PARKED", at=at, request=request, data=request.parked)


def unpark(trade: LockedTrade, request: TradeRequest, *, at: datetime) -> None:
    """Put a parked request back to work; its attempts count from nothing again, and so do checks of it."""
    request.parked, request.attempts, request.checks = None, 0, 0
    request.check_at = at if request.stage == Stage.SENT else None
    trade.record("UNPARKED", at=at, request=request)


@bound_contextvars(step="park")
@opens_transaction
def park_by_hand(request_id: UUID, *, why: str) -> bool:
    """Park a request that the pipeline still has to finish. False when there is nothing to park."""
    now = clock.now()
    trade, row = repository.lock_requests([request_id])[request_id]
    if row.stage == Stage.SENT or row.outcome is not None or row.parked is not None:
        return False
    park(trade, row, Reason(Code.PARKED_BY_STAFF, why), at=now)
    repository.save([trade], at=now)
    return True


@bound_contextvars(step="park")
@opens_transaction
def unpark_by_hand(request_id: UUID) -> bool:
    """Let a parked request go on from the stage it had reached: if it was sent, the exchange is asked about it now.

    False when it is not parked.
    """
    now = clock.now()
    trade, row = repository.lock_requests([request_id])[request_id]
    if row.parked is None:
        return False
    unpark(trade, row, at=now)
    repository.save([trade], at=now)
    return True


@bound_contextvars(step="park")
@opens_transaction
def park_unconfirmed(request_ids: Iterable[UUID]) -> None:
    """Let a person look at requests that were asked about often enough. They keep their holds, and are asked about on.

    An answer that comes after all settles the matter.
    """
    wanted = list(request_ids)
    if not wanted:
        return
    now = clock.now()
    found = repository.lock_requests(wanted).values()
    for trade, row in found:
        if row.outcome is None and row.parked is None and row.stage in (Stage.BOOKED, Stage.SENT):
            park(trade, row, UNCONFIRMED, at=now)
    repository.save({trade.row.pk: trade for trade, _ in found}.values(), at=now)
