"""Parking by hand: staff take a request out of the pipeline, or put it back."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from structlog.contextvars import bound_contextvars

from brokerage.db import retrying
from brokerage.reasons import Code, Reason
from trades import store
from trades.docket import Docket
from trades.lifecycle import Stage
from trades.models import TradeRequest


@bound_contextvars(step="park")
@retrying
def park(request_id: UUID, *, why: str, now: datetime) -> bool:
    """Park a request that the pipeline still has to finish. False when there is nothing to park."""
    with transaction.atomic(durable=True):
        docket, row = _open(request_id)
        if row.stage == Stage.SENT or row.outcome is not None or row.parked is not None:
            return False
        docket.park(row, Reason(Code.PARKED_BY_STAFF, why), at=now)
        store.write([docket], at=now)
        return True


@bound_contextvars(step="park")
@retrying
def unpark(request_id: UUID, *, now: datetime) -> bool:
    """Let a parked request go on from the stage it had reached. False when it is not parked."""
    with transaction.atomic(durable=True):
        docket, row = _open(request_id)
        if row.parked is None:
            return False
        docket.unpark(row, at=now)
        store.write([docket], at=now)
        return True


def _open(request_id: UUID) -> tuple[Docket, TradeRequest]:
    return store.open_rows([request_id])[request_id]
