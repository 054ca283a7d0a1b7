"""What follows from the facts: status, leaves, hold, fees, what a new request refers to. Never stored as a guess."""

from decimal import Decimal

from brokerage.money import ZERO, money, rounded_value
from trades.lifecycle.facts import FREE, FeeSchedule, Kind, Outcome, Side, Stage, State, Status, TimeInForce

OUTSIDE = (Stage.BOOKED, Stage.SENT)
"""The stages at which a request may be at the exchange."""


def is_ended(state: State) -> bool:
    """Tell whether the trade ended for ever, or is a day order that is done for the day: nothing more can execute."""
    asleep = state.done_for_day and state.time_in_force is not TimeInForce.GTC
    return state.rejected or state.cancelled or state.expired or asleep


def is_over(state: State) -> bool:
    """Tell whether nothing more is expected from the live terms: ended, or filled."""
    return is_ended(state) or state.filled_quantity >= state.quantity


def leaves(state: State) -> int:
    """Return the quantity that may still execute by the live terms. FIX: LeavesQty (151)."""
    return 0 if is_ended(state) else max(0, state.quantity - state.filled_quantity)


def status(state: State) -> Status:
    """Return the status with the highest precedence that the facts support. FIX: OrdStatus (39)."""
    pending = {
        request.kind
        for request in state.requests
        if request.pending and request.outcome is None and request.stage in OUTSIDE
    }
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
    return Status.PENDING_NEW if state.requests[0].stage is Stage.SENT else Status(state.requests[0].stage)


def hold(state: State) -> Decimal:
    """Return what must stay blocked: money for a BUY, shares for a SELL.

    The most that any terms which may still go live could cost: the live ones while anything is open, and those of each
    amendment that is outstanding.
    """
    if is_ended(state) or state.requests[0].stage not in OUTSIDE:
        return ZERO
    live = [(state.quantity, state.price)]
    live += [
        (request.quantity, request.price)
        for request in state.requests
        if request.kind is Kind.AMEND and request.outcome is None and request.stage in OUTSIDE
    ]
    if state.side is Side.SELL:
        return Decimal(max(0, max(quantity for quantity, _ in live) - state.filled_quantity))
    costs = [rounded_value(max(0, quantity - state.filled_quantity), price) for quantity, price in live]
    if state.fee_schedule == FREE:
        return max(costs)
    paid = fee_total(state.fee_schedule, state.filled_value)
    return max(cost + fee_total(state.fee_schedule, state.filled_value + cost) - paid for cost in costs)


def fee_total(schedule: FeeSchedule, executed: Decimal) -> Decimal:
    """Return the fees of executions worth `executed`, in the currency's scale; nothing for nothing."""
    if not executed or schedule == FREE:
        return ZERO
    due = max(schedule.minimum, money(schedule.rate * executed))
    return due if schedule.cap is None else min(schedule.cap, due)


def charged(state: State) -> Decimal:
    """Return what the fees of all that is executed come to.

    A SELL holds no cash to pay them from: they take no more than it brings in.
    """
    total = fee_total(state.fee_schedule, state.filled_value)
    return min(total, state.filled_value) if state.side is Side.SELL else total


def requested_terms(state: State) -> tuple[int, Decimal]:
    """Return the terms last asked for, or restated since: of the newest unanswered amendment, else the live ones."""
    for request in reversed(state.requests):
        if request.kind is Kind.AMEND and request.outcome is None:
            quantity = request.quantity if request.seq > state.quantity_restated_seq else state.quantity
            return quantity, request.price if request.seq > state.price_restated_seq else state.price
    return state.quantity, state.price


def orig_cl_ord_id(state: State, seq: int) -> str:
    """Return the OrigClOrdID (41) of a request: the last id before it that was not rejected; it may be pending."""
    earlier = [
        r.id
        for r in state.requests
        if r.seq < seq and r.outcome in (None, Outcome.ACCEPTED) and r.stage in (Stage.BOOKED, Stage.SENT)
    ]
    return earlier[-1] if earlier else state.new.id


def is_open_outside(state: State) -> bool:
    """Tell whether more is to be heard of a trade: its order may be there, and it is open or being changed."""
    if state.requests[0].stage not in OUTSIDE:
        return False
    outstanding = any(request.outcome is None and request.stage in OUTSIDE for request in state.requests)
    return outstanding or leaves(state) > 0
