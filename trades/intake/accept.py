"""Accepting: one commit and no broker. What the client asked for is written down, due now, and answered.

The process may die before the commit (nothing happened; the client asks again) or after it (the dispatcher finds the
request; the client asks again with the same key and gets the same answer).
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import count
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from structlog.contextvars import bound_contextvars
from uuid_utils.compat import uuid7

from brokerage.db.transactions import retrying
from brokerage.money import CURRENCY
from brokerage.reasons import Code, Reason
from brokerage.traders import fee_schedule_of
from trades import lifecycle
from trades.core import repository
from trades.core.instrumentation import tell_accepted
from trades.core.locked_trade import Docket
from trades.intake import idempotency
from trades.intake.idempotency import Answer, Caller
from trades.lifecycle import Kind, Stage, Status
from trades.models import Trade, TradeEvent, TradeRequest
from trades.models.reference import reference
from trades.queries import selectors


class ConflictError(Exception):
    """The call cannot be taken as things stand; nothing was kept."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.message)
        self.reason = reason


class TradeBusyError(Exception):
    """Somebody else holds the trade's lock for longer than a call may wait; nothing was kept."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a new trade is to be."""

    symbol: str
    side: str
    quantity: int
    price: Decimal
    time_in_force: str
    client_reference: str | None = None


def place(order: Order, *, caller: Caller, now: datetime) -> Answer:
    """Accept a new trade. Whether it can be done is decided by the pipeline. Raises KeyBusyError, KeyReusedError."""
    request_id = uuid7()

    def accept() -> tuple[Trade, list[TradeRequest]]:
        trade, request = _new_trade(order, caller, now, request_id)
        trade.save(force_insert=True)
        request.save(force_insert=True)
        TradeEvent.objects.create(
            trade=trade, seq=1, kind="NEW_RECEIVED", request_id=request.pk, status=trade.status, at=now
        )
        return trade, [request]

    return _once(caller, request_id, accept, now=now)


def amend(
    trade_id: UUID,
    *,
    caller: Caller,
    now: datetime,
    quantity: int | None = None,
    remaining_quantity: int | None = None,
    price: Decimal | None = None,
    check: Callable[[Trade], None] = lambda trade: None,
) -> Answer:
    """Accept an amendment. What is left out keeps the value last asked for; `remaining_quantity` is without the fills.

    `check` may look at the locked trade and raise. Raises ConflictError (TRADE_FINISHED, NOTHING_TO_CHANGE),
    KeyBusyError, KeyReusedError.
    """
    request_id = uuid7()

    def accept() -> tuple[Trade, list[TradeRequest]]:
        docket = _open(trade_id, check)
        state = docket.state
        asked_quantity, asked_price = lifecycle.wished(state)
        if remaining_quantity is not None:
            new_quantity = state.filled_quantity + remaining_quantity
        else:
            new_quantity = asked_quantity if quantity is None else quantity
        new_price = asked_price if price is None else price
        filled = lifecycle.status(state) is Status.FILLED
        if not (settings.AMEND_FILLED and filled and new_quantity > asked_quantity):
            _must_be_open(state)
        if (new_quantity, new_price) == (asked_quantity, asked_price):
            raise ConflictError(Reason(Code.NOTHING_TO_CHANGE, "These are the terms last asked for already."))
        _ask(docket, Kind.AMEND, request_id, quantity=new_quantity, price=new_price, caller=caller, now=now)
        repository.write([docket], at=now)
        return docket.trade, docket.requests

    return _once(caller, request_id, accept, now=now)


def cancel(
    trade_id: UUID, *, caller: Caller, now: datetime, check: Callable[[Trade], None] = lambda trade: None
) -> Answer:
    """Accept a cancellation. A trade that was never sent ends here and now; otherwise the exchange is asked.

    While a cancellation is outstanding another one changes nothing. Raises as `amend` does.
    """
    request_id = uuid7()

    def accept() -> tuple[Trade, list[TradeRequest]]:
        docket = _open(trade_id, check)
        state = docket.state
        _must_be_open(state)
        if any(r.kind is Kind.CANCEL and r.outcome is None for r in state.requests):
            return docket.trade, docket.requests
        quantity, price = lifecycle.wished(state)
        request = _ask(docket, Kind.CANCEL, request_id, quantity=quantity, price=price, caller=caller, now=now)
        if state.new.stage in (Stage.RECEIVED, Stage.VALIDATED):
            event = lifecycle.Withdrawn(str(request.pk))
            docket.apply(event, kind="WITHDRAWN", at=now, request=request)
        docket.make_way(at=now)
        repository.write([docket], at=now)
        return docket.trade, docket.requests

    return _once(caller, request_id, accept, now=now)


def _once(
    caller: Caller, request_id: UUID, accept: Callable[[], tuple[Trade, list[TradeRequest]]], *, now: datetime
) -> Answer:
    """Accept in one commit; with a key, at most once for ever, and the same bytes to every later call.

    `request_id` is what `accept` will write: run again after a commit of which nobody heard the end, it is there.
    """
    runs = count()

    @bound_contextvars(step="accept")
    @retrying
    def accept_once() -> Answer:
        with transaction.atomic(durable=True):
            if caller.key:
                idempotency.take(caller)
                if known := idempotency.known_answer(caller):
                    return known
            trade, requests = (next(runs) and _committed(request_id)) or accept()
            picture = selectors.picture(trade, requests, now=now)
            answer = Answer(trade.pk, json.dumps(picture, separators=(",", ":")).encode())
            if caller.key:
                idempotency.keep(caller, answer, now=now)
        if requests[-1].pk == request_id:
            tell_accepted(trade, requests[-1])
        return answer

    return accept_once()


def _committed(request_id: UUID) -> tuple[Trade, list[TradeRequest]] | None:
    """The trade of a request that an earlier run wrote; None if its commit never was."""
    requests = list(TradeRequest.objects.filter(trade__requests=request_id).select_related("trade").order_by("seq"))
    return (requests[0].trade, requests) if requests else None


def _new_trade(order: Order, caller: Caller, now: datetime, request_id: UUID) -> tuple[Trade, TradeRequest]:
    trade = Trade(
        id=uuid7(),
        reference=reference(_next_number()),
        trader_id=caller.trader_id,
        symbol=order.symbol,
        side=order.side,
        time_in_force=order.time_in_force,
        currency=CURRENCY,
        channel=caller.channel,
        client_reference=order.client_reference,
        quantity=order.quantity,
        price=order.price,
        status=Status.RECEIVED,
        revision=1,
        created_at=now,
        updated_at=now,
    )
    if fees := fee_schedule_of(caller.trader_id):  # frozen: whatever becomes of the schedule, this trade keeps it
        trade.fee_rate, trade.fee_minimum, trade.fee_cap = fees.rate, fees.minimum, fees.cap
    return trade, _new_request(request_id, trade, 1, Kind.NEW, order.quantity, order.price, caller, now, due_at=now)


def _new_request(
    request_id: UUID,
    trade: Trade,
    seq: int,
    kind: Kind,
    quantity: int,
    price: Decimal,
    caller: Caller,
    now: datetime,
    due_at: datetime | None = None,
) -> TradeRequest:
    return TradeRequest(
        id=request_id,
        trade=trade,
        seq=seq,
        kind=kind,
        quantity=quantity,
        price=price,
        channel=caller.channel,
        placed_by=caller.username,
        due_at=due_at,
        created_at=now,
    )


def _next_number() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('trades_reference')")
        number: int = cursor.fetchone()[0]
    return number


def _open(trade_id: UUID, check: Callable[[Trade], None]) -> Docket:
    docket = repository.open_dockets([trade_id])[trade_id]
    check(docket.trade)
    return docket


def _must_be_open(state: lifecycle.State) -> None:
    """Over means: filled or ended, and no amendment is on its way that could open it again."""
    waiting = any(r.kind is Kind.AMEND and r.outcome is None for r in state.requests)
    if lifecycle.is_ended(state) or (lifecycle.is_over(state) and not waiting):
        ended = lifecycle.status(state).replace("_", " ").lower()
        raise ConflictError(Reason(Code.TRADE_FINISHED, f"The trade is {ended}: this cannot be done any more."))


def _ask(
    docket: Docket, kind: Kind, request_id: UUID, *, quantity: int, price: Decimal, caller: Caller, now: datetime
) -> TradeRequest:
    """Put a request at the end of the trade's chain, in the facts, the rows and the timeline."""
    request = _new_request(request_id, docket.trade, len(docket.requests) + 1, kind, quantity, price, caller, now)
    request.save(force_insert=True)
    docket.requests.append(request)
    facts = lifecycle.Request(id=str(request.pk), seq=request.seq, kind=kind, quantity=quantity, price=price)
    docket.apply(lifecycle.Asked(facts), kind=f"{kind}_RECEIVED", at=now, request=request)
    return request
