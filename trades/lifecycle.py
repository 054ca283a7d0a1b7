"""The life of a trade, as pure functions: `apply(state, event)`, `status(state)`, `leaves(state)`, `hold(state)`.

What is stored are facts: the terms that are live, what was executed, what the exchange declared, and the requests.
Status, leaves and hold are always derived from them. A fact from the exchange is never refused: what is odd about it
comes back as an anomaly. The rules follow FIX 5.0 SP2, "Order State Changes".
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from brokerage.money import ZERO, value


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"


class TimeInForce(StrEnum):
    DAY = "DAY"
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class Kind(StrEnum):
    NEW = "NEW"
    AMEND = "AMEND"
    CANCEL = "CANCEL"


class Stage(StrEnum):
    """How far a request has come. It is the pipeline's program counter. From BOOKED on it may already be outside."""

    RECEIVED = "RECEIVED"
    VALIDATED = "VALIDATED"
    BOOKED = "BOOKED"
    SENT = "SENT"


class Outcome(StrEnum):
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    CANCELED = "CANCELED"


class Status(StrEnum):
    RECEIVED = "RECEIVED"
    VALIDATED = "VALIDATED"
    BOOKED = "BOOKED"
    PENDING_NEW = "PENDING_NEW"
    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    PENDING_REPLACE = "PENDING_REPLACE"
    PENDING_CANCEL = "PENDING_CANCEL"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"
    DONE_FOR_DAY = "DONE_FOR_DAY"
    SUSPENDED = "SUSPENDED"


class Reported(StrEnum):
    """What a report of the exchange says happened."""

    PENDING_NEW = "PENDING_NEW"
    NEW = "NEW"
    REJECTED = "REJECTED"
    FILL = "FILL"
    PENDING_REPLACE = "PENDING_REPLACE"
    REPLACED = "REPLACED"
    PENDING_CANCEL = "PENDING_CANCEL"
    CANCELED = "CANCELED"
    CANCEL_REJECTED = "CANCEL_REJECTED"
    EXPIRED = "EXPIRED"
    DONE_FOR_DAY = "DONE_FOR_DAY"
    SUSPENDED = "SUSPENDED"
    RESTATED = "RESTATED"


@dataclass(frozen=True, slots=True)
class Request:
    """One instruction of the client about a trade. Its id is the ClOrdID; `seq` its place in the chain, from 1."""

    id: str
    seq: int
    kind: Kind
    quantity: int
    price: Decimal
    stage: Stage = Stage.RECEIVED
    outcome: Outcome | None = None
    pending: bool = False
    """The exchange has said that it is working on it."""

    @property
    def outstanding(self) -> bool:
        """It may be at the exchange, and has no answer."""
        return self.outcome is None and self.stage in (Stage.BOOKED, Stage.SENT)


@dataclass(frozen=True, slots=True)
class State:
    """The facts of a trade. `quantity` and `price` are the live terms; `terms_seq` is the request they came from."""

    side: Side
    time_in_force: TimeInForce
    quantity: int
    price: Decimal
    requests: tuple[Request, ...]
    terms_seq: int = 1
    filled_quantity: int = 0
    filled_value: Decimal = ZERO
    acked: bool = False
    rejected: bool = False
    cancelled: bool = False
    expired: bool = False
    done_for_day: bool = False
    suspended: bool = False
    declared_at: datetime | None = None
    """The exchange's time of the newest DONE_FOR_DAY, SUSPENDED or RESTATED that was applied."""

    @property
    def new(self) -> Request:
        return self.requests[0]

    def request(self, request_id: str | None) -> Request | None:
        return next((request for request in self.requests if request.id == request_id), None)


# --- Events ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """The client asked for something: a request enters the chain."""

    request: Request


@dataclass(frozen=True, slots=True)
class Advanced:
    """The pipeline finished a step of a request."""

    request_id: str
    stage: Stage


@dataclass(frozen=True, slots=True)
class Refused:
    """The broker refused a request before it was sent."""

    request_id: str


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The CANCEL `request_id` met a NEW that was never sent: the trade ends here and now."""

    request_id: str


@dataclass(frozen=True, slots=True)
class Report:
    """What the exchange says. `request_id` is the request it names, if it names one of this trade.

    `quantity` and `price` are new terms (REPLACED, RESTATED) or the fill's (FILL).
    """

    kind: Reported
    request_id: str | None = None
    quantity: int | None = None
    price: Decimal | None = None
    at: datetime | None = None


Event = Asked | Advanced | Refused | Withdrawn | Report


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something that should not have happened, but did. Recorded with its numbers, never an exception."""

    code: str
    details: dict[str, Any] = field(default_factory=dict)


# --- What is derived -------------------------------------------------------------------------------------------------


def is_ended(state: State) -> bool:
    """The trade ended for ever, or a day order is done for the day: nothing more can execute by our terms."""
    asleep = state.done_for_day and state.time_in_force is not TimeInForce.GTC
    return state.rejected or state.cancelled or state.expired or asleep


def is_over(state: State) -> bool:
    """Nothing more is expected from the live terms: ended, or filled."""
    return is_ended(state) or state.filled_quantity >= state.quantity


def leaves(state: State) -> int:
    """The quantity that may still execute by the live terms. FIX: LeavesQty (151)."""
    return 0 if is_ended(state) else max(0, state.quantity - state.filled_quantity)


def status(state: State) -> Status:
    """The status with the highest precedence that the facts support. FIX: OrdStatus (39)."""
    pending = {request.kind for request in state.requests if request.outstanding and request.pending}
    filled = state.filled_quantity >= state.quantity
    if Kind.CANCEL in pending:
        return Status.PENDING_CANCEL
    if Kind.AMEND in pending:
        return Status.PENDING_REPLACE
    if state.done_for_day and not filled:
        return Status.DONE_FOR_DAY
    if filled:
        return Status.FILLED
    if state.suspended:
        return Status.SUSPENDED
    if state.cancelled:
        return Status.CANCELED
    if state.expired:
        return Status.EXPIRED
    if state.filled_quantity:
        return Status.PARTIALLY_FILLED
    if state.rejected:
        return Status.REJECTED
    if state.acked:
        return Status.NEW
    return Status.PENDING_NEW if state.new.stage is Stage.SENT else Status(state.new.stage)


def hold(state: State) -> Decimal:
    """What must stay blocked: money for a BUY, shares for a SELL.

    The most that any terms which may still go live could cost: the live ones while anything is open, and those of each
    amendment that is outstanding.
    """
    if is_ended(state) or state.new.stage not in (Stage.BOOKED, Stage.SENT):
        return ZERO
    live = [(state.quantity, state.price)]
    live += [(r.quantity, r.price) for r in state.requests if r.kind is Kind.AMEND and r.outstanding]
    return max(_cost(state.side, max(0, quantity - state.filled_quantity), price) for quantity, price in live)


def _cost(side: Side, quantity: int, price: Decimal) -> Decimal:
    return value(quantity, price) if side is Side.BUY else Decimal(quantity)


def wished(state: State) -> tuple[int, Decimal]:
    """The terms last asked for: those of the newest amendment without an answer, else the live ones."""
    for request in reversed(state.requests):
        if request.kind is Kind.AMEND and request.outcome is None:
            return request.quantity, request.price
    return state.quantity, state.price


def original_id(state: State, request: Request) -> str:
    """OrigClOrdID (41) of a request: the last id of the chain before it that was not rejected; it may be pending."""
    earlier = [
        r.id
        for r in state.requests
        if r.seq < request.seq and r.outcome in (None, Outcome.ACCEPTED) and r.stage in (Stage.BOOKED, Stage.SENT)
    ]
    return earlier[-1] if earlier else state.new.id


# --- What may happen -------------------------------------------------------------------------------------------------


def apply(state: State, event: Event) -> tuple[State, tuple[Anomaly, ...]]:
    """Return the facts after `event`, and what was odd about it. Never raises for a report of the exchange."""
    match event:
        case Asked(request):
            return replace(state, requests=(*state.requests, request)), ()
        case Advanced(request_id, stage):
            return _change(state, request_id, stage=stage), ()
        case Refused(request_id):
            refused = _change(state, request_id, outcome=Outcome.REJECTED)
            return (_end(replace(refused, rejected=True)) if request_id == state.new.id else refused), ()
        case Withdrawn(request_id):
            ended = _change(state, state.new.id, outcome=Outcome.CANCELED)
            ended = _change(ended, request_id, outcome=Outcome.ACCEPTED)
            return _end(replace(ended, cancelled=True)), ()
        case Report():
            return _report(state, event)


def _report(state: State, report: Report) -> tuple[State, tuple[Anomaly, ...]]:
    named = state.request(report.request_id)
    if named is not None and named.stage is not Stage.SENT:
        state = _change(state, named.id, stage=Stage.SENT)  # that it is named proves that it was sent
    match report.kind:
        case Reported.PENDING_NEW:
            return state, ()
        case Reported.NEW:
            return _answered(state), ()
        case Reported.REJECTED if named is not None and named.kind is not Kind.NEW:
            return _cancel_rejected(state, named)
        case Reported.REJECTED:
            return _rejected(state)
        case Reported.FILL:
            return _fill(state, report)
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


def _answered(state: State) -> State:
    """The exchange knows the order: its NEW was sent and is accepted."""
    state = replace(state, acked=True)
    if state.new.outcome is None:
        return _change(state, state.new.id, stage=Stage.SENT, outcome=Outcome.ACCEPTED)
    return state


def _rejected(state: State) -> tuple[State, tuple[Anomaly, ...]]:
    """The NEW is refused, even after an ack. What was executed stays: then the trade is cancelled, and that is odd."""
    state = _change(state, state.new.id, stage=Stage.SENT, outcome=Outcome.REJECTED)
    if not state.filled_quantity:
        return _end(replace(state, rejected=True)), ()
    odd = Anomaly("REJECTED_AFTER_FILL", {"filled_quantity": state.filled_quantity})
    return _end(replace(state, cancelled=True)), (odd,)


def _fill(state: State, report: Report) -> tuple[State, tuple[Anomaly, ...]]:
    quantity, price = report.quantity or 0, report.price or ZERO
    odd = []
    if is_ended(state):
        odd.append(Anomaly("FILL_AFTER_END", {"quantity": quantity, "status": str(status(state))}))
    worse = price > state.price if state.side is Side.BUY else price < state.price
    if worse:
        odd.append(Anomaly("FILL_BEYOND_LIMIT", {"price": str(price), "limit": str(state.price)}))
    state = _answered(state)
    over = state.filled_quantity + quantity - state.quantity
    if over > 0:
        odd.append(Anomaly("OVERFILL", {"quantity": min(over, quantity)}))
    state = replace(
        state,
        filled_quantity=state.filled_quantity + quantity,
        filled_value=state.filled_value + value(quantity, price),
    )
    return state, tuple(odd)


def _replaced(state: State, named: Request | None, report: Report) -> State:
    """An amendment is live. A late answer to an earlier one than the terms in force only closes that request."""
    if named is not None:
        late = named.seq < state.terms_seq
        state = _change(state, named.id, outcome=Outcome.ACCEPTED)
        if late:
            return state
        state = replace(state, terms_seq=named.seq)
    return _terms(state, report.quantity or (named and named.quantity), report.price or (named and named.price))


def _terms(state: State, quantity: int | None, price: Decimal | None) -> State:
    """Put new terms in force. A quantity at or below what is filled means: cancel the balance."""
    if quantity:
        state = replace(state, quantity=max(quantity, state.filled_quantity))
    return replace(state, price=price) if price else state


def _canceled(state: State, named: Request | None) -> State:
    """The order ended on request or unasked. The CANCEL that asked for it is the one named, else the first open one."""
    if named is None or named.kind is not Kind.CANCEL:
        named = next((r for r in state.requests if r.kind is Kind.CANCEL and r.outstanding), None)
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
    return _terms(replace(state, done_for_day=False, suspended=False), report.quantity, report.price)


def _end(state: State) -> State:
    """CANCELED, EXPIRED and REJECTED end a trade for ever: no other declaration stands, no request stays open."""
    return _close_requests(replace(state, done_for_day=False, suspended=False))


def _close_requests(state: State) -> State:
    """Whatever was still asked for came too late."""
    return replace(
        state,
        requests=tuple(replace(r, outcome=Outcome.REJECTED) if r.outcome is None else r for r in state.requests),
    )


def _change(state: State, request_id: str, **changes: Any) -> State:
    return replace(state, requests=tuple(replace(r, **changes) if r.id == request_id else r for r in state.requests))
