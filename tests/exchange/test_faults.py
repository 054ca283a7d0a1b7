"""Everything that may go wrong at an exchange, on request: each fault alone, and all of them at once."""

import json
from collections import Counter, defaultdict
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange.fix.messages import parse
from exchange.simulator.faults import Fault, Faults
from tests.exchange.exchange_spec import ExchangeSpec, Participant, amend, cancel, kinds, new, of, status_request
from tests.exchange.test_engine import NOW, SimulatedExchange, query

ALWAYS = 1.0


@pytest.fixture
def path(tmp_path):
    return tmp_path / "exchange.sqlite3"


@pytest.fixture
def faulty(path):
    """Makes an exchange with the given faults at the given rates."""
    made = []

    def make(seed=1, **rates):
        made.append(SimulatedExchange(path, faults=Faults({Fault(name): rate for name, rate in rates.items()}, seed)))
        return made[-1]

    yield make
    for exchange in made:
        exchange.journal.close()


def later(exchange, seconds=5.0):
    exchange.engine.catch_up(now=NOW + timedelta(seconds=seconds))
    return [parse(raw) for raw in exchange.outbox()]


class TestNamed:
    def test_reads_names_and_rates(self):
        faults = Faults.parse("acks_late=0.1, duplicates=1", seed=3)
        assert faults == Faults({Fault.ACKS_LATE: 0.1, Fault.DUPLICATES: 1.0}, 3)
        assert not Faults.parse("", seed=3)

    @pytest.mark.parametrize("text", ["gremlins=1", "drops", "drops=often", "drops=1.5", "drops=-1", "drops=nan"])
    def test_says_what_is_wrong_with_a_name_or_a_rate(self, text):
        with pytest.raises(ValueError, match=r"gremlins|rate from 0 to 1"):
            Faults.parse(text, seed=1)

    def test_hits_at_its_rate_the_same_for_the_same_seed(self):
        hit = {seed: [Faults({Fault.DROPS: 0.2}, seed).strikes(Fault.DROPS, n) for n in range(2000)] for seed in (1, 2)}
        assert hit[1] != hit[2]
        assert all(300 < sum(hits) < 500 for hits in hit.values())
        assert hit[1] == [Faults({Fault.DROPS: 0.2}, 1).strikes(Fault.DROPS, n) for n in range(2000)]


class TestOff(ExchangeSpec):
    """The shared cases, with faults that are named and never happen."""

    @pytest.fixture
    def participant(self, faulty):
        return Participant(faulty(**dict.fromkeys(Fault, 0.0)))


class TestHowAReportGoesOut:
    def test_an_ack_after_the_first_fill_or_late(self, faulty):
        exchange = faulty(acks_late=ALWAYS)
        participant = Participant(exchange)
        assert participant.send(new("alice", "BUY", 10, "99.00")) == []
        assert kinds(of("alice", participant.send(new("bob", "SELL", 4, "99.00")))) == ["F", "0"]
        assert participant.send(new("carol", "BUY", 10, "98.00")) == []
        assert kinds(later(exchange)) == ["0"]

    def test_fills_before_everything_that_led_to_them(self, faulty):
        participant = Participant(faulty(fills_first=ALWAYS, pendings=ALWAYS))
        participant.send(new("alice", "BUY", 10, "99.00"))
        assert kinds(of("alice", participant.send(new("bob", "SELL", 4, "99.00")))) == ["F", "A", "0"]

    def test_a_report_twice_sometimes_marked_and_sometimes_not(self, faulty):
        exchange = faulty(duplicates=ALWAYS)
        replies = Participant(exchange).send(*(new(f"t{n}", "BUY", 1, "99.00") for n in range(20))) + later(exchange)
        assert set(Counter(reply.exec_id for reply in replies).values()) == {2}
        assert 0 < sum(reply.poss_resend for reply in replies) < 20

    def test_reports_overtake_each_other_across_orders_and_within_one(self, faulty):
        exchange = faulty(reordered=0.5)
        participant = Participant(exchange)
        replies = participant.send(
            *(new(f"t{n}", "BUY", 1, "99.00") for n in range(20)), new("bob", "SELL", 20, "99.00")
        )
        replies += later(exchange)
        numbers = [int(reply.exec_id.split("-")[1]) for reply in replies]
        assert sorted(numbers) == list(range(1, 62))
        assert numbers != sorted(numbers)
        own = [int(reply.exec_id.split("-")[1]) for reply in of("bob", replies)]
        assert own != sorted(own)

    def test_a_delay_and_then_the_report(self, faulty):
        exchange = faulty(delays=ALWAYS)
        assert Participant(exchange).send(new("alice", "BUY", 10, "99.00")) == []
        assert later(exchange, 0.1) == []
        assert kinds(later(exchange)) == ["0"]

    def test_a_status_request_brings_what_was_dropped_in_first_order(self, faulty):
        exchange = faulty(drops=ALWAYS)
        participant = Participant(exchange)
        participant.send(new("alice", "BUY", 10, "99.00"), new("bob", "SELL", 4, "99.00"), cancel("alice", "BUY"))
        assert later(exchange) == []
        replies = participant.send(status_request("alice"))
        assert kinds(replies) == ["0", "F", "4", "I"]
        assert all(reply.poss_resend for reply in replies[:-1])

    def test_what_was_held_back_does_not_come_after_the_answer_to_a_status_request(self, faulty):
        exchange = faulty(delays=ALWAYS)
        participant = Participant(exchange)
        participant.send(new("alice", "BUY", 10, "99.00"))
        assert kinds(participant.send(status_request("alice"))) == ["0", "I"]
        assert later(exchange) == []


class TestHowARequestIsAnswered:
    def test_pending_first(self, faulty):
        replies = Participant(faulty(pendings=ALWAYS)).send(new("alice", "BUY", 10, "99.00"), cancel("alice", "BUY"))
        assert kinds(replies) == ["A", "0", "6", "4"]

    def test_amendments_and_cancellations_refused(self, faulty):
        participant = Participant(faulty(amends_refused=ALWAYS, cancels_refused=ALWAYS))
        participant.send(new("alice", "BUY", 10, "99.00"))
        replies = participant.send(amend("alice", "BUY", 5, "99.00"), cancel("alice", "BUY", seq=3))
        assert [(reply.cl_ord_id, reply.cxl_rej_reason) for reply in replies] == [
            ("alice-2", "99"),
            ("alice-3", "99"),
        ]
        *_, status = participant.send(status_request("alice"))
        assert (status.ord_status, status.leaves_qty) == ("0", 10)

    def test_a_halt_refuses_new_orders_for_a_while_also_after_a_new_start(self, faulty, path):
        exchange = faulty(halts=ALWAYS)
        (refused,) = Participant(exchange).send(new("alice", "BUY", 10, "99.00"))
        assert (refused.exec_type, refused.ord_rej_reason) == ("8", "2")
        exchange.journal.close()
        again = faulty()
        (refused,) = Participant(again).send(new("bob", "BUY", 10, "99.00"))
        assert refused.ord_rej_reason == "2"
        later(again)
        assert kinds(Participant(again).send(new("carol", "BUY", 10, "99.00"))) == ["0"]


class TestUnsolicited:
    def test_a_bust_opens_the_orders_again_and_they_meet_again(self, faulty):
        exchange = faulty(busts=ALWAYS)
        Participant(exchange).send(new("alice", "BUY", 4, "99.00"), new("bob", "SELL", 4, "99.00"))
        replies = later(exchange, 2.1)
        assert kinds(replies) == ["H", "H", "F", "F"]
        assert [(bust.cum_qty, bust.leaves_qty) for bust in replies[:2]] == [(0, 4), (0, 4)]

    def test_a_correction_of_a_correction_names_the_latest_version(self, faulty, path):
        exchange = faulty(corrections=ALWAYS)
        *_, sold, bought = Participant(exchange).send(new("alice", "BUY", 10, "99.00"), new("bob", "SELL", 10, "99.00"))
        first = of("alice", later(exchange, 2.1))
        (second,) = of("alice", later(exchange, 4.3))[:1]
        assert (first[0].exec_ref_id, first[0].last_qty) == (sold.exec_id, 9)
        assert (second.exec_ref_id, second.last_qty, second.last_px) == (first[0].exec_id, 8, Decimal("98.98"))
        assert bought.last_qty == 10

    @pytest.mark.parametrize(
        ("fault", "first", "then"),
        [("suspensions", "9", "D"), ("restatements", "D", ""), ("cancels", "4", ""), ("expiries", "C", ""),
         ("done_for_day", "3", "")],
    )  # fmt: skip
    def test_an_order_that_rests_is_visited(self, faulty, fault, first, then):
        exchange = faulty(**{fault: ALWAYS})
        Participant(exchange).send(new("alice", "BUY", 10, "99.00"))
        assert kinds(later(exchange)) == [first]
        assert "".join(kinds(later(exchange, 10))) == then

    def test_nothing_comes_over_an_order_that_is_over(self, faulty):
        exchange = faulty(suspensions=ALWAYS, restatements=ALWAYS, expiries=ALWAYS, done_for_day=ALWAYS)
        Participant(exchange).send(new("alice", "BUY", 10, "99.00"), cancel("alice", "BUY"))
        assert later(exchange) == []


# --- All at once -----------------------------------------------------------------------------------------------------

RATES = st.fixed_dictionaries({}, optional={fault: st.sampled_from([0.1, 0.5, 0.9]) for fault in Fault})
SIDES = st.sampled_from(["BUY", "SELL"])
PRICES = st.sampled_from(["99.00", "99.50", "100.00", "99.11", "99.12", "99.15", "99.16", "99.17", "99.21", "99.26"])
TIMES = st.sampled_from(["DAY", "GTC", "IOC", "FOK"])
TRADES = st.integers(0, 7)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("new"), TRADES, SIDES, st.integers(1, 20), PRICES, TIMES),
        st.tuples(st.just("amend"), TRADES, st.integers(1, 25), PRICES),
        st.tuples(st.just("cancel"), TRADES),
        st.tuples(st.just("status_request"), TRADES),
        st.tuples(st.just("wait"), st.sampled_from([0.1, 0.5, 2.0])),
    ),
    max_size=30,
)


class Run:
    """Runs steps against an exchange, and starts it anew before those whose number is in `restarts`."""

    def __init__(self, folder, rates, seed, steps, restarts=frozenset()):
        self.path = Path(folder) / "exchange.sqlite3"
        self.faults = Faults(rates, seed)
        self.sides = {}
        self.seqs = Counter()
        self.published = []
        self.now = NOW
        self.exchange = self.start()
        for number, step in enumerate(steps):
            if number in restarts:
                self.exchange.journal.close()
                self.exchange = self.start()
            self.do(*step)

    def start(self):
        return SimulatedExchange(self.path, faults=self.faults, scripts=True)

    def do(self, what, *details):
        batch = []
        if what == "wait":
            self.now += timedelta(seconds=details[0])
        else:
            batch = [getattr(self, what)(f"t{details[0]}", *details[1:])]
        self.now += timedelta(seconds=0.1)
        self.exchange.engine.process(batch, now=self.now)
        self.exchange.engine.catch_up(now=self.now)
        self.published += self.exchange.outbox()

    def new(self, trade, side, quantity, price, time_in_force):
        self.sides.setdefault(trade, side)
        self.seqs[trade] += 1
        request = f"{trade}-{self.seqs[trade]}"
        return new(trade, self.sides[trade], quantity, price, time_in_force=time_in_force, request=request)

    def amend(self, trade, quantity, price):
        self.seqs[trade] += 1
        return amend(trade, self.sides.get(trade, "BUY"), quantity, price, seq=self.seqs[trade])

    def cancel(self, trade):
        self.seqs[trade] += 1
        return cancel(trade, self.sides.get(trade, "BUY"), seq=self.seqs[trade])

    def status_request(self, trade):
        return status_request(trade, query_id=f"query-{self.now}")

    def finish(self):
        """Let whatever is under way come to its end, request the status of all orders, and close the exchange."""
        self.exchange.journal.close()
        self.faults = Faults()  # no new trouble, or the old would breed for ever
        self.exchange = self.start()
        for _ in range(20):
            self.do("wait", 5.0)
        self.before_queries = len(self.published)
        for number in range(8):
            self.do("status_request", number)
        self.exchange.journal.close()

    @property
    def transcript(self):
        """Return what was published, without the id that each journal draws for itself."""
        return [raw.decode().replace(self.exchange.journal.id, "born") for raw in self.published]


def versions_that_count(reports):
    """Add up reports, however often and in whatever order they came: the executions by their latest ExecID."""
    told = {report.exec_id: report for report in reports if str(getattr(report, "exec_type", "")) in ("F", "G", "H")}
    revised = {report.exec_ref_id for report in told.values()}
    return {
        (exec_id, report.trade_ref, report.last_qty, report.last_px)
        for exec_id, report in told.items()
        if report.exec_type != "H" and exec_id not in revised
    }


MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class TestAllAtOnce:
    @MANY
    @given(RATES, st.integers(0, 1000), STEPS, st.frozensets(st.integers(0, 29), max_size=5))
    def test_the_journal_says_what_all_reports_add_up_to(self, rates, seed, steps, restarts):
        with TemporaryDirectory() as folder:
            run = Run(folder, rates, seed, steps, restarts)
            run.finish()
            executions = query(run.path, "SELECT exec_id, trade_ref, quantity, price FROM executions")
            orders = dict(query(run.path, "SELECT key, filled FROM orders"))
            waiting = query(run.path, "SELECT (SELECT count(*) FROM held_reports), (SELECT count(*) FROM timers)")
        counted = versions_that_count(map(parse, run.published))
        assert counted == {(exec_id, ref, quantity, Decimal(price)) for exec_id, ref, quantity, price in executions}
        filled = defaultdict(int)
        for _, trade, quantity, _ in executions:
            filled[trade] += quantity
        assert {trade: quantity for trade, quantity in orders.items() if quantity} == filled
        assert waiting == [(0, 0)]

    @MANY
    @given(RATES, st.integers(0, 1000), STEPS)
    def test_a_status_request_brings_every_report_once_in_first_order(self, rates, seed, steps):
        with TemporaryDirectory() as folder:
            run = Run(folder, rates, seed, steps)
            run.finish()
            kept = query(
                run.path, "SELECT chain, body FROM reports WHERE chain IN (SELECT key FROM orders) ORDER BY number"
            )
        replies = [parse(raw) for raw in run.published[run.before_queries :]]
        for number in range(8):
            *reports, status = of(f"t{number}", replies)
            assert status.exec_type == "I"
            assert [report.body for report in reports] == [
                json.loads(body) for key, body in kept if key == f"t{number}"
            ]

    @MANY
    @given(RATES, st.integers(0, 1000), STEPS, st.frozensets(st.integers(0, 29), min_size=1, max_size=5))
    def test_a_new_start_in_the_middle_changes_not_a_byte(self, rates, seed, steps, restarts):
        with TemporaryDirectory() as one, TemporaryDirectory() as other:
            straight, broken = Run(one, rates, seed, steps), Run(other, rates, seed, steps, restarts)
            straight.finish()
            broken.finish()
        assert straight.transcript == broken.transcript
