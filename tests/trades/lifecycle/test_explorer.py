"""Every state the reducer can come to, visited once: up to three requests and five reports, in every order.

Breadth first over a bounded alphabet; a state that was seen is not entered again. What must always hold is asked in
each, so a rule that only one crossing of messages breaks is found, and so is a way there with the fewest reports. Side
and fees decide what a trade holds, not what becomes of it (`test_reducer.py`), so each state is asked as a purchase and
as a sale, free and with fees.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from itertools import combinations

import pytest

from brokerage.money import rounded_value
from trades import lifecycle
from trades.lifecycle import (
    FREE,
    AmendDropped,
    CancelledLocally,
    Denied,
    Event,
    Executed,
    FeeSchedule,
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
    Status,
    TimeInForce,
)

BOUNDS = (3, 6) if os.environ.get("PROOFS") else (3, 5)
"""How many requests, the first of them the NEW, and how many reports."""

LIMIT = Decimal(100)
FEES = FeeSchedule(Decimal("0.01"), Decimal("5.00"), Decimal("11.00"))  # one fill costs the minimum, two the cap
FILLS = {"E1": Executed(4, Decimal(99)), "E2": Executed(7, Decimal(98))}
CORRECTED = Executed(6, LIMIT)
AMENDED = ((3, Decimal(400)), (12, Decimal(99)))  # fewer than may be filled but dearer, and more but cheaper

OUTSIDE = (Stage.BOOKED, Stage.SENT)
NEXT = {Stage.RECEIVED: Stage.BOOKED, Stage.BOOKED: Stage.SENT}  # to the reducer VALIDATED is as RECEIVED
DECLARED = (Reported.DONE_FOR_DAY, Reported.SUSPENDED, Reported.RESTATED)
EXECUTED = (Reported.FILL, Reported.CORRECTED, Reported.BUSTED)
NO_ANSWER = (Reported.PENDING_NEW, Reported.PENDING_REPLACE, Reported.PENDING_CANCEL, Reported.STATUS)


@dataclass(frozen=True)
class Node:
    """A state, and what whoever calls the reducer knows beside it: the executions by name, as they are now."""

    state: State
    executions: tuple[tuple[str, Executed], ...] = ()


@dataclass(frozen=True)
class Step:
    name: str
    event: Event
    node: Node


def start(time_in_force: TimeInForce) -> Node:
    return Node(State(Side.BUY, time_in_force, 10, LIMIT, (Request("R1", 1, Kind.NEW, 10, LIMIT),), FEES))


# --- What may happen -------------------------------------------------------------------------------------------------


def within(node: Node, requests: int) -> Iterator[Step]:
    """What clients and the pipeline may do."""
    state = node.state
    if len(state.requests) < requests:
        for request in asked(state):
            name, asking = f"{request.kind} {request.quantity}", after(state, RequestAdded(request))
            if request.kind is Kind.CANCEL and state.new.stage not in OUTSIDE:
                name, asking = "CANCEL before it was sent", after(asking, CancelledLocally(request.id))
            yield Step(name, RequestAdded(request), replace(node, state=asking))
    for event in worked(state):
        name = f"{type(event).__name__} {event.request_id}"
        yield Step(name, event, replace(node, state=after(state, event)))


def asked(state: State) -> Iterator[Request]:
    """What a client may ask for: nothing of a trade that ended; of a filled one, more."""
    unanswered = [request.kind for request in state.requests if request.outcome is None]
    working = not has_ended(state) and (state.filled_quantity < state.quantity or Kind.AMEND in unanswered)
    seq = len(state.requests) + 1
    wished, _ = lifecycle.requested_terms(state)
    for quantity, price in AMENDED:
        if working or (not has_ended(state) and quantity > wished):
            yield Request(f"R{seq}", seq, Kind.AMEND, quantity, price)
    if working and Kind.CANCEL not in unanswered:
        yield Request(f"R{seq}", seq, Kind.CANCEL, *lifecycle.requested_terms(state))


def worked(state: State) -> Iterator[StageCompleted | Denied | AmendDropped | CancelledLocally]:
    """What the pipeline may do: the first unfinished request goes on, and so does a CANCEL behind what is parked."""
    unfinished = [request for request in state.requests if not request.outcome and request.stage is not Stage.SENT]
    cancel = next((request for request in unfinished if request.kind is Kind.CANCEL), None)
    for request in unfinished:
        if request is unfinished[0] or (request is cancel and state.new.stage in OUTSIDE):
            yield StageCompleted(request.id, NEXT[request.stage])
        if request is unfinished[0] and request is not cancel and request.stage not in OUTSIDE:
            yield Denied(request.id)
        if request.kind is Kind.AMEND and cancel and request.seq < cancel.seq:
            yield AmendDropped(request.id)
    if cancel and state.new.stage is Stage.BOOKED and not state.new.outcome:
        yield CancelledLocally(cancel.id)  # the exchange has said that it has not got the order


def told(node: Node) -> Iterator[Step]:
    """What the exchange may report, or answer, once the order may be outside."""
    state = node.state
    if state.new.stage not in OUTSIDE:
        return
    for report in declared(state):
        name = f"{report.kind} {report.request_id} {report.quantity or ''}".rstrip()
        yield Step(name, report, replace(node, state=after(state, report)))
    for name, report, executions in executed(node):
        yield Step(f"{report.kind} {name}", report, Node(after(state, report), executions))
    for request in state.requests:
        if request.stage is Stage.SENT and not request.outcome:
            event = NotReceived(request.id)
            yield Step(f"NotReceived {request.id}", event, replace(node, state=after(state, event)))


def declared(state: State) -> Iterator[Report]:
    for kind in (Reported.PENDING_NEW, Reported.NEW, Reported.EXPIRED, *DECLARED):
        yield Report(kind, "R1")
    yield Report(Reported.RESTATED, "R1", 8, Decimal(101))
    for request in state.requests:
        if request.stage not in OUTSIDE:
            continue
        if request.kind is Kind.AMEND:
            for name in (request.id, "R1"):  # or it names the order only
                yield Report(Reported.REPLACED, name, request.quantity, request.price)
            yield Report(Reported.PENDING_REPLACE, request.id)
        if request.kind is Kind.CANCEL:
            yield Report(Reported.PENDING_CANCEL, request.id)
        if request.kind is not Kind.NEW:
            yield Report(Reported.CANCEL_REJECTED, request.id)
        for kind in (Reported.STATUS, Reported.REJECTED, Reported.CANCELED):
            yield Report(kind, request.id)


def executed(node: Node) -> Iterator[tuple[str, Report, tuple[tuple[str, Executed], ...]]]:
    """Each execution once; then it may be corrected once, and busted."""
    known = dict(node.executions)
    for name, fill in FILLS.items():
        if name not in known:
            report = Report(Reported.FILL, "R1", fill.quantity, fill.price)
            yield name, report, sorted_items(known | {name: fill})
        elif known[name].quantity:
            bust = Report(Reported.BUSTED, "R1", replaces=known[name])
            yield name, bust, sorted_items(known | {name: Executed()})
            if known[name] != CORRECTED:
                correct = Report(Reported.CORRECTED, "R1", CORRECTED.quantity, CORRECTED.price, replaces=known[name])
                yield name, correct, sorted_items(known | {name: CORRECTED})


def sorted_items(executions: dict[str, Executed]) -> tuple[tuple[str, Executed], ...]:
    return tuple(sorted(executions.items()))


def after(state: State, event: Event) -> State:
    """Without what a field left out of an amendment keeps (`test_reducer.py`): it only multiplies the states."""
    return replace(lifecycle.apply(state, event)[0], quantity_restated_seq=0, price_restated_seq=0)


# --- What must hold, told without the functions that are asked -------------------------------------------------------


def must_hold(node: Node) -> None:
    state = node.state
    status = lifecycle.status(state)
    assert status in Status
    if state.filled_quantity >= state.quantity:
        assert status in (Status.FILLED, Status.PENDING_REPLACE, Status.PENDING_CANCEL)
    leaves = 0 if has_ended(state) else max(0, terms(state)[0] - state.filled_quantity)
    assert lifecycle.leaves(state) == leaves
    for order in orders(state):
        held = lifecycle.hold(order)
        assert held == max((cost(order, *terms) for terms in may_execute(state)), default=0)
        if not leaves and not any(outstanding(request) for request in state.requests):
            assert held == 0
    if has_ended(state):
        assert all(request.outcome for request in state.requests)
    if ended_for_ever(state):
        assert not state.done_for_day
        assert not state.suspended
    live = [fill for _, fill in node.executions]
    assert state.filled_quantity == sum(fill.quantity for fill in live)
    assert state.filled_value == state.filled_notional == sum(fill.quantity * fill.price for fill in live)
    assert state.terms_quantity is None or state.quantity == max(state.terms_quantity, state.filled_quantity)


def orders(state: State) -> Iterator[State]:
    """The same facts for each side, free and with fees."""
    for side in Side:
        for schedule in (FREE, FEES):
            yield replace(state, side=side, fee_schedule=schedule)


def may_execute(state: State) -> list[tuple[int, Decimal]]:
    """How much may yet execute, and at what price, by each of the terms that are live or may still go live."""
    if has_ended(state) or state.new.stage not in OUTSIDE:
        return []
    amendments = [request for request in state.requests if request.kind is Kind.AMEND and outstanding(request)]
    terms = [(state.quantity, state.price), *((request.quantity, request.price) for request in amendments)]
    return [(max(0, quantity - state.filled_quantity), price) for quantity, price in terms]


def cost(order: State, quantity: int, price: Decimal) -> Decimal:
    """What executing so much at that price takes from a trader: shares, or money and what the fees rise by."""
    if order.side is Side.SELL:
        return Decimal(quantity)
    paid, due = quantity * price, partial(lifecycle.fee_total, order.fee_schedule)
    return paid + due(order.filled_value + paid) - due(order.filled_value)


def outstanding(request: Request) -> bool:
    return request.outcome is None and request.stage in OUTSIDE


def ended_for_ever(state: State) -> bool:
    return state.cancelled or state.expired or state.rejected


def has_ended(state: State) -> bool:
    return ended_for_ever(state) or (state.done_for_day and state.time_in_force is TimeInForce.DAY)


def must_follow(before: Node, step: Step) -> None:
    """What a step must do to a trade, and what no step may."""
    old, new, event = before.state, step.node.state, step.event
    if ended_for_ever(old):
        assert ended_for_ever(new)
    for earlier, later in zip(old.requests, new.requests, strict=False):
        assert earlier.outcome is None or later.outcome is not None
        if earlier.outcome is Outcome.REJECTED and later.outcome is not Outcome.REJECTED:
            assert isinstance(event, Report)
            assert event.kind in (Reported.REPLACED, Reported.CANCELED)
    if isinstance(event, Denied | AmendDropped | CancelledLocally):
        assert new.request(event.request_id).outcome
    if isinstance(event, NotReceived):
        back = replace(old.request(event.request_id), stage=Stage.BOOKED, pending=False)
        assert new == replace(old, requests=tuple(back if r.id == back.id else r for r in old.requests))
        assert lifecycle.hold(new) == lifecycle.hold(old)
    if isinstance(event, Report):
        must_follow_from(event, old, new)


def must_follow_from(report: Report, old: State, new: State) -> None:
    named, kind = old.request(report.request_id), report.kind
    assert new.request(named.id).stage is Stage.SENT
    rejects = kind is Reported.CANCEL_REJECTED or (kind is Reported.REJECTED and named.kind is not Kind.NEW)
    if kind in (Reported.CANCELED, Reported.EXPIRED, Reported.REJECTED) and not rejects:
        assert ended_for_ever(new)
    if kind in (*EXECUTED, *DECLARED, Reported.CANCELED, Reported.EXPIRED, Reported.REPLACED):
        assert new.new.outcome
    if kind in (*EXECUTED, Reported.NEW, *NO_ANSWER):
        assert [request.outcome for request in new.requests[1:]] == [request.outcome for request in old.requests[1:]]
    if kind in NO_ANSWER and named.outcome:
        assert new.request(named.id) == replace(named, stage=Stage.SENT)
    if kind in NO_ANSWER or rejects:
        assert replace(new, requests=old.requests) == old
    if kind is Reported.REPLACED:
        an_amendment_must_be_answered(report, old, new)
    elif kind is Reported.RESTATED and report.quantity and not ended_for_ever(old):
        assert terms(new) == (report.quantity, report.price)
    else:
        assert (terms(new), new.terms_seq) == (terms(old), old.terms_seq)
    if kind is Reported.FILL:
        what_executes_must_be_paid_from_the_hold(report, old, new)


def an_amendment_must_be_answered(replaced: Report, old: State, new: State) -> None:
    """Its terms are in force then, unless those of a later one are. If only the order is named: the first to fit."""
    meant, told = old.request(replaced.request_id), (replaced.quantity, replaced.price)
    if meant.kind is not Kind.AMEND:
        waiting = [request for request in old.requests if request.kind is Kind.AMEND and outstanding(request)]
        fitting = [request for request in waiting if (request.quantity, request.price) == told]
        meant = next(iter(fitting or waiting), None)
    assert meant is None or new.request(meant.id).outcome is Outcome.ACCEPTED
    if meant is not None and meant.seq < old.terms_seq:
        assert (terms(new), new.terms_seq) == (terms(old), old.terms_seq)
    else:
        assert (terms(new), new.terms_seq) == (told, meant.seq if meant else old.terms_seq)


def terms(state: State) -> tuple[int, Decimal]:
    """Those of the exchange, also where they are less than what is filled."""
    return state.terms_quantity or state.quantity, state.price


def what_executes_must_be_paid_from_the_hold(fill: Report, old: State, new: State) -> None:
    """If it is by the live terms, and no dearer than any that may go live."""
    if fill.quantity > lifecycle.leaves(old) or any(fill.price > price for _, price in may_execute(old)):
        return
    for held, holds in zip(orders(old), orders(new), strict=True):
        fee = lifecycle.charged(holds) - lifecycle.charged(held)
        taken = rounded_value(fill.quantity, fill.price) + fee if held.side is Side.BUY else fill.quantity
        assert lifecycle.hold(holds) + taken <= lifecycle.hold(held)


def orders_must_not_matter(node: Node) -> None:
    """Fills, busts and corrections of different executions come to the same in either order."""
    steps = [(name, report, after(node.state, report)) for name, report, _ in executed(node)]
    for (one, first, after_first), (other, second, after_second) in combinations(steps, 2):
        if one != other:
            assert after(after_first, second) == after(after_second, first), (first, second)


# --- Every state, once -----------------------------------------------------------------------------------------------


class Explorer:
    """Goes report by report: what clients and the pipeline do in between counts for nothing.

    So a state is met first with the fewest reports that lead to it, and with the most still to come.
    """

    def __init__(self, origin: Node, *, requests: int) -> None:
        self.requests = requests
        self.came_from: dict[Node, tuple[Node, str] | None] = {origin: None}
        self.layer = [origin]

    def explore(self, reports: int) -> int:
        """Visit every state once; a failure tells the way there. Returns how many states there are."""
        for left in range(reports, -1, -1):
            for node in self.layer:  # it grows while we walk
                self.ask(must_hold, node)
                if left >= 2:
                    self.ask(orders_must_not_matter, node)
                self.layer += self.unseen(node, within(node, self.requests))
            if left:
                self.layer = [found for node in self.layer for found in self.unseen(node, told(node))]
        return len(self.came_from)

    def unseen(self, node: Node, steps: Iterable[Step]) -> Iterator[Node]:
        for step in steps:
            self.ask(must_follow, node, step)
            if step.node not in self.came_from:
                self.came_from[step.node] = (node, step.name)
                yield step.node

    def ask(self, question: Callable[..., None], node: Node, *about: Step) -> None:
        try:
            question(node, *about)
        except AssertionError as error:
            names = [*self.way(node), *(step.name for step in about)]
            raise AssertionError(f"{' → '.join(names)}: {error}\n{node.state}") from error

    def way(self, node: Node) -> list[str]:
        names = []
        while step := self.came_from[node]:
            node, name = step
            names.append(name)
        return names[::-1]


@pytest.mark.slow
@pytest.mark.timeout(3_000)
@pytest.mark.parametrize("time_in_force", [TimeInForce.DAY, TimeInForce.GTC])
def test_every_state_that_can_be_reached(
    time_in_force: TimeInForce, record_property: Callable[[str, str], None]
) -> None:
    requests, reports = BOUNDS
    seen = Explorer(start(time_in_force), requests=requests).explore(reports)
    record_property(f"states of a {time_in_force} order seen", f"{seen:,}")
    assert seen > 50_000
