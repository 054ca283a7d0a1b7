"""The simulated exchange without its link: the engine and its journal, on disk."""

import json
import sqlite3
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from exchange.fix.messages import parse
from exchange.fix.wire import enclose
from exchange.simulator.engine import Engine
from exchange.simulator.instruments import Share
from exchange.simulator.journal import Journal, JournalInUse
from exchange.simulator.market_maker import MarketMaker
from tests.exchange.exchange_spec import ExchangeSpec, Member, amend, ask, cancel, kinds, new, of

NOW = datetime(2026, 11, 22, 10, 15, 30, tzinfo=UTC)
SHARES = {
    "TEST": Share("TEST", Decimal("0.01"), 1, Decimal(100), Decimal(50)),
    "LOTS": Share("LOTS", Decimal("0.05"), 10, Decimal(100), Decimal(20)),
    "HALTED": Share("HALTED", Decimal("0.05"), 1, Decimal(100), Decimal(20), halted=True),
}


class Desk:
    """An engine on a journal, and what it would publish."""

    def __init__(self, path, **options):
        self.shares = dict(SHARES)
        self.journal = Journal(path)
        self.engine = Engine(self.journal, self.shares, **options)

    def __call__(self, batch):
        self.engine.process(batch, now=NOW)
        return self.outbox()

    def outbox(self):
        waiting = self.journal.waiting(10_000)
        if waiting:
            self.journal.published(waiting[-1].number)
        return [
            enclose(report.msg_type, report.body, sending_time=NOW, poss_resend=bool(report.poss_resend))
            for report in waiting
        ]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "exchange.sqlite3"


@pytest.fixture
def desk(path):
    desk = Desk(path)
    yield desk
    desk.journal.close()


@pytest.fixture
def member(desk):
    return Member(desk)


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
    def test_answers_a_bad_field_with_a_rejection(self, member, field, value, reason):
        message = json.loads(new("alice", "BUY", 10, "100.00", symbol="LOTS"))
        message["Body"][field] = value
        (answer,) = member.send(json.dumps(message).encode())
        assert (answer.exec_type, answer.ord_rej_reason) == ("8", reason)

    def test_rejects_a_second_order_of_one_trade_and_keeps_the_first(self, member):
        member.send(new("alice", "BUY", 10, "99.00"))
        (answer,) = member.send(new("alice", "BUY", 10, "99.00", request="alice-9"))
        assert (answer.exec_type, answer.ord_rej_reason, answer.cl_ord_id) == ("8", "6", "alice-9")
        *_, status = member.send(ask("alice"))
        assert (status.ord_status, status.leaves_qty) == ("0", 10)

    def test_gives_a_filled_order_more_but_not_less(self, member):
        member.send(new("bob", "SELL", 10, "99.00"), new("alice", "BUY", 10, "99.00"))
        refused, raised = member.send(
            amend("alice", "BUY", 5, "99.00"), amend("alice", "BUY", 15, "99.00", seq=3, orig="alice-1")
        )
        assert refused.cxl_rej_reason == "0"
        assert (raised.exec_type, raised.ord_status, raised.leaves_qty) == ("5", "1", 5)

    def test_says_that_it_is_working_on_it_when_told_to(self, tmp_path):
        member = Member(Desk(tmp_path / "pending", pending_reports=True))
        answers = member.send(new("alice", "BUY", 9, "99.00"), amend("alice", "BUY", 8, "99.00"))
        answers += member.send(cancel("alice", "BUY", seq=3))
        assert kinds(answers) == ["A", "0", "E", "5", "6", "4"]
        assert [answer.ord_status for answer in answers] == ["A", "0", "E", "0", "6", "4"]
        assert [answer.cl_ord_id for answer in answers] == [f"alice-{n}" for n in (1, 1, 2, 2, 3, 3)]
        assert (answers[2].orig_cl_ord_id, answers[2].order_qty) == ("alice-1", 9)

    def test_a_halt_under_way_stops_new_orders_and_not_cancels(self, desk, member):
        member.send(new("alice", "BUY", 10, "99.00"))
        desk.shares["TEST"] = Share("TEST", Decimal("0.01"), 1, Decimal(100), Decimal(50), halted=True)
        refused, done = member.send(amend("alice", "BUY", 10, "98.00"), cancel("alice", "BUY", seq=3))
        assert (refused.cxl_rej_reason, done.exec_type) == ("2", "4")

    def test_sets_a_message_aside_that_makes_it_fail_and_takes_the_others(self, desk, member, path, monkeypatch):
        submit = desk.engine._new

        def fragile(request, *rest):
            if request.cl_ord_id == "poison-1":
                raise ZeroDivisionError("a bug")
            submit(request, *rest)

        monkeypatch.setattr(desk.engine, "_new", fragile)
        batch = [new(name, "BUY", 1, "99.00") for name in ("alice", "poison", "carol")]
        assert [answer.trade_ref for answer in member.send(*batch)] == ["alice", "carol"]
        assert query(path, "SELECT detail FROM set_aside") == [("ZeroDivisionError('a bug')",)]


class TestJournal:
    def test_a_new_start_knows_the_books_and_the_requests(self, desk, path):
        before = Member(desk).send(
            new("carol", "SELL", 5, "100.00"), new("bob", "SELL", 10, "100.00"), new("dave", "BUY", 3, "100.00")
        )
        desk.journal.close()
        member = Member(Desk(path))
        assert member.send(new("bob", "SELL", 10, "100.00", poss_resend=True)) == []
        after = member.send(new("alice", "BUY", 10, "100.00"))
        assert [(fill.trade_ref, fill.last_qty) for fill in after[1:]] == [
            ("carol", 2), ("alice", 2), ("bob", 8), ("alice", 8),
        ]  # fmt: skip
        assert not {answer.exec_id for answer in before} & {answer.exec_id for answer in after}

    def test_the_place_in_the_line_survives_amendments_and_a_new_start(self, desk, path):
        member = Member(desk)
        member.send(*(new(name, "SELL", 10, "100.00") for name in ("first", "second", "third")))
        member.send(amend("first", "SELL", 11, "100.00"), amend("second", "SELL", 9, "100.00"))
        desk.journal.close()
        fills = of("alice", Member(Desk(path)).send(new("alice", "BUY", 30, "100.00")))[1:]
        assert [fill.last_qty for fill in fills] == [9, 10, 11]

    def test_what_was_not_published_goes_out_after_a_new_start_and_says_so(self, desk, path):
        desk.engine.process([new("alice", "BUY", 10, "99.00")], now=NOW)
        desk.journal.close()
        reopened = Desk(path)
        reopened.journal.doubt()
        (answer,) = map(parse, reopened.outbox())
        assert (answer.exec_type, answer.poss_resend) == ("0", True)
        assert reopened.outbox() == []

    def test_a_batch_is_all_or_nothing(self, desk, path, monkeypatch):
        monkeypatch.setattr(
            desk.journal, "save", lambda orders: (_ for _ in ()).throw(sqlite3.OperationalError("full"))
        )
        with pytest.raises(sqlite3.OperationalError):
            desk.engine.process([new("bob", "SELL", 10, "99.00")], now=NOW)
        monkeypatch.undo()
        assert query(path, "SELECT * FROM requests") == []
        assert kinds(Member(desk).send(new("alice", "BUY", 10, "99.00"))) == ["0"], "bob was never there"

    def test_an_asking_that_comes_again_is_answered_once_while_the_answer_waits(self, desk):
        asking = ask("alice", asking="once")
        desk.engine.process([asking, asking], now=NOW)
        desk.engine.process([asking], now=NOW)
        assert len(desk.outbox()) == 1

    def test_two_exchanges_never_share_one(self, desk, path):
        with pytest.raises(JournalInUse):
            Journal(path)

    def test_a_new_one_never_repeats_the_ids_of_another(self, desk, tmp_path):
        other = Journal(tmp_path / "other")
        assert desk.journal.born != other.born

    def test_shows_its_executions_to_whoever_looks(self, desk, path):
        Member(desk).send(new("bob", "SELL", 10, "99.50"), new("alice", "BUY", 4, "99.50"))
        rows = query(path, "SELECT trade_ref, side, quantity, price FROM executions")
        assert rows == [("bob", "2", 4, "99.50"), ("alice", "1", 4, "99.50")]


class TestMarketMaker:
    @pytest.fixture
    def maker(self, desk):
        maker = MarketMaker(desk.engine)
        maker.refresh(desk.shares, now=NOW)
        return maker

    @pytest.mark.parametrize("side", ["BUY", "SELL"])
    def test_whoever_takes_the_reference_price_trades_at_once(self, maker, member, side):
        _ack, fill = member.send(new("alice", side, 10, "100.00"))
        assert (fill.exec_type, fill.last_qty, fill.last_px) == ("F", 10, Decimal(100))

    def test_gives_a_better_price_to_who_would_pay_more(self, maker, member):
        _, fill = member.send(new("alice", "BUY", 10, "120.00"))
        assert fill.last_px == Decimal(100)

    def test_an_order_that_wants_better_rests(self, maker, member):
        assert kinds(member.send(new("alice", "BUY", 10, "80.00"))) == ["0"]

    def test_renews_what_was_taken(self, desk, maker, member):
        *_, last = member.send(new("alice", "BUY", 1_000_000, "100.00"))
        assert (last.cum_qty, last.ord_status) == (100_000, "1")
        maker.refresh(desk.shares, now=NOW)
        (more,) = map(parse, desk.outbox())
        assert (more.trade_ref, more.cum_qty) == ("alice", 200_000)

    def test_quotes_on_tick_in_lots_and_within_the_band(self, desk, maker):
        for side in ("BUY", "SELL"):
            quotes = list(desk.engine.floor.books["LOTS"].orders(side))
            assert len(quotes) == 5
            assert all(quote.price % Decimal("0.05") == 0 and quote.quantity % 10 == 0 for quote in quotes)
            assert all(80 <= quote.price <= 120 for quote in quotes)

    def test_withdraws_from_a_share_that_is_halted(self, desk, maker):
        assert not list(desk.engine.floor.books["HALTED"].orders("BUY"))
        desk.shares.pop("LOTS")
        maker.refresh(desk.shares, now=NOW)
        assert not list(desk.engine.floor.books["LOTS"].orders("BUY"))

    def test_follows_the_reference_price_and_meets_who_waits_there(self, desk, maker, member):
        member.send(new("alice", "BUY", 10, "90.00"))
        desk.shares["TEST"] = Share("TEST", Decimal("0.01"), 1, Decimal(90), Decimal(50))
        maker.refresh(desk.shares, now=NOW)
        (fill,) = map(parse, desk.outbox())
        assert (fill.trade_ref, fill.last_qty, fill.last_px) == ("alice", 10, Decimal(90))

    def test_its_own_fills_concern_nobody_and_its_quotes_are_made_anew(self, maker, member, desk, path):
        member.send(new("alice", "BUY", 10, "100.00"))
        assert len(query(path, "SELECT * FROM executions")) == 1
        desk.journal.close()
        again = Desk(path)
        MarketMaker(again.engine).refresh(again.shares, now=NOW)
        *_, fill = Member(again).send(new("carol", "BUY", 10, "100.00"))
        assert fill.exec_type == "F"
