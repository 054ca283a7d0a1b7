"""Accepting: one commit and no broker. What the client asked for is written down, due now, and answered.

The process may die before the commit (nothing happened; the client asks again) or after it (the dispatcher finds the
request; the client asks again with the same key and gets the same answer).
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from itertools import count
from uuid import UUID

from django.db import connection, transaction
from structlog.contextvars import bound_contextvars
from uuid_utils.compat import uuid7

from brokerage.db import clock
from brokerage.db.transactions import opens_transaction
from brokerage.models import FeeSchedule
from brokerage.money import CURRENCY
from trades.core.instrumentation import record_accepted
from trades.core.representation import to_dict
from trades.intake import idempotency
from trades.intake.idempotency import RequestContext, StoredResponse
from trades.lifecycle import Kind, Status
from trades.models import Trade, TradeEvent, TradeRequest
from trades.models.reference import reference

NEWEST_LISTED = 25
"""Instructions that an answer of acceptance shows: it is stored with the key, for ever."""

Accepted = tuple[Trade, list[TradeRequest]]
"""A trade and all its requests, the one just accepted last, as they are after the commit."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a new trade is to be."""

    symbol: str
    side: str
    quantity: int
    price: Decimal
    time_in_force: str
    client_reference: str | None = None


def place(order: Order, *, context: RequestContext) -> StoredResponse:
    """Accept a new trade. Whether it can be done is decided by the pipeline. Raises KeyBusyError, KeyReusedError."""
    return accept_once(partial(write_trade, order), context)


def accept_once(write: Callable[[RequestContext, UUID, datetime], Accepted], context: RequestContext) -> StoredResponse:
    """Accept what `write` writes in one commit; with a key, at most once for ever, and the same bytes to every call.

    `write` gets the id of the request that it is to write, and the database's time.
    """
    at = clock.now()
    return _commit(write, context, new_id(at), at, runs=count())


@bound_contextvars(step="accept")
@opens_transaction
def _commit(
    write: Callable[[RequestContext, UUID, datetime], Accepted],
    context: RequestContext,
    request_id: UUID,
    at: datetime,
    *,
    runs: Iterator[int],
) -> StoredResponse:
    if context.key:
        idempotency.lock_key(context)
        if known := idempotency.stored_response(context):
            return known
    # Run again after a commit of which nobody heard the end: then the request is there.
    trade, requests = (next(runs) and _committed(request_id)) or write(context, request_id, at)
    shown = to_dict(trade, requests, now=at, newest=NEWEST_LISTED)
    response = StoredResponse(trade.pk, json.dumps(shown, separators=(",", ":")).encode(), trade.revision)
    if context.key:
        idempotency.store_response(context, response, now=at)
    if requests[-1].pk == request_id:
        transaction.on_commit(partial(record_accepted, trade, requests[-1]), robust=True)
    return response


def _committed(request_id: UUID) -> Accepted | None:
    """Return the trade of a request that an earlier run wrote; None if its commit never was."""
    requests = list(TradeRequest.objects.filter(trade__requests=request_id).select_related("trade").order_by("seq"))
    return (requests[0].trade, requests) if requests else None


def write_trade(order: Order, context: RequestContext, request_id: UUID, at: datetime) -> Accepted:
    """Write a new trade with its NEW, due now, and the first entry of its timeline, in the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('trades_reference')")
        [number] = cursor.fetchone()
    trade = Trade(
        id=new_id(at),
        reference=reference(number),
        trader_id=context.trader_id,
        symbol=order.symbol,
        side=order.side,
        time_in_force=order.time_in_force,
        currency=CURRENCY,
        channel=context.channel,
        client_reference=order.client_reference,
        quantity=order.quantity,
        price=order.price,
        status=Status.RECEIVED,
        revision=1,
        created_at=at,
        updated_at=at,
    )
    # Frozen: whatever becomes of the schedule, this trade keeps it.
    if fees := FeeSchedule.objects.filter(traders=context.trader_id).first():
        trade.fee_rate, trade.fee_minimum, trade.fee_cap = fees.rate, fees.minimum, fees.cap
    request = new_request(trade, 1, request_id, Kind.NEW, order.quantity, order.price, context, at)
    request.due_at = at
    trade.save(force_insert=True)
    request.save(force_insert=True)
    TradeEvent.objects.create(
        trade=trade, seq=1, kind="NEW_RECEIVED", request_id=request.pk, status=trade.status, at=at
    )
    return trade, [request]


def new_request(
    trade: Trade,
    seq: int,
    request_id: UUID,
    kind: Kind,
    quantity: int,
    price: Decimal,
    context: RequestContext,
    at: datetime,
) -> TradeRequest:
    return TradeRequest(
        id=request_id,
        trade=trade,
        seq=seq,
        kind=kind,
        quantity=quantity,
        price=price,
        channel=context.channel,
        placed_by=context.username,
        created_at=at,
    )


def new_id(at: datetime) -> UUID:
    """Return a UUIDv7 of this moment: ids sort by the database's clock, whichever host made them."""
    return uuid7(nanoseconds=int(at.timestamp() * 1e6) * 1_000)
