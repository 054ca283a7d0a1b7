"""What a schedule charges, and what a buy keeps blocked for it: as amounts, and for any split of a trade."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trades import lifecycle
from trades.lifecycle import (
    FREE,
    Executed,
    FeeSchedule,
    Kind,
    Report,
    Reported,
    Request,
    RequestAdded,
    Side,
    Stage,
    State,
    TimeInForce,
)

D = Decimal
SCHEDULE = FeeSchedule(D("0.001"), D("5.00"), D("20.00"))
DECLINING = FeeSchedule(D("0.5"), D("10.00"), D("12.00"))


@pytest.mark.parametrize(
    ("schedule", "executed", "total"),
    [
        (SCHEDULE, "0", "0"),
        (SCHEDULE, "0.01", "5.00"),
        (SCHEDULE, "5000.00", "5.00"),
        (SCHEDULE, "5010.00", "5.01"),
        (SCHEDULE, "5005.00", "5.00"),  # 5.005: half to even
        (SCHEDULE, "5015.00", "5.02"),  # 5.015: half to even
        (SCHEDULE, "5005.01", "5.01"),
        (SCHEDULE, "20000.00", "20.00"),
        (SCHEDULE, "99999999999.99", "20.00"),
        (FeeSchedule(D("0.001")), "4.00", "0.00"),
        (FeeSchedule(D("0.001")), "99999999999.99", "100000000.00"),
        (FeeSchedule(minimum=D("7.50")), "0.01", "7.50"),
        (FeeSchedule(D("0.001"), D("5.00"), D("0.00")), "5000.00", "0.00"),
        (FeeSchedule(D("0.00012345")), "8100405.02", "999.99"),
        (FREE, "99999999999.99", "0"),
    ],
)
def test_a_schedule_charges(schedule: FeeSchedule, executed: str, total: str) -> None:
    assert lifecycle.fee_total(schedule, D(executed)) == D(total)
    assert lifecycle.fee_total(schedule, D(executed)).as_tuple().exponent in (0, -2)


def order(side: Side = Side.BUY, schedule: FeeSchedule = SCHEDULE, quantity: int = 10, price: str = "1000.00") -> State:
    new = Request("R1", 1, Kind.NEW, quantity, D(price), Stage.SENT)
    return State(side, TimeInForce.DAY, quantity, D(price), (new,), schedule)


def after(state: State, *events: lifecycle.Event) -> State:
    for event in events:
        state, _ = lifecycle.apply(state, event)
    return state


def fill(quantity: int, price: str) -> Report:
    return Report(Reported.FILL, "R1", quantity, D(price))


class TestTheHoldOfABuy:
    def test_is_the_price_and_the_fee(self) -> None:
        assert lifecycle.hold(order()) == D("10010.00")

    def test_needs_only_the_difference_once_something_was_charged(self) -> None:
        state = after(order(), fill(4, "1000.00"))
        assert (lifecycle.charged(state), lifecycle.hold(state)) == (D("5.00"), D("6005.00"))

    def test_needs_no_more_than_the_price_once_the_cap_is_reached(self) -> None:
        state = after(order(price="10000.00"), fill(4, "10000.00"))
        assert (lifecycle.charged(state), lifecycle.hold(state)) == (D("20.00"), D("60000.00"))

    def test_is_the_most_of_all_terms_that_may_go_live(self) -> None:
        more = Request("R2", 2, Kind.AMEND, 15, D("1000.00"), Stage.SENT)
        less = Request("R3", 3, Kind.AMEND, 5, D("1000.00"), Stage.SENT)
        asked = after(order(), RequestAdded(more), RequestAdded(less))
        assert lifecycle.hold(asked) == D("15015.00")
        refused = after(asked, Report(Reported.CANCEL_REJECTED, "R2"))
        assert lifecycle.hold(refused) == D("10010.00")
        assert lifecycle.hold(after(refused, Report(Reported.REPLACED, "R3"))) == D("5005.00")

    @pytest.mark.parametrize("end", [fill(10, "1000.00"), Report(Reported.CANCELED, "R1")])
    def test_is_nothing_when_it_is_over(self, end: Report) -> None:
        assert lifecycle.hold(after(order(), end)) == 0


class TestASale:
    def test_holds_shares_and_nothing_for_the_fee(self) -> None:
        assert lifecycle.hold(order(Side.SELL)) == 10

    def test_costs_no_more_than_it_brings_in(self) -> None:
        cheap = order(Side.SELL, price="0.40")
        some = after(cheap, fill(10, "0.40"))
        assert lifecycle.charged(some) == D("4.00")
        assert lifecycle.charged(after(some, fill(10, "0.40"))) == D("5.00")

    def test_a_buy_costs_the_minimum_however_little_it_is_worth(self) -> None:
        assert lifecycle.charged(after(order(price="0.40"), fill(10, "0.40"))) == D("5.00")


class TestBustsAndCorrections:
    def test_a_bust_takes_the_fee_back_with_it(self) -> None:
        filled = after(order(), fill(4, "1000.00"), fill(6, "1000.00"))
        assert lifecycle.charged(filled) == D("10.00")
        six = after(filled, Report(Reported.BUSTED, "R1", replaces=Executed(4, D("1000.00"))))
        assert (lifecycle.charged(six), lifecycle.hold(six)) == (D("6.00"), D("4004.00"))
        none = after(six, Report(Reported.BUSTED, "R1", replaces=Executed(6, D("1000.00"))))
        assert (lifecycle.charged(none), lifecycle.hold(none)) == (0, D("10010.00"))

    def test_a_correction_changes_it_by_the_difference(self) -> None:
        filled = after(order(), fill(10, "900.00"))
        corrected = Report(Reported.CORRECTED, "R1", 10, D("950.00"), replaces=Executed(10, D("900.00")))
        assert lifecycle.charged(after(filled, corrected)) - lifecycle.charged(filled) == D("0.50")


paise = st.integers(0, 3_000).map(lambda number: D(number) / 100)
schedules = st.builds(
    lambda rate, minimum, more: FeeSchedule(rate, minimum, None if more is None else minimum + more),
    st.integers(0, 10**8).map(lambda number: D(number) / 10**8),
    paise,
    st.none() | paise,
)
executions = st.builds(Executed, st.integers(1, 50), st.integers(1, 200_000).map(lambda number: D(number) / 100))
worth = st.integers(0, 10**7).map(lambda number: D(number) / 100)


@given(schedule=schedules, side=st.sampled_from(list(Side)), data=st.data())
def test_any_split_into_fills_busts_and_corrections_costs_what_the_schedule_says(
    schedule: FeeSchedule, side: Side, data: st.DataObject
) -> None:
    """The differences, as they are charged one by one, add up to the paisa; no moment has paid more than is due."""
    state, live, paid = order(side, schedule, 1_000_000, "2000.00"), [], D(0)
    for _ in range(data.draw(st.integers(1, 12))):
        before = lifecycle.charged(state)
        old = data.draw(st.sampled_from([None, *live]))
        new = data.draw(executions if old is None else st.none() | executions)
        kind = Reported.FILL if old is None else Reported.BUSTED if new is None else Reported.CORRECTED
        report = Report(kind, "R1", new and new.quantity, new and new.price, replaces=old or Executed())
        state = after(state, report)
        if old:
            live.remove(old)
        if new:
            live.append(new)
        paid += lifecycle.charged(state) - before
        moved = sum((fill.quantity * fill.price for fill in live), D(0))
        assert paid == min(lifecycle.fee_total(schedule, moved), moved if side is Side.SELL else D("Infinity"))


@given(schedule=schedules, one=worth, other=worth)
def test_more_value_never_costs_less_and_a_further_sale_never_more_than_it_brings(
    schedule: FeeSchedule, one: Decimal, other: Decimal
) -> None:
    low, high = (replace(order(Side.SELL, schedule), filled_value=value) for value in sorted((one, other)))
    assert 0 <= lifecycle.charged(high) - lifecycle.charged(low) <= high.filled_value - low.filled_value
    assert lifecycle.fee_total(schedule, low.filled_value) <= lifecycle.fee_total(schedule, high.filled_value)


@given(
    schedule=schedules,
    quantity=st.integers(1, 500),
    cents=st.integers(1, 200_000),
    amended=st.none() | st.tuples(st.integers(1, 700), st.integers(0, 100_000)),
    pieces=st.lists(st.tuples(st.integers(1, 100), st.integers(0, 100_000)), max_size=8),
)
def test_what_is_held_pays_for_every_fill_at_the_limit_or_better_with_its_fee(
    schedule: FeeSchedule,
    quantity: int,
    cents: int,
    amended: tuple[int, int] | None,
    pieces: list[tuple[int, int]],
) -> None:
    state = order(Side.BUY, schedule, quantity, str(D(cents) / 100))
    if amended:
        more, dearer = amended
        state = after(
            state, RequestAdded(Request("R2", 2, Kind.AMEND, more, state.price + D(dearer) / 100, Stage.SENT))
        )
    for shares, cheaper in pieces:
        shares = min(shares, lifecycle.leaves(state))
        price = max(D("0.01"), state.price - D(cheaper) / 100)
        if not shares:
            break
        filled = after(state, fill(shares, str(price)))
        cost = shares * price + lifecycle.charged(filled) - lifecycle.charged(state)
        assert lifecycle.hold(filled) + cost <= lifecycle.hold(state)
        state = filled


def test_a_declining_share_is_capped() -> None:
    assert [lifecycle.fee_total(DECLINING, D(value)) for value in ("1.00", "22.00", "30.00")] == [
        D("10.00"),
        D("11.00"),
        D("12.00"),
    ]
