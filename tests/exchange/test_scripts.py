"""An order at the price of a script goes as its script says; at any other price it goes as without scripts."""

from datetime import timedelta
from decimal import Decimal

import pytest

from exchange.fix.messages import parse
from exchange.simulator.market_maker import MarketMaker
from exchange.simulator.scripts import Script, script_of
from tests.exchange.exchange_spec import ExchangeSpec, Participant, amend, cancel, kinds, new, status_request
from tests.exchange.test_engine import NOW, SimulatedExchange, query

LATER = NOW + timedelta(seconds=1)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "exchange.sqlite3"


@pytest.fixture(params=["BUY", "SELL"])
def side(request):
    return request.param


@pytest.fixture
def exchange(path):
    exchange = SimulatedExchange(path, scripts=True)
    MarketMaker(exchange.engine).refresh(exchange.instruments, now=NOW)
    yield exchange
    exchange.journal.close()


@pytest.fixture
def participant(exchange):
    return Participant(exchange)


def later(exchange, now=LATER):
    """Return what the exchange reports of its own accord a second later."""
    exchange.engine.catch_up(now=now)
    return [parse(raw) for raw in exchange.outbox()]


def status(participant):
    *_, last = participant.send(status_request("alice"))
    return last.ord_status, last.order_qty, last.cum_qty, last.leaves_qty


class TestSwitchedOn(ExchangeSpec):
    """The shared cases: their prices on TEST are no scripts."""

    @pytest.fixture
    def participant(self, tmp_path):
        return Participant(SimulatedExchange(tmp_path / "quiet", scripts=True))


class TestEachScript:
    @pytest.mark.parametrize(
        ("paise", "at_once", "a_second_later", "end"),
        [
            (11, "F0F", "", ("2", 10, 10, 0)),
            (12, "0FFF", "", ("2", 10, 10, 0)),
            (13, "8", "", ("8", 10, 0, 0)),
            (14, "0", "", ("0", 10, 0, 10)),
            (15, "0", "", ("0", 10, 0, 10)),
            (16, "0F", "H", ("0", 10, 0, 10)),
            (17, "0F", "G", ("1", 10, 9, 1)),
            (18, "00FF", "", ("2", 10, 10, 0)),
            (19, "", "", ("0", 10, 0, 10)),
            (21, "09", "D", ("0", 10, 0, 10)),
            (22, "0", "4", ("4", 10, 0, 0)),
            (23, "0", "C", ("C", 10, 0, 0)),
            (24, "0", "3", ("3", 10, 0, 0)),
            (25, "A0", "", ("0", 10, 0, 10)),
            (26, "0", "D", ("0", 11, 0, 11)),
            (27, "0F", "", ("2", 10, 11, 0)),
            (28, "0F", "", ("2", 10, 10, 0)),
        ],
    )
    def test_goes_as_the_table_says(self, exchange, participant, side, paise, at_once, a_second_later, end):
        assert "".join(kinds(participant.send(new("alice", side, 10, f"99.{paise}")))) == at_once
        assert later(exchange, NOW) == [], "a second is a second"
        assert "".join(kinds(later(exchange))) == a_second_later
        assert status(participant) == end
        assert later(exchange, NOW + timedelta(hours=1)) == []

    def test_every_script_is_in_the_table(self):
        table = self.test_goes_as_the_table_says.pytestmark[0].args[1]
        assert {row[0] for row in table} == {script.value for script in Script}

    def test_a_bust_names_its_execution_and_a_correction_is_a_share_less_at_a_tick_better(
        self, exchange, participant, side
    ):
        _, busted = participant.send(new("alice", side, 10, "99.16"))
        _, corrected = participant.send(new("bob", side, 10, "99.17"))
        bust, correction = later(exchange)
        assert (bust.exec_ref_id, bust.cum_qty, bust.leaves_qty) == (busted.exec_id, 0, 10)
        assert (correction.exec_ref_id, correction.last_qty) == (corrected.exec_id, 9)
        assert correction.last_px == Decimal("99.16" if side == "BUY" else "99.18")

    def test_fills_beyond_the_limit_by_one(self, participant, side):
        _, fill = participant.send(new("alice", side, 10, "99.28"))
        assert fill.last_px == Decimal("100.28" if side == "BUY" else "98.28")

    def test_refuses_an_amendment_and_takes_the_cancellation(self, participant, side):
        participant.send(new("alice", side, 10, "99.14"))
        refused, done = participant.send(amend("alice", side, 5, "99.00"), cancel("alice", side, seq=3))
        assert (refused.cxl_rej_reason, done.exec_type) == ("99", "4")

    def test_the_fill_is_faster_than_the_cancellation(self, participant, side):
        participant.send(new("alice", side, 10, "99.15"))
        fill, refused = participant.send(cancel("alice", side))
        assert (fill.exec_type, fill.cum_qty, refused.cxl_rej_reason) == ("F", 10, "0")

    def test_sends_a_pending_report_before_every_answer(self, participant, side):
        replies = participant.send(new("alice", side, 10, "99.25"), amend("alice", side, 9, "99.25"))
        assert kinds(replies + participant.send(cancel("alice", side, seq=3))) == ["A", "0", "E", "5", "6", "4"]

    def test_a_status_request_brings_an_ack_that_was_never_sent(self, participant, side):
        assert participant.send(new("alice", side, 10, "99.19")) == []
        ack, reply = participant.send(status_request("alice"))
        assert (ack.exec_type, reply.ord_status) == ("0", "0")
        assert kinds(participant.send(cancel("alice", side))) == ["4"]

    def test_a_suspended_order_may_be_cancelled_but_not_amended(self, exchange, participant, side):
        participant.send(new("alice", side, 10, "99.21"))
        refused, done = participant.send(amend("alice", side, 5, "99.21"), cancel("alice", side, seq=3))
        assert (refused.cxl_rej_reason, done.exec_type) == ("99", "4")
        assert later(exchange) == [], "what is over is not restated"

    def test_done_for_day_lets_an_order_good_till_cancelled_sleep(self, exchange, participant, side):
        participant.send(new("alice", side, 10, "99.24", time_in_force="GTC"))
        (sleeps,) = later(exchange)
        assert (sleeps.exec_type, sleeps.leaves_qty) == ("3", 10)
        assert kinds(later(exchange, LATER + timedelta(seconds=1))) == ["D"]
        assert status(participant) == ("0", 10, 0, 10)

    def test_an_amendment_to_such_a_price_starts_its_script(self, participant, side):
        participant.send(new("bob", side, 10, "99.25"))
        replies = participant.send(amend("bob", side, 10, "99.12"))
        assert kinds(replies) == ["E", "5", "F", "F", "F"]
        assert [reply.last_qty for reply in replies[2:]] == [3, 3, 4]

    def test_an_amendment_to_another_price_brings_it_into_the_book(self, participant, side):
        participant.send(new("alice", side, 10, "99.25"))
        *_, last = participant.send(amend("alice", side, 10, "100.00"))
        assert (last.exec_type, last.last_qty) == ("F", 10), "the market maker was there"

    @pytest.mark.parametrize("script", [script for script in Script if script is not Script.REFUSED])
    def test_an_amendment_to_what_is_filled_leaves_nothing_to_script(self, exchange, participant, side, script):
        participant.send(new("alice", side, 10, "99.17"))
        assert kinds(later(exchange)) == ["G"]
        replies = participant.send(amend("alice", side, 5, f"99.{script.value}")) + later(
            exchange, LATER + timedelta(hours=1)
        )
        assert {(reply.exec_type, reply.ord_status) for reply in replies} <= {("5", "2")}
        assert status(participant) == ("2", 9, 9, 0)

    def test_one_share_is_filled_once(self, participant, side):
        assert kinds(participant.send(new("alice", side, 1, "99.12"))) == ["0", "F"]
        assert kinds(participant.send(new("bob", side, 1, "99.11"))) == ["F", "0"]


class TestTheRest:
    def test_stands_outside_the_book(self, participant):
        participant.send(new("alice", "BUY", 10, "120.14"))
        assert kinds(participant.send(new("bob", "SELL", 10, "110.00"))) == ["0"]

    def test_other_instruments_and_prices_have_no_script(self):
        assert script_of("LOTS", Decimal("99.15")) is None
        assert [script_of("TEST", Decimal(price)) for price in ("99.00", "99.05", "99.10", "99.20")] == [None] * 4

    def test_switched_off_it_is_a_price_like_any_other(self, tmp_path):
        participant = Participant(SimulatedExchange(tmp_path / "off"))
        assert kinds(participant.send(new("alice", "BUY", 10, "99.13"))) == ["0"]

    def test_a_new_start_in_the_middle_of_a_script_changes_nothing(self, exchange, participant, path):
        for paise in (14, 16, 21, 22):
            participant.send(new(f"t{paise}", "BUY", 10, f"120.{paise}"))
        exchange.journal.close()
        again = SimulatedExchange(path, scripts=True)
        assert kinds(later(again)) == ["H", "D", "4"]
        assert kinds(Participant(again).send(new("bob", "SELL", 10, "110.00"))) == ["0"], "still outside the book"
        again.journal.close()

    def test_the_journal_shows_the_latest_versions_of_executions(self, exchange, participant, path):
        participant.send(*(new(f"t{paise}", "BUY", 10, f"99.{paise}") for paise in (12, 16, 17, 28)))
        later(exchange)
        rows = query(path, "SELECT trade_ref, quantity, price FROM executions ORDER BY 1, 2")
        assert rows == [("t12", 3, "99.12"), ("t12", 3, "99.12"), ("t12", 4, "99.12"), ("t17", 9, "99.16"),
                        ("t28", 10, "100.28")]  # fmt: skip
