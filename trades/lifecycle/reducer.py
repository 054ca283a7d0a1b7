"""What may happen to a trade: `apply(state, event)`, the only function that changes facts.

The rules follow FIX 5.0 SP2, "Order State Changes". A fact from the exchange is never refused: what is odd about it
comes back as an anomaly.
"""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from brokerage.money import ZERO, plain, rounded_value
from trades.lifecycle.derived import OUTSIDE, is_ended, status
from trades.lifecycle.facts import (
    AmendDropped,
    Anomaly,
    CancelledLocally,
    Denied,
    Event,
    Executed,
    Kind,
    NotReceived,
    Outcome,
    Report,
    Reported,
    Request,
    RequestAdded,
    Side,
    Stage,
    StageCompleted,
    State,
    TimeInForce,
)


def apply(state: State, event: Event) -> tuple[State, tuple[Anomaly, ...]]:
    """Return the facts after `event`, and what was odd about it. Never raises for a report of the exchange."""
    match event:
        case RequestAdded(request):
            return replace(state, requests=(*state.requests, request)), ()
        case StageCompleted(request_id, stage):
            return _change(state, request_id, stage=stage), ()
        case Denied(request_id):
            refused = _change(state, request_id, outcome=Outcome.REJECTED)
            return (_end(replace(refused, rejected=True)) if request_id == state.requests[0].id else refused), ()
        case CancelledLocally(request_id):
            ended = _change(state, state.requests[0].id, outcome=Outcome.CANCELED)
            ended = _change(ended, request_id, outcome=Outcome.ACCEPTED)
            return _end(replace(ended, cancelled=True)), ()
        case AmendDropped(request_id):
            return _change(state, request_id, outcome=Outcome.CANCELED), ()
        case NotReceived(request_id):
            return _not_received(state, request_id), ()
        case Report():
            return _report(state, event)


def _report(state: State, report: Report) -> tuple[State, tuple[Anomaly, ...]]:
    named = _meant(state, report)
    for heard_of in (_request(state, report.request_id), named):
        if heard_of is not None and heard_of.stage is not Stage.SENT:
            state = _change(state, heard_of.id, stage=Stage.SENT)  # that it is named proves that it was sent
    match report.kind:
        case Reported.PENDING_NEW | Reported.STATUS:
            return state, ()
        case Reported.NEW:
            return _answered(state), ()
        case Reported.REJECTED if named is not None and named.kind is not Kind.NEW:
            return _cancel_rejected(state, named)
        case Reported.REJECTED:
            return _rejected(state)
        case Reported.FILL | Reported.CORRECTED | Reported.BUSTED:
            return _executed(state, report)
        case Reported.PENDING_REPLACE | Reported.PENDING_CANCEL:
            return (_change(state, named.id, pending=True) if named and named.outcome is None else state), ()
        case Reported.REPLACED:
            return _replaced(_answered(state), named, report), ()
        case Reported.CANCELED:
            return _canceled(_answered(state), named), ()
        case Reported.CANCEL_REJECTED:
            return _cancel_rejected(state, named)
        case Reported.EXPIRED:
            return _end(replace(_answered(state), expired=not state.cancelled)), ()
        case Reported.DONE_FOR_DAY | Reported.SUSPENDED | Reported.RESTATED:
            return _declared(_answered(state), report), ()


_ANSWERS_A = {
    Reported.PENDING_REPLACE: Kind.AMEND,
    Reported.REPLACED: Kind.AMEND,
    Reported.PENDING_CANCEL: Kind.CANCEL,
    Reported.CANCELED: Kind.CANCEL,
}


def _meant(state: State, report: Report) -> Request | None:
    """The request that a report is about. What answers an amendment or a cancellation may name the order only.

    Then it is the first that is outstanding; of several amendments the first to these terms, if there is one.
    """
    named, kind = _request(state, report.request_id), _ANSWERS_A.get(report.kind)
    if kind is None or (named is not None and named.kind is kind):
        return named
    waiting = [
        request
        for request in state.requests
        if request.kind is kind and request.outcome is None and request.stage in OUTSIDE
    ]
    fitting = [r for r in waiting if report.quantity in (None, r.quantity) and report.price in (None, r.price)]
    return next(iter(fitting or waiting), None)


def _not_received(state: State, request_id: str) -> State:
    """The request goes back to where it may be sent; unless it was answered meanwhile, which proves that it came."""
    request = _request(state, request_id)
    if request is None or request.outcome is not None or request.stage is not Stage.SENT:
        return state
    return _change(state, request_id, stage=Stage.BOOKED, pending=False)


def _answered(state: State) -> State:
    """The exchange knows the order: its NEW was sent and is accepted."""
    state = replace(state, acked=True)
    if state.requests[0].outcome is None:
        return _change(state, state.requests[0].id, stage=Stage.SENT, outcome=Outcome.ACCEPTED)
    return state


def _rejected(state: State) -> tuple[State, tuple[Anomaly, ...]]:
    """The NEW is refused, even after an ack. What was executed stays: then the trade is cancelled, and that is odd."""
    state = _change(state, state.requests[0].id, stage=Stage.SENT, outcome=Outcome.REJECTED)
    if state.cancelled or state.expired:
        return state, ()
    if not state.filled_quantity:
        return _end(replace(state, rejected=True)), ()
    odd = Anomaly("REJECTED_AFTER_FILL", {"filled_quantity": state.filled_quantity})
    return _end(replace(state, cancelled=True)), (odd,)


def _executed(before: State, report: Report) -> tuple[State, tuple[Anomaly, ...]]:
    """Shares changed hands; or they did at other terms, or not at all. It counts, whatever the trade has come to."""
    new = Executed(report.quantity or 0, report.price or ZERO) if report.kind is not Reported.BUSTED else Executed()
    old = report.replaces
    state = _answered(before)
    filled = state.filled_quantity + new.quantity - old.quantity
    anomalies = _anomalies(before, report.kind, new, more=new.quantity - old.quantity)
    state = replace(
        state,
        filled_quantity=filled,
        filled_value=state.filled_value
        + rounded_value(new.quantity, new.price)
        - rounded_value(old.quantity, old.price),
        filled_notional=state.filled_notional + new.quantity * new.price - old.quantity * old.price,
    )
    if state.terms_quantity is not None:
        state = replace(state, quantity=max(filled, state.terms_quantity))
    if state.rejected and filled:  # a refused order executes nothing: it was one, and ended
        state = replace(state, rejected=False, cancelled=True)
    return state, anomalies


def _anomalies(state: State, kind: Reported, new: Executed, *, more: int) -> tuple[Anomaly, ...]:
    """Return what is odd about an execution, `more` being what it adds to those there were."""
    found = []
    if kind is not Reported.FILL and state.filled_quantity >= state.quantity:
        found.append(Anomaly("REVISED_AFTER_FILLED", {"quantity": more}))
    worse = new.price > state.price if state.side is Side.BUY else new.price < state.price
    if new.quantity and worse:
        found.append(Anomaly("FILL_BEYOND_LIMIT", {"price": plain(new.price), "limit": plain(state.price)}))
    over = min(more, state.filled_quantity + more - state.quantity)
    if over > 0:
        found.append(Anomaly("OVERFILL", {"quantity": over}))
    if more > 0 and is_ended(state):
        found.insert(0, Anomaly("FILL_AFTER_END", {"quantity": more, "status": str(status(state))}))
    elif more > 0 and not state.acked:
        found.insert(0, Anomaly("FILL_BEFORE_ACK", {"quantity": more}))
    return tuple(found)


def _replaced(state: State, named: Request | None, report: Report) -> State:
    """An amendment is live. A late answer to an earlier one than the terms in force only closes that request."""
    if named is not None:
        late = named.seq < state.terms_seq
        state = _change(state, named.id, outcome=Outcome.ACCEPTED)
        if late:
            return state
        state = replace(state, terms_seq=named.seq)
        return _terms(state, report.quantity or named.quantity, report.price or named.price)
    return _terms(state, report.quantity, report.price)


def _terms(state: State, quantity: int | None, price: Decimal | None) -> State:
    """Put new terms in force. A quantity at or below what is filled means: cancel the balance.

    Should executions be busted afterwards, what is open again is what the exchange's own terms leave open.
    """
    if quantity:
        closes = quantity <= state.filled_quantity
        state = replace(
            state, quantity=max(quantity, state.filled_quantity), terms_quantity=quantity if closes else None
        )
    return replace(state, price=price) if price else state


def _canceled(state: State, named: Request | None) -> State:
    """The order ended, on request (of the CANCEL `named`) or unasked."""
    if named is not None and named.outcome is None:
        state = _change(state, named.id, outcome=Outcome.ACCEPTED)
    return _end(replace(state, cancelled=not state.expired))


def _cancel_rejected(state: State, named: Request | None) -> tuple[State, tuple[Anomaly, ...]]:
    """An amendment or a cancellation is refused; the status is derived afresh."""
    if named is None or named.kind is Kind.NEW or named.outcome is not None:
        return state, (Anomaly("UNEXPECTED_CANCEL_REJECT", {"request_id": named.id if named else None}),)
    return _change(state, named.id, outcome=Outcome.REJECTED), ()


def _declared(state: State, report: Report) -> State:
    """DONE_FOR_DAY, SUSPENDED, RESTATED: the newest by the exchange's time counts; older ones are only recorded."""
    if state.declared_at and report.at and report.at < state.declared_at:
        return state
    if state.rejected or state.cancelled or state.expired:
        return state
    state = replace(state, declared_at=report.at or state.declared_at)
    if report.kind is Reported.DONE_FOR_DAY:
        state = replace(state, done_for_day=True)
        return state if state.time_in_force is TimeInForce.GTC else _close_requests(state)
    if report.kind is Reported.SUSPENDED:
        return replace(state, suspended=True)
    newest = state.requests[-1].seq
    state = replace(
        state,
        done_for_day=False,
        suspended=False,
        quantity_restated_seq=newest if report.quantity else state.quantity_restated_seq,
        price_restated_seq=newest if report.price else state.price_restated_seq,
    )
    return _terms(state, report.quantity, report.price)


def _end(state: State) -> State:
    """CANCELED, EXPIRED and REJECTED end a trade for ever: no other declaration stands, no request stays open."""
    return _close_requests(replace(state, done_for_day=False, suspended=False))


def _close_requests(state: State) -> State:
    """Whatever was still asked for came too late."""
    return replace(
        state,
        requests=tuple(replace(r, outcome=Outcome.REJECTED) if r.outcome is None else r for r in state.requests),
    )


def _request(state: State, request_id: str | None) -> Request | None:
    return next((request for request in state.requests if request.id == request_id), None)


def _change(state: State, request_id: str, **changes: Any) -> State:
    return replace(state, requests=tuple(replace(r, **changes) if r.id == request_id else r for r in state.requests))
