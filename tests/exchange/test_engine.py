"""The simulated exchange without its link: the engine and its journal, on disk."""

import json
import sqlite3
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from exchange.fix.messages import parse
from exchange.fix.wire import enclose
from exchange.simulator.engine import Engine
from exchange.simulator.instruments import Instrument
from exchange.simulator.journal import Journal, JournalInUse
from exchange.simulator.market_maker import MarketMaker
from tests.exchange.exchange_spec import ExchangeSpec, Participant, amend, cancel, kinds, new, of, status_request

NOW = datetime(2026, 11, 22, 10, 15, 30, tzinfo=UTC)
INSTRUMENTS = {
    "TEST": Instrument("TEST", Decimal("0.01"), 1, Decimal(100), Decimal(50)),
    "LOTS": Instrument("LOTS", Decimal("0.05"), 10, Decimal(100), Decimal(20)),
    "HALTED": Instrument("HALTED", Decimal("0.05"), 1, Decimal(100), Decimal(20), halted=True),
}


class SimulatedExchange:
    """An engine on a journal, and the messages that it would publish."""

    def __init__(self, path, **options):
        self.instruments = dict(INSTRUMENTS)
        self.journal = Journal(path)
        self.engine = Engine(self.journal, self.instruments, **options)

    def __call__(self, batch):
        self.engine.process(batch, now=NOW)
        return self.outbox()

    def outbox(self):
        outbox = self.journal.unpublished(10_000)
        if outbox:
            self.journal.mark_published(outbox[-1].number)
        return [
            enclose(report.msg_type, report.body, sending_time=NOW, poss_resend=bool(report.poss_resend))
            for report in outbox
        ]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "exchange.sqlite3"


@pytest.fixture
def exchange(path):
    exchange = SimulatedExchange(path)
    yield exchange
    exchange.journal.close()


@pytest.fixture
def participant(exchange):
    return Participant(exchange)


def query(path, sql):
    with sqlite3.connect(path) as connection:
        return connection.execute(sql).fetchall()


class TestEngine(ExchangeSpec):
    """The shared cases."""


class TestRules:
    @pytest.mark.parametrize(
        ("field", "value", "reason"),
        [("OrderQty", "1.5", "13"), ("OrderQty", "15", "13"), ("Price", "0", "18"), ("Price", "NaN", "18"),
         ("Side", "5", "99"), ("OrdType", "1", "11"), ("TimeInForce", "6", "11")],
    )  # fmt: skip
    def test_answers_a_bad_field_with_a_rejection(self, participant, field, value, reason):
        message = json.loads(new("alice", "BUY", 10, "100.00", symbol="LOTS"))
        message["Body"][field] = value
        (reply,) = participant.send(json.dumps(message).encode())
        assert (reply.exec_type, reply.ord_rej_reason) == ("8", reason)

    def test_rejects_a_second_order_of_one_trade_and_keeps_the_first(self, participant):
        participant.send(new("alice", "BUY", 10, "99.00"))
        (reply,) = participant.send(new("alice", "BUY", 10, "99.00", request="alice-9"))
        assert (reply.exec_type, reply.ord_rej_reason, reply.cl_ord_id) == ("8", "6", "alice-9")
        *_, status = participant.send(status_request("alice"))
        assert (status.ord_status, status.leaves_qty) == ("0", 10)

    def test_gives_a_filled_order_more_but_not_less(self, participant):
        participant.send(new("bob", "SELL", 10, "99.00"), new("alice", "BUY", 10, "99.00"))
        refused, raised = participant.send(
            amend("alice", "BUY", 5, "99.00"), amend("alice", "BUY", 15, "99.00", seq=3, orig="alice-1")
        )
        assert refused.cxl_rej_reason == "0"
        assert (raised.exec_type, raised.ord_status, raised.leaves_qty) == ("5", "1", 5)

    def test_sends_pending_reports_where_they_are_wanted(self, tmp_path):
        participant = Participant(SimulatedExchange(tmp_path / "pending", pending_reports=True))
        replies = participant.send(new("alice", "BUY", 9, "99.00"), amend("alice", "BUY", 8, "99.00"))
        replies += participant.send(cancel("alice", "BUY", seq=3))
        assert kinds(replies) == ["A", "0", "E", "5", "6", "4"]
        assert [reply.ord_status for reply in replies] == ["A", "0", "E", "0", "6", "4"]
        assert [reply.cl_ord_id for reply in replies] == [f"alice-{n}" for n in (1, 1, 2, 2, 3, 3)]
        assert (replies[2].orig_cl_ord_id, replies[2].order_qty) == ("alice-1", 9)

    def test_a_halt_under_way_stops_new_orders_and_not_cancels(self, exchange, participant):
        participant.send(new("alice", "BUY", 10, "99.00"))
        exchange.instruments["TEST"] = Instrument("TEST", Decimal("0.01"), 1, Decimal(100), Decimal(50), halted=True)
        refused, done = participant.send(amend("alice", "BUY", 10, "98.00"), cancel("alice", "BUY", seq=3))
        assert (refused.cxl_rej_reason, done.exec_type) == ("2", "4")

    def test_quarantines_a_message_that_makes_it_fail_and_answers_the_others(
        self, exchange, participant, path, monkeypatch
    ):
        submit = exchange.engine._new_order

        def fragile(request, *rest):
            if request.cl_ord_id == "poison-1":
                raise ZeroDivisionError("a bug")
            submit(request, *rest)

        monkeypatch.setattr(exchange.engine, "_new_order", fragile)
        batch = [new(name, "BUY", 1, "99.00") for name in ("alice", "poison", "carol")]
        assert [reply.trade_ref for reply in participant.send(*batch)] == ["alice", "carol"]
        assert query(path, "SELECT detail FROM quarantine") == [("ZeroDivisionError('a bug')",)]


class TestJournal:
    def test_a_new_start_knows_the_books_and_the_requests(self, exchange, path):
        before = Participant(exchange).send(
            new("carol", "SELL", 5, "100.00"), new("bob", "SELL", 10, "100.00"), new("dave", "BUY", 3, "100.00")
        )
        exchange.journal.close()
        participant = Participant(SimulatedExchange(path))
        assert participant.send(new("bob", "SELL", 10, "100.00", poss_resend=True)) == []
        after = participant.send(new("alice", "BUY", 10, "100.00"))
        assert [(fill.trade_ref, fill.last_qty) for fill in after[1:]] == [
            ("carol", 2), ("alice", 2), ("bob", 8), ("alice", 8),
        ]  # fmt: skip
        assert not {reply.exec_id for reply in before} & {reply.exec_id for reply in after}

    def test_the_place_in_the_line_survives_amendments_and_a_new_start(self, exchange, path):
        participant = Participant(exchange)
        participant.send(*(new(name, "SELL", 10, "100.00") for name in ("first", "second", "third")))
        participant.send(amend("first", "SELL", 11, "100.00"), amend("second", "SELL", 9, "100.00"))
        exchange.journal.close()
        fills = of("alice", Participant(SimulatedExchange(path)).send(new("alice", "BUY", 30, "100.00")))[1:]
        assert [fill.last_qty for fill in fills] == [9, 10, 11]

    def test_what_was_not_published_goes_out_after_a_new_start_marked_as_resend(self, exchange, path):
        exchange.engine.process([new("alice", "BUY", 10, "99.00")], now=NOW)
        exchange.journal.close()
        reopened = SimulatedExchange(path)
        reopened.journal.mark_possibly_sent()
        (reply,) = map(parse, reopened.outbox())
        assert (reply.exec_type, reply.poss_resend) == ("0", True)
        assert reopened.outbox() == []

    def test_a_batch_is_all_or_nothing(self, exchange, path, monkeypatch):
        monkeypatch.setattr(
            exchange.journal, "save", lambda orders: (_ for _ in ()).throw(sqlite3.OperationalError("full"))
        )
        with pytest.raises(sqlite3.OperationalError):
            exchange.engine.process([new("bob", "SELL", 10, "99.00")], now=NOW)
        monkeypatch.undo()
        assert query(path, "SELECT * FROM requests") == []
        assert kinds(Participant(exchange).send(new("alice", "BUY", 10, "99.00"))) == ["0"], "bob was never there"

    def test_a_status_request_that_comes_again_is_answered_once_while_the_answer_is_in_the_outbox(self, exchange):
        request = status_request("alice", query_id="once")
        exchange.engine.process([request, request], now=NOW)
        exchange.engine.process([request], now=NOW)
        assert len(exchange.outbox()) == 1

    def test_two_exchanges_never_share_one(self, exchange, path):
        with pytest.raises(JournalInUse):
            Journal(path)

    def test_a_new_one_never_repeats_the_ids_of_another(self, exchange, tmp_path):
        other = Journal(tmp_path / "other")
        assert exchange.journal.id != other.id

    def test_shows_its_executions_to_whoever_looks(self, exchange, path):
        Participant(exchange).send(new("bob", "SELL", 10, "99.50"), new("alice", "BUY", 4, "99.50"))
        rows = query(path, "SELECT trade_ref, side, quantity, price FROM executions")
        assert rows == [("bob", "2", 4, "99.50"), ("alice", "1", 4, "99.50")]


class TestMarketMaker:
    @pytest.fixture
    def maker(self, exchange):
        maker = MarketMaker(exchange.engine)
        maker.refresh(exchange.instruments, now=NOW)
        return maker

    @pytest.mark.parametrize("side", ["BUY", "SELL"])
    def test_whoever_takes_the_reference_price_trades_at_once(self, maker, participant, side):
        _ack, fill = participant.send(new("alice", side, 10, "100.00"))
        assert (fill.exec_type, fill.last_qty, fill.last_px) == ("F", 10, Decimal(100))

    def test_gives_a_better_price_to_who_would_pay_more(self, maker, participant):
        _, fill = participant.send(new("alice", "BUY", 10, "120.00"))
        assert fill.last_px == Decimal(100)

    def test_an_order_that_wants_better_rests(self, maker, participant):
        assert kinds(participant.send(new("alice", "BUY", 10, "80.00"))) == ["0"]

    def test_renews_what_was_taken(self, exchange, maker, participant):
        *_, last = participant.send(new("alice", "BUY", 1_000_000, "100.00"))
        assert (last.cum_qty, last.ord_status) == (100_000, "1")
        maker.refresh(exchange.instruments, now=NOW)
        (more,) = map(parse, exchange.outbox())
        assert (more.trade_ref, more.cum_qty) == ("alice", 200_000)

    def test_quotes_on_tick_in_lots_and_within_the_band(self, exchange, maker):
        for side in ("BUY", "SELL"):
            quotes = list(exchange.engine.venue.books["LOTS"].orders(side))
            assert len(quotes) == 5
            assert all(quote.price % Decimal("0.05") == 0 and quote.quantity % 10 == 0 for quote in quotes)
            assert all(80 <= quote.price <= 120 for quote in quotes)

    def test_withdraws_from_an_instrument_that_is_halted(self, exchange, maker):
        assert not list(exchange.engine.venue.books["HALTED"].orders("BUY"))
        exchange.instruments.pop("LOTS")
        maker.refresh(exchange.instruments, now=NOW)
        assert not list(exchange.engine.venue.books["LOTS"].orders("BUY"))

    def test_follows_the_reference_price_and_meets_who_waits_there(self, exchange, maker, participant):
        participant.send(new("alice", "BUY", 10, "90.00"))
        exchange.instruments["TEST"] = Instrument("TEST", Decimal("0.01"), 1, Decimal(90), Decimal(50))
        maker.refresh(exchange.instruments, now=NOW)
        (fill,) = map(parse, exchange.outbox())
        assert (fill.trade_ref, fill.last_qty, fill.last_px) == ("alice", 10, Decimal(90))

    def test_its_own_fills_concern_nobody_and_its_quotes_are_made_anew(self, maker, participant, exchange, path):
        participant.send(new("alice", "BUY", 10, "100.00"))
        assert len(query(path, "SELECT * FROM executions")) == 1
        exchange.journal.close()
        again = SimulatedExchange(path)
        MarketMaker(again.engine).refresh(again.instruments, now=NOW)
        *_, fill = Participant(again).send(new("carol", "BUY", 10, "100.00"))
        assert fill.exec_type == "F"
