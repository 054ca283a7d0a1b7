"""Every state the reducer can come to, visited once: up to three requests and five reports, in every order.

Breadth first over a bounded alphabet; a state that was seen is not entered again. What must always hold is asked in
each, so a rule that only one crossing of messages breaks is found, and so is the shortest way there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations

import pytest

from trades import lifecycle
from trades.lifecycle import (
    Asked,
    Event,
    Executed,
    Kind,
    Outcome,
    Report,
    Reported,
    Request,
    Side,
    Stage,
    State,
    Status,
    TimeInForce,
)

LIMIT = Decimal(100)
REQUESTS = 3
REPORTS = 5
FILLS = {"E1": Executed(4, LIMIT), "E2": Executed(7, Decimal(99))}
CORRECTED = Executed(6, LIMIT)
AMENDED = (3, 12)  # below and above what there was, and below and above what may be filled


@dataclass(frozen=True)
class Node:
    """A state, and what whoever calls the reducer knows beside it."""

    state: State
    executions: tuple[tuple[str, Executed], ...] = ()
    reports: int = 0


def start(side: Side, time_in_force: TimeInForce) -> Node:
    return Node(State(side, time_in_force, 10, LIMIT, (Request("R1", 1, Kind.NEW, 10, LIMIT, Stage.SENT),)))


def neighbours(node: Node) -> Iterator[tuple[str, Node]]:
    state = node.state
    if len(state.requests) < 1 + REQUESTS - 1 and not lifecycle.is_over(state):
        for kind, quantity in [(Kind.AMEND, quantity) for quantity in AMENDED] + [(Kind.CANCEL, 10)]:
            seq = len(state.requests) + 1
            request = Request(f"R{seq}", seq, kind, quantity, LIMIT, Stage.SENT)
            yield f"{kind} {quantity}", Node(after(state, Asked(request)), node.executions, node.reports)
    if node.reports == REPORTS:
        return
    for name, report in reports(state):
        yield name, Node(after(state, report), node.executions, node.reports + 1)
    for name, report, executions in executed(node):
        yield name, Node(after(state, report), executions, node.reports + 1)


def reports(state: State) -> Iterator[tuple[str, Report]]:
    for kind in (
        Reported.NEW,
        Reported.REJECTED,
        Reported.EXPIRED,
        Reported.DONE_FOR_DAY,
        Reported.SUSPENDED,
        Reported.RESTATED,
    ):
        yield kind, Report(kind, "R1")
    yield "RESTATED 8", Report(Reported.RESTATED, "R1", 8)
    for request in state.requests:
        name = f"of {request.id}"
        if request.kind is Kind.AMEND:
            yield f"REPLACED {name}", Report(Reported.REPLACED, request.id, request.quantity)
            yield f"PENDING_REPLACE {name}", Report(Reported.PENDING_REPLACE, request.id)
        if request.kind is Kind.CANCEL:
            yield f"PENDING_CANCEL {name}", Report(Reported.PENDING_CANCEL, request.id)
        if request.kind is not Kind.NEW:
            yield f"CANCEL_REJECTED {name}", Report(Reported.CANCEL_REJECTED, request.id)
        yield f"CANCELED {name}", Report(Reported.CANCELED, request.id)


def executed(node: Node) -> Iterator[tuple[str, Report, tuple[tuple[str, Executed], ...]]]:
    """Each execution once; then it may be corrected once, and busted."""
    known = dict(node.executions)
    for name, fill in FILLS.items():
        if name not in known:
            report = Report(Reported.FILL, "R1", fill.quantity, fill.price)
            yield f"FILL {name}", report, sorted_items(known | {name: fill})
        elif known[name].quantity:
            bust = Report(Reported.BUSTED, "R1", replaces=known[name])
            yield f"BUSTED {name}", bust, sorted_items(known | {name: Executed()})
            if known[name] != CORRECTED:
                correct = Report(Reported.CORRECTED, "R1", CORRECTED.quantity, CORRECTED.price, replaces=known[name])
                yield f"CORRECTED {name}", correct, sorted_items(known | {name: CORRECTED})


def sorted_items(executions: dict[str, Executed]) -> tuple[tuple[str, Executed], ...]:
    return tuple(sorted(executions.items()))


def after(state: State, event: Event) -> State:
    return lifecycle.apply(state, event)[0]


def must_hold(node: Node) -> None:
    state = node.state
    leaves, held, status = lifecycle.leaves(state), lifecycle.hold(state), lifecycle.status(state)
    assert status in Status
    assert leaves == (0 if lifecycle.is_ended(state) else max(0, state.quantity - state.filled_quantity))
    assert held >= cost(state, leaves)
    outstanding = [request for request in state.requests if request.outstanding]
    if not lifecycle.is_ended(state):
        for amendment in (request for request in outstanding if request.kind is Kind.AMEND):
            assert held >= cost(state, max(0, amendment.quantity - state.filled_quantity))
    if lifecycle.is_over(state) and not outstanding:
        assert held == 0
    if lifecycle.is_ended(state):
        assert not outstanding
        assert held == 0
    live = [fill for _, fill in node.executions]
    assert state.filled_quantity == sum(fill.quantity for fill in live)
    assert state.filled_notional == sum(fill.quantity * fill.price for fill in live)
    assert state.filled_quantity <= state.quantity or state.terms_quantity is None


def cost(state: State, quantity: int) -> Decimal:
    return quantity * state.price if state.side is Side.BUY else Decimal(quantity)


def ended_for_ever(state: State) -> bool:
    return state.cancelled or state.expired or state.rejected


def must_follow(before: Node, name: str, node: Node) -> None:
    """What no step may do to a trade."""
    old, new = before.state, node.state
    if ended_for_ever(old):
        assert ended_for_ever(new), name
    for earlier, later in zip(old.requests, new.requests, strict=False):
        if earlier.outcome is Outcome.REJECTED and not name.startswith(("REPLACED", "CANCELED")):
            assert later.outcome is earlier.outcome, name
        assert earlier.outcome is None or later.outcome is not None, name


def explore(origin: Node) -> int:
    """Visit every state once; a failure tells the way there. Returns how many states there are."""
    came_from: dict[Node, tuple[Node, str] | None] = {origin: None}
    waiting = [origin]
    for node in waiting:
        try:
            must_hold(node)
            orders_must_not_matter(node)
            for name, neighbour in neighbours(node):
                must_follow(node, name, neighbour)
                if neighbour not in came_from:
                    came_from[neighbour] = (node, name)
                    waiting.append(neighbour)
        except AssertionError as error:
            raise AssertionError(f"after {way(node, came_from)}: {error}\n{node.state}") from error
    return len(came_from)


def orders_must_not_matter(node: Node) -> None:
    """Fills, busts and corrections of different executions come to the same in either order."""
    steps = [(name.split()[1], report) for name, report, _ in executed(node)]
    for (one, first), (other, second) in combinations(steps, 2):
        if one != other:
            assert after(after(node.state, first), second) == after(after(node.state, second), first), (first, second)


def way(node: Node, came_from: dict[Node, tuple[Node, str] | None]) -> str:
    steps = []
    while step := came_from[node]:
        node, name = step
        steps.append(name)
    return " → ".join(reversed(steps)) or "nothing"


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("time_in_force", [TimeInForce.DAY, TimeInForce.GTC])
def test_every_state_that_can_be_reached(
    side: Side, time_in_force: TimeInForce, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = explore(start(side, time_in_force))
    with capsys.disabled():
        print(f"\n{side} {time_in_force}: {seen:,} states seen")
    assert seen > 10_000
