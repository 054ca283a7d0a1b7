"""Parking: a request waits for a person. By hand, or because the exchange does not say what became of it."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import transaction
from structlog.contextvars import bound_contextvars

from brokerage.db.transactions import retrying
from brokerage.reasons import Code, Reason
from trades.core import repository
from trades.core.locked_trade import Docket
from trades.lifecycle import Stage
from trades.models import TradeRequest

_UNCONFIRMED = Reason(Code.UNCONFIRMED, "The exchange was asked again and again, and does not say what became of it.")


@bound_contextvars(step="park")
@retrying
def park(request_id: UUID, *, why: str, now: datetime) -> bool:
    """Park a request that the pipeline still has to finish. False when there is nothing to park."""
    with transaction.atomic(durable=True):
        docket, row = _open(request_id)
        if row.stage == Stage.SENT or row.outcome is not None or row.parked is not None:
            return False
        docket.park(row, Reason(Code.PARKED_BY_STAFF, why), at=now)
        repository.write([docket], at=now)
        return True


@bound_contextvars(step="park")
@retrying
def unpark(request_id: UUID, *, now: datetime) -> bool:
    """Let a parked request go on from the stage it had reached: if it was sent, the exchange is asked about it now.

    False when it is not parked.
    """
    with transaction.atomic(durable=True):
        docket, row = _open(request_id)
        if row.parked is None:
            return False
        docket.unpark(row, at=now)
        repository.write([docket], at=now)
        return True


@bound_contextvars(step="park")
@retrying
def set_unconfirmed_aside(request_ids: Iterable[UUID], *, now: datetime) -> None:
    """Let a person look at requests that were asked about often enough. They keep their holds, and are asked about on.

    An answer that comes after all settles the matter.
    """
    wanted = list(request_ids)
    if not wanted:
        return
    with transaction.atomic(durable=True):
        rows = repository.open_rows(wanted)
        for docket, row in rows.values():
            if row.outcome is None and row.parked is None and row.stage in (Stage.BOOKED, Stage.SENT):
                docket.park(row, _UNCONFIRMED, at=now)
        repository.write((docket for docket, _ in rows.values()), at=now)


def _open(request_id: UUID) -> tuple[Docket, TradeRequest]:
    return repository.open_rows([request_id])[request_id]
