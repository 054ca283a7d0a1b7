"""The reducer alone: what each event makes of the facts, and what must hold whatever comes in whatever order."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trades import lifecycle
from trades.lifecycle import (
    CancelledLocally,
    Denied,
    Executed,
    FeeSchedule,
    Kind,
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
    apply,
    hold,
    leaves,
    status,
)

LIMIT = Decimal(100)


def trade(side: Side = Side.BUY, stage: Stage = Stage.SENT, time_in_force: TimeInForce = TimeInForce.DAY) -> State:
    new = Request("N", 1, Kind.NEW, 10_000, LIMIT, stage)
    return State(side, time_in_force, 10_000, LIMIT, (new,))


def after(state: State, *events: lifecycle.Event) -> State:
    for event in events:
        state, _ = apply(state, event)
    return state


def asked(
    kind: Kind, seq: int, quantity: int = 10_000, price: Decimal = LIMIT, stage: Stage = Stage.SENT
) -> RequestAdded:
    return RequestAdded(Request(f"R{seq}", seq, kind, quantity, price, stage))


def fill(quantity: int, price: str = "100") -> Report:
    return Report(Reported.FILL, None, quantity, Decimal(price))


class TestBeforeTheExchange:
    @pytest.mark.parametrize(
        ("stage", "expected"), [("RECEIVED", 0), ("VALIDATED", 0), ("BOOKED", 1_000_000), ("SENT", 1_000_000)]
    )
    def test_only_what_is_booked_holds(self, stage: str, expected: int) -> None:
        state = trade(stage=Stage(stage))
        assert hold(state) == expected
        assert status(state) == ("PENDING_NEW" if stage == "SENT" else stage)

    def test_a_refused_new_ends_the_trade(self) -> None:
        state = after(trade(stage=Stage.RECEIVED), Denied("N"))
        assert (status(state), leaves(state), hold(state)) == (Status.REJECTED, 0, 0)

    def test_a_withdrawn_new_ends_the_trade(self) -> None:
        state = after(trade(stage=Stage.VALIDATED), asked(Kind.CANCEL, 2, stage=Stage.RECEIVED), CancelledLocally("R2"))
        assert status(state) is Status.CANCELED
        assert [request.outcome for request in state.requests] == [Outcome.CANCELED, Outcome.ACCEPTED]


class TestWorking:
    def test_a_better_price_is_released_by_the_formula(self) -> None:
        state = after(trade(), fill(4_000, "99.50"))
        assert (hold(state), state.filled_value) == (600_000, Decimal("398000.00"))

    def test_an_order_of_shares_holds_shares(self) -> None:
        assert hold(after(trade(Side.SELL), fill(4_000, "101"))) == 6_000

    def test_the_larger_of_old_and_new_terms_is_held_until_the_answer(self) -> None:
        raised = after(trade(), Report(Reported.NEW), asked(Kind.AMEND, 2, 12_000))
        lowered = after(raised, asked(Kind.AMEND, 3, 5_000))
        assert (hold(raised), hold(lowered)) == (1_200_000, 1_200_000)
        assert hold(after(lowered, Report(Reported.CANCEL_REJECTED, "R2"))) == 1_000_000
        assert hold(after(lowered, Report(Reported.REPLACED, "R2"), Report(Reported.REPLACED, "R3"))) == 500_000

    def test_an_amendment_holds_only_once_it_is_booked(self) -> None:
        state = after(trade(), asked(Kind.AMEND, 2, 12_000, stage=Stage.VALIDATED))
        assert hold(state) == 1_000_000
        assert hold(after(state, StageCompleted("R2", Stage.BOOKED))) == 1_200_000

    def test_pending_wins_over_what_is_filled(self) -> None:
        state = after(trade(), fill(10_000), asked(Kind.CANCEL, 2), Report(Reported.PENDING_CANCEL, "R2"))
        assert status(state) is Status.PENDING_CANCEL
        assert status(after(state, Report(Reported.CANCEL_REJECTED, "R2"))) is Status.FILLED

    def test_an_amendment_to_what_is_filled_cancels_the_balance(self) -> None:
        state = after(trade(), asked(Kind.AMEND, 2, 3_000), fill(4_000), Report(Reported.REPLACED, "R2"))
        assert (status(state), state.quantity, leaves(state), hold(state)) == (Status.FILLED, 4_000, 0, 0)

    def test_a_bust_after_it_opens_up_to_the_terms_of_the_exchange(self) -> None:
        state = after(trade(), asked(Kind.AMEND, 2, 3_000), fill(1_500), fill(2_500), Report(Reported.REPLACED, "R2"))
        busted = after(state, Report(Reported.BUSTED, replaces=Executed(2_500, LIMIT)))
        assert (status(busted), busted.quantity, leaves(busted)) == (Status.PARTIALLY_FILLED, 3_000, 1_500)
        raised = after(busted, asked(Kind.AMEND, 3, 6_000), Report(Reported.REPLACED, "R3"))
        assert (raised.quantity, leaves(raised), raised.terms_quantity) == (6_000, 4_500, None)

    def test_a_correction_counts_in_the_place_of_what_it_corrects(self) -> None:
        state = after(trade(), fill(4_000), Report(Reported.FILL, None, 1_000, Decimal(99)))
        corrected = Report(Reported.CORRECTED, None, 3_000, Decimal(98), replaces=Executed(4_000, LIMIT))
        state = after(state, corrected)
        assert (state.filled_quantity, state.filled_value, hold(state)) == (4_000, Decimal(393_000), 600_000)

    def test_a_pending_report_behind_the_answer_changes_nothing(self) -> None:
        answered = after(trade(), asked(Kind.AMEND, 2, 8_000), Report(Reported.REPLACED, "R2"))
        assert after(answered, Report(Reported.PENDING_REPLACE, "R2")) == answered

    def test_a_fill_answers_the_new_order(self) -> None:
        state = after(trade(stage=Stage.BOOKED), fill(1_000))
        assert (state.acked, state.new.stage, state.new.outcome) == (True, Stage.SENT, Outcome.ACCEPTED)

    def test_a_late_answer_to_an_earlier_amendment_only_closes_it(self) -> None:
        state = after(trade(), asked(Kind.AMEND, 2, 8_000), asked(Kind.AMEND, 3, 7_000))
        state = after(state, Report(Reported.REPLACED, "R3"), Report(Reported.REPLACED, "R2"))
        assert state.quantity == 7_000
        assert all(request.outcome is Outcome.ACCEPTED for request in state.requests[1:])

    def test_what_names_the_order_only_answers_the_amendment_that_waits(self) -> None:
        asked_for = after(trade(), asked(Kind.AMEND, 2, 8_000, Decimal(99)))
        pending = after(asked_for, Report(Reported.PENDING_REPLACE))
        assert (status(pending), pending.quantity) == (Status.PENDING_REPLACE, 10_000)
        for named in (None, "N"):
            state = after(pending, Report(Reported.REPLACED, named))
            assert (state.requests[1].outcome, status(state)) == (Outcome.ACCEPTED, Status.NEW)
            assert (state.quantity, state.price, hold(state)) == (8_000, 99, 792_000)

    def test_of_several_amendments_it_answers_the_one_with_these_terms_or_else_the_first(self) -> None:
        state = after(trade(), asked(Kind.AMEND, 2, 8_000), asked(Kind.AMEND, 3, 7_000))
        for quantity, answered in ((8_000, "R2"), (7_000, "R3"), (None, "R2"), (6_000, "R2")):
            replaced = after(state, Report(Reported.REPLACED, None, quantity))
            assert [r.id for r in replaced.requests[1:] if r.outcome] == [answered]

    def test_what_names_the_order_only_answers_the_cancellation_that_waits(self) -> None:
        pending = after(trade(), asked(Kind.CANCEL, 2), Report(Reported.PENDING_CANCEL))
        assert status(pending) is Status.PENDING_CANCEL
        assert after(pending, Report(Reported.CANCELED)).requests[1].outcome is Outcome.ACCEPTED

    def test_what_names_the_new_order_proves_that_it_was_sent(self) -> None:
        state = after(trade(stage=Stage.BOOKED), Report(Reported.PENDING_CANCEL, "N"))
        assert state.new.stage is Stage.SENT

    def test_a_request_refers_to_the_last_one_that_was_not_rejected(self) -> None:
        state = after(trade(), asked(Kind.AMEND, 2, 8_000), asked(Kind.AMEND, 3, 7_000), asked(Kind.CANCEL, 4))
        assert lifecycle.orig_cl_ord_id(state, 4) == "R3"
        assert lifecycle.orig_cl_ord_id(after(state, Report(Reported.CANCEL_REJECTED, "R3")), 4) == "R2"


class TestEnding:
    def test_the_end_closes_every_open_request(self) -> None:
        state = after(trade(), asked(Kind.AMEND, 2, 12_000), asked(Kind.CANCEL, 3), Report(Reported.CANCELED, "R3"))
        assert [request.outcome for request in state.requests] == ["ACCEPTED", "REJECTED", "ACCEPTED"]
        assert (status(state), hold(state)) == (Status.CANCELED, 0)

    def test_a_fill_after_the_end_counts_and_is_odd(self) -> None:
        state, odd = apply(after(trade(), Report(Reported.CANCELED)), fill(1_000))
        assert (status(state), state.filled_quantity, hold(state)) == (Status.CANCELED, 1_000, 0)
        assert [anomaly.code for anomaly in odd] == ["FILL_AFTER_END"]

    def test_more_than_was_ordered_counts_and_is_odd(self) -> None:
        state, odd = apply(after(trade(), fill(9_000)), fill(3_000, "100.50"))
        assert (status(state), state.filled_quantity) == (Status.FILLED, 12_000)
        assert {anomaly.code: anomaly.details for anomaly in odd} == {
            "OVERFILL": {"quantity": 2_000},
            "FILL_BEYOND_LIMIT": {"price": "100.50", "limit": "100.00"},
        }

    def test_a_fill_before_the_ack_counts_and_is_odd(self) -> None:
        state, odd = apply(trade(), fill(1_000))
        assert (status(state), odd[0].code, odd[0].details) == (
            Status.PARTIALLY_FILLED,
            "FILL_BEFORE_ACK",
            {"quantity": 1_000},
        )
        assert apply(state, fill(1_000)) == (after(state, fill(1_000)), ())

    def test_a_revision_after_the_order_was_filled_counts_and_is_odd(self) -> None:
        filled = after(trade(), fill(10_000))
        corrected = Report(Reported.CORRECTED, None, 9_000, LIMIT, replaces=Executed(10_000, LIMIT))
        for revision, change in (
            (Report(Reported.BUSTED, replaces=Executed(10_000, LIMIT)), -10_000),
            (corrected, -1_000),
        ):
            state, odd = apply(filled, revision)
            assert state.filled_quantity == 10_000 + change
            assert [(anomaly.code, anomaly.details) for anomaly in odd] == [
                ("REVISED_AFTER_FILLED", {"quantity": change})
            ]

    def test_a_rejection_after_a_fill_is_a_cancellation(self) -> None:
        state, odd = apply(after(trade(), fill(1_000)), Report(Reported.REJECTED, "N"))
        assert (status(state), odd[0].code) == (Status.CANCELED, "REJECTED_AFTER_FILL")

    def test_a_fill_after_a_rejection_is_a_cancellation_too(self) -> None:
        rejected = after(trade(), Report(Reported.REJECTED, "N"))
        state, odd = apply(rejected, fill(1_000))
        assert (status(state), leaves(state), hold(state)) == (Status.CANCELED, 0, 0)
        assert [anomaly.code for anomaly in odd] == ["FILL_AFTER_END"]
        assert status(after(state, Report(Reported.BUSTED, replaces=Executed(1_000, LIMIT)))) is Status.CANCELED

    def test_done_for_the_day_ends_a_day_order_and_lets_a_lasting_one_sleep(self) -> None:
        day = after(trade(), Report(Reported.DONE_FOR_DAY))
        lasting = after(trade(time_in_force=TimeInForce.GTC), Report(Reported.DONE_FOR_DAY))
        assert (status(day), leaves(day), hold(day)) == (Status.DONE_FOR_DAY, 0, 0)
        assert (status(lasting), leaves(lasting), hold(lasting)) == (Status.DONE_FOR_DAY, 10_000, 1_000_000)
        assert status(after(lasting, Report(Reported.RESTATED))) is Status.NEW

    @pytest.mark.parametrize("end", [Reported.CANCELED, Reported.EXPIRED, Reported.REJECTED])
    @pytest.mark.parametrize("other", [Reported.DONE_FOR_DAY, Reported.SUSPENDED])
    def test_no_other_declaration_stands_beside_the_end_before_it_or_after(
        self, end: Reported, other: Reported
    ) -> None:
        lasting = trade(time_in_force=TimeInForce.GTC)
        for reports in ([end, other], [other, end], [other, end, Reported.RESTATED]):
            state = after(lasting, *(Report(kind, "N") for kind in reports))
            assert (status(state), leaves(state)) == (Status(end), 0)

    def test_done_for_the_day_closes_every_open_request_of_a_day_order(self) -> None:
        state = after(trade(), asked(Kind.AMEND, 2, 12_000), asked(Kind.CANCEL, 3), Report(Reported.DONE_FOR_DAY))
        assert [request.outcome for request in state.requests] == ["ACCEPTED", "REJECTED", "REJECTED"]

    def test_done_for_the_day_counts_only_while_something_is_open(self) -> None:
        asleep = after(trade(time_in_force=TimeInForce.GTC), Report(Reported.DONE_FOR_DAY), fill(10_000))
        assert (status(asleep), leaves(asleep), hold(asleep)) == (Status.FILLED, 0, 0)


def declared(kind: Reported, minute: int | None) -> Report:
    at = None if minute is None else datetime(2026, 11, 23, 10, minute, tzinfo=UTC)
    return Report(kind, "N", at=at)


class TestDeclarationsOutOfOrder:
    @pytest.mark.parametrize("newest", [Reported.DONE_FOR_DAY, Reported.SUSPENDED, Reported.RESTATED])
    @pytest.mark.parametrize("older", [Reported.DONE_FOR_DAY, Reported.SUSPENDED, Reported.RESTATED])
    def test_an_older_one_is_not_applied(self, newest: Reported, older: Reported) -> None:
        state = after(trade(), declared(newest, 2))
        assert after(state, declared(older, 1)) == state

    @pytest.mark.parametrize("minute", [2, 3, None])
    def test_one_as_new_newer_or_without_a_time_is(self, minute: int | None) -> None:
        woken = after(trade(), declared(Reported.SUSPENDED, 1), declared(Reported.RESTATED, 2))
        assert status(after(woken, declared(Reported.SUSPENDED, minute))) is Status.SUSPENDED

    def test_one_without_a_time_does_not_make_older_ones_count(self) -> None:
        state = after(trade(), declared(Reported.RESTATED, 2), declared(Reported.RESTATED, None))
        assert after(state, declared(Reported.SUSPENDED, 1)) == state


EXECUTED = (Reported.FILL, Reported.CORRECTED, Reported.BUSTED)
REPORTS = st.builds(
    Report,
    st.sampled_from(Reported),
    st.sampled_from([None, "N", "R2", "R3"]),
    st.integers(1, 15_000),
    st.sampled_from([Decimal("99.50"), LIMIT, Decimal("100.50")]),
)
REQUESTS = st.tuples(st.sampled_from([Kind.AMEND, Kind.CANCEL]), st.integers(1, 15_000))


class TestAlways:
    @given(st.sampled_from(Side), st.sampled_from(TimeInForce), st.lists(REQUESTS, max_size=2), st.lists(REPORTS))
    def test_the_rules_of_leaves_and_hold(
        self, side: Side, time_in_force: TimeInForce, requests: list[tuple[Kind, int]], reports: list[Report]
    ) -> None:
        state = trade(side, time_in_force=time_in_force)
        for seq, (kind, quantity) in enumerate(requests, start=2):
            state = after(state, asked(kind, seq, quantity))
        for report in reports:
            state = after(state, report)
            status(state)  # is total: every state has one
            assert leaves(state) == (0 if lifecycle.is_ended(state) else max(0, state.quantity - state.filled_quantity))
            covered = leaves(state) * state.price if side is Side.BUY else leaves(state)
            assert hold(state) >= covered
            if lifecycle.is_over(state) and not any(request.outstanding for request in state.requests):
                assert hold(state) == 0

    @given(st.sampled_from(TimeInForce), st.lists(REQUESTS, max_size=2), st.lists(REPORTS))
    def test_side_and_fees_change_what_is_held_and_not_what_becomes_of_it(
        self, time_in_force: TimeInForce, requests: list[tuple[Kind, int]], reports: list[Report]
    ) -> None:
        fees = FeeSchedule(Decimal("0.01"), Decimal("5.00"), Decimal("20.00"))
        events = [asked(kind, seq, quantity) for seq, (kind, quantity) in enumerate(requests, start=2)] + reports
        bought = after(trade(time_in_force=time_in_force), *events)
        sold = after(replace(trade(time_in_force=time_in_force), side=Side.SELL, fee_schedule=fees), *events)
        assert sold == replace(bought, side=Side.SELL, fee_schedule=fees)

    @given(st.lists(REPORTS.filter(lambda report: report.kind not in EXECUTED)))
    def test_what_is_no_execution_said_twice_is_said_once(self, reports: list[Report]) -> None:
        state = after(trade(), asked(Kind.AMEND, 2, 12_000), asked(Kind.CANCEL, 3))
        for report in reports:
            once = after(state, report)
            assert after(once, report) == once
            state = once


class TestWhatALeftOutFieldMeans:
    """It keeps the value last asked for, or restated since."""

    def test_is_what_the_newest_amendment_without_an_answer_wishes(self) -> None:
        state = after(trade(), Report(Reported.NEW), asked(Kind.AMEND, 2, 12_000, Decimal(101)))
        assert lifecycle.requested_terms(state) == (12_000, Decimal(101))

    def test_is_what_was_restated_since(self) -> None:
        amended = after(trade(), Report(Reported.NEW), asked(Kind.AMEND, 2, 12_000, Decimal(101)))
        assert lifecycle.requested_terms(after(amended, restated(quantity=11_000))) == (11_000, Decimal(101))
        assert lifecycle.requested_terms(after(amended, restated(price="99"))) == (12_000, Decimal(99))

    def test_is_what_was_asked_for_after_that(self) -> None:
        state = after(trade(), Report(Reported.NEW), restated(quantity=11_000), asked(Kind.AMEND, 2, 12_000))
        assert lifecycle.requested_terms(state) == (12_000, LIMIT)


def restated(quantity: int | None = None, price: str | None = None) -> Report:
    return Report(Reported.RESTATED, None, quantity, Decimal(price) if price else None)
