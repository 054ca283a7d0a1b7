"""What follows from the facts: status, leaves, hold, fees, what a new request refers to. Never stored as a guess."""

from decimal import Decimal

from brokerage.money import ZERO, value
from trades.lifecycle.facts import Kind, Outcome, Side, Stage, State, Status, TimeInForce


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
    return max(_cost(state, max(0, quantity - state.filled_quantity), price) for quantity, price in live)


def _cost(state: State, quantity: int, price: Decimal) -> Decimal:
    """What executing `quantity` more at `price` takes: shares of a SELL; of a BUY the price and what fees it adds."""
    if state.side is Side.SELL:
        return Decimal(quantity)
    cost, total = value(quantity, price), state.fee_schedule.total
    return cost + total(state.filled_value + cost) - total(state.filled_value)


def charged(state: State) -> Decimal:
    """What the fees of all that is executed come to.

    A SELL holds no cash to pay them from: they take no more than it brings in.
    """
    total = state.fee_schedule.total(state.filled_value)
    return min(total, state.filled_value) if state.side is Side.SELL else total


def requested_terms(state: State) -> tuple[int, Decimal]:
    """The terms last asked for, or restated since: of the newest amendment without an answer, else the live ones."""
    for request in reversed(state.requests):
        if request.kind is Kind.AMEND and request.outcome is None:
            quantity = request.quantity if request.seq > state.quantity_restated_seq else state.quantity
            return quantity, request.price if request.seq > state.price_restated_seq else state.price
    return state.quantity, state.price


def orig_cl_ord_id(state: State, seq: int) -> str:
    """OrigClOrdID (41) of a request: the last id of the chain before it that was not rejected; it may be pending."""
    earlier = [
        r.id
        for r in state.requests
        if r.seq < seq and r.outcome in (None, Outcome.ACCEPTED) and r.stage in (Stage.BOOKED, Stage.SENT)
    ]
    return earlier[-1] if earlier else state.new.id
