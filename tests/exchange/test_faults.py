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
from tests.exchange.exchange_spec import ExchangeSpec, Member, amend, ask, cancel, kinds, new, of
from tests.exchange.test_engine import NOW, Desk, query

ALWAYS = 1.0


@pytest.fixture
def path(tmp_path):
    return tmp_path / "exchange.sqlite3"


@pytest.fixture
def faulty(path):
    """Makes a desk with the given faults at the given rates."""
    made = []

    def make(seed=1, **rates):
        made.append(Desk(path, faults=Faults({Fault(name): rate for name, rate in rates.items()}, seed)))
        return made[-1]

    yield make
    for desk in made:
        desk.journal.close()


def later(desk, seconds=5.0):
    desk.engine.catch_up(now=NOW + timedelta(seconds=seconds))
    return [parse(raw) for raw in desk.outbox()]


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
        hit = {seed: [Faults({Fault.DROPS: 0.2}, seed).hits(Fault.DROPS, n) for n in range(2000)] for seed in (1, 2)}
        assert hit[1] != hit[2]
        assert all(300 < sum(hits) < 500 for hits in hit.values())
        assert hit[1] == [Faults({Fault.DROPS: 0.2}, 1).hits(Fault.DROPS, n) for n in range(2000)]


class TestOff(ExchangeSpec):
    """The shared cases, with faults that are named and never happen."""

    @pytest.fixture
    def member(self, faulty):
        return Member(faulty(**dict.fromkeys(Fault, 0.0)))


class TestHowAReportGoesOut:
    def test_an_ack_after_the_first_fill_or_late(self, faulty):
        desk = faulty(acks_late=ALWAYS)
        member = Member(desk)
        assert member.send(new("alice", "BUY", 10, "99.00")) == []
        assert kinds(of("alice", member.send(new("bob", "SELL", 4, "99.00")))) == ["F", "0"]
        assert member.send(new("carol", "BUY", 10, "98.00")) == []
        assert kinds(later(desk)) == ["0"]

    def test_fills_before_everything_that_led_to_them(self, faulty):
        member = Member(faulty(fills_first=ALWAYS, pendings=ALWAYS))
        member.send(new("alice", "BUY", 10, "99.00"))
        assert kinds(of("alice", member.send(new("bob", "SELL", 4, "99.00")))) == ["F", "A", "0"]

    def test_a_report_twice_sometimes_marked_and_sometimes_not(self, faulty):
        desk = faulty(duplicates=ALWAYS)
        answers = Member(desk).send(*(new(f"t{n}", "BUY", 1, "99.00") for n in range(20))) + later(desk)
        assert set(Counter(answer.exec_id for answer in answers).values()) == {2}
        assert 0 < sum(answer.poss_resend for answer in answers) < 20

    def test_reports_overtake_each_other_across_orders_and_within_one(self, faulty):
        desk = faulty(reordered=0.5)
        member = Member(desk)
        answers = member.send(*(new(f"t{n}", "BUY", 1, "99.00") for n in range(20)), new("bob", "SELL", 20, "99.00"))
        answers += later(desk)
        numbers = [int(answer.exec_id.split("-")[1]) for answer in answers]
        assert sorted(numbers) == list(range(1, 62))
        assert numbers != sorted(numbers)
        own = [int(answer.exec_id.split("-")[1]) for answer in of("bob", answers)]
        assert own != sorted(own)

    def test_a_delay_and_then_the_report(self, faulty):
        desk = faulty(delays=ALWAYS)
        assert Member(desk).send(new("alice", "BUY", 10, "99.00")) == []
        assert later(desk, 0.1) == []
        assert kinds(later(desk)) == ["0"]

    def test_what_was_dropped_is_told_to_who_asks_in_first_order(self, faulty):
        desk = faulty(drops=ALWAYS)
        member = Member(desk)
        member.send(new("alice", "BUY", 10, "99.00"), new("bob", "SELL", 4, "99.00"), cancel("alice", "BUY"))
        assert later(desk) == []
        answers = member.send(ask("alice"))
        assert kinds(answers) == ["0", "F", "4", "I"]
        assert all(answer.poss_resend for answer in answers[:-1])

    def test_what_was_held_back_does_not_come_after_the_answer_to_an_asking(self, faulty):
        desk = faulty(delays=ALWAYS)
        member = Member(desk)
        member.send(new("alice", "BUY", 10, "99.00"))
        assert kinds(member.send(ask("alice"))) == ["0", "I"]
        assert later(desk) == []


class TestHowARequestIsAnswered:
    def test_pending_first(self, faulty):
        answers = Member(faulty(pendings=ALWAYS)).send(new("alice", "BUY", 10, "99.00"), cancel("alice", "BUY"))
        assert kinds(answers) == ["A", "0", "6", "4"]

    def test_amendments_and_cancellations_refused(self, faulty):
        member = Member(faulty(amends_refused=ALWAYS, cancels_refused=ALWAYS))
        member.send(new("alice", "BUY", 10, "99.00"))
        answers = member.send(amend("alice", "BUY", 5, "99.00"), cancel("alice", "BUY", seq=3))
        assert [(answer.cl_ord_id, answer.cxl_rej_reason) for answer in answers] == [
            ("alice-2", "99"),
            ("alice-3", "99"),
        ]
        *_, status = member.send(ask("alice"))
        assert (status.ord_status, status.leaves_qty) == ("0", 10)

    def test_a_halt_refuses_new_orders_for_a_while_also_after_a_new_start(self, faulty, path):
        desk = faulty(halts=ALWAYS)
        (refused,) = Member(desk).send(new("alice", "BUY", 10, "99.00"))
        assert (refused.exec_type, refused.ord_rej_reason) == ("8", "2")
        desk.journal.close()
        again = faulty()
        (refused,) = Member(again).send(new("bob", "BUY", 10, "99.00"))
        assert refused.ord_rej_reason == "2"
        later(again)
        assert kinds(Member(again).send(new("carol", "BUY", 10, "99.00"))) == ["0"]


class TestWhatNobodyAskedFor:
    def test_a_bust_opens_the_orders_again_and_they_meet_again(self, faulty):
        desk = faulty(busts=ALWAYS)
        Member(desk).send(new("alice", "BUY", 4, "99.00"), new("bob", "SELL", 4, "99.00"))
        answers = later(desk, 2.1)
        assert kinds(answers) == ["H", "H", "F", "F"]
        assert [(bust.cum_qty, bust.leaves_qty) for bust in answers[:2]] == [(0, 4), (0, 4)]

    def test_a_correction_of_a_correction_names_the_latest_version(self, faulty, path):
        desk = faulty(corrections=ALWAYS)
        *_, sold, bought = Member(desk).send(new("alice", "BUY", 10, "99.00"), new("bob", "SELL", 10, "99.00"))
        first = of("alice", later(desk, 2.1))
        (second,) = of("alice", later(desk, 4.3))[:1]
        assert (first[0].exec_ref_id, first[0].last_qty) == (sold.exec_id, 9)
        assert (second.exec_ref_id, second.last_qty, second.last_px) == (first[0].exec_id, 8, Decimal("98.98"))
        assert bought.last_qty == 10

    @pytest.mark.parametrize(
        ("fault", "first", "then"),
        [("suspensions", "9", "D"), ("restatements", "D", ""), ("cancels", "4", ""), ("expiries", "C", ""),
         ("done_for_day", "3", "")],
    )  # fmt: skip
    def test_an_order_that_rests_is_visited(self, faulty, fault, first, then):
        desk = faulty(**{fault: ALWAYS})
        Member(desk).send(new("alice", "BUY", 10, "99.00"))
        assert kinds(later(desk)) == [first]
        assert "".join(kinds(later(desk, 10))) == then

    def test_nothing_comes_over_an_order_that_is_over(self, faulty):
        desk = faulty(suspensions=ALWAYS, restatements=ALWAYS, expiries=ALWAYS, done_for_day=ALWAYS)
        Member(desk).send(new("alice", "BUY", 10, "99.00"), cancel("alice", "BUY"))
        assert later(desk) == []


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
        st.tuples(st.just("ask"), TRADES),
        st.tuples(st.just("wait"), st.sampled_from([0.1, 0.5, 2.0])),
    ),
    max_size=30,
)


class Play:
    """Plays steps against a desk, and starts it anew before those whose number is in `restarts`."""

    def __init__(self, folder, rates, seed, steps, restarts=frozenset()):
        self.path = Path(folder) / "exchange.sqlite3"
        self.faults = Faults(rates, seed)
        self.sides = {}
        self.seqs = Counter()
        self.said = []
        self.now = NOW
        self.desk = self.start()
        for number, step in enumerate(steps):
            if number in restarts:
                self.desk.journal.close()
                self.desk = self.start()
            self.do(*step)

    def start(self):
        return Desk(self.path, faults=self.faults, scripts=True)

    def do(self, what, *details):
        batch = []
        if what == "wait":
            self.now += timedelta(seconds=details[0])
        else:
            batch = [getattr(self, what)(f"t{details[0]}", *details[1:])]
        self.now += timedelta(seconds=0.1)
        self.desk.engine.process(batch, now=self.now)
        self.desk.engine.catch_up(now=self.now)
        self.said += self.desk.outbox()

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

    def ask(self, trade):
        return ask(trade, asking=f"ask-{self.now}")

    def finish(self):
        """Whatever is under way comes to its end; then all is asked for, and the exchange closes."""
        self.desk.journal.close()
        self.faults = Faults()  # no new trouble, or the old would breed for ever
        self.desk = self.start()
        for _ in range(20):
            self.do("wait", 5.0)
        self.asked = len(self.said)
        for number in range(8):
            self.do("ask", number)
        self.desk.journal.close()

    @property
    def words(self):
        """What was said, without the id that each journal draws for itself."""
        return [raw.decode().replace(self.desk.journal.born, "born") for raw in self.said]


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
            play = Play(folder, rates, seed, steps, restarts)
            play.finish()
            executions = query(play.path, "SELECT exec_id, trade_ref, quantity, price FROM executions")
            orders = dict(query(play.path, "SELECT key, filled FROM orders"))
            waiting = query(play.path, "SELECT (SELECT count(*) FROM held), (SELECT count(*) FROM planned)")
        counted = versions_that_count(map(parse, play.said))
        assert counted == {(exec_id, ref, quantity, Decimal(price)) for exec_id, ref, quantity, price in executions}
        filled = defaultdict(int)
        for _, trade, quantity, _ in executions:
            filled[trade] += quantity
        assert {trade: quantity for trade, quantity in orders.items() if quantity} == filled
        assert waiting == [(0, 0)]

    @MANY
    @given(RATES, st.integers(0, 1000), STEPS)
    def test_who_asks_hears_every_report_once_in_first_order(self, rates, seed, steps):
        with TemporaryDirectory() as folder:
            play = Play(folder, rates, seed, steps)
            play.finish()
            kept = query(
                play.path, "SELECT chain, body FROM reports WHERE chain IN (SELECT key FROM orders) ORDER BY number"
            )
        answers = [parse(raw) for raw in play.said[play.asked :]]
        for number in range(8):
            *reports, status = of(f"t{number}", answers)
            assert status.exec_type == "I"
            assert [report.body for report in reports] == [
                json.loads(body) for key, body in kept if key == f"t{number}"
            ]

    @MANY
    @given(RATES, st.integers(0, 1000), STEPS, st.frozensets(st.integers(0, 29), min_size=1, max_size=5))
    def test_a_new_start_in_the_middle_changes_not_a_byte(self, rates, seed, steps, restarts):
        with TemporaryDirectory() as one, TemporaryDirectory() as other:
            straight, broken = Play(one, rates, seed, steps), Play(other, rates, seed, steps, restarts)
            straight.finish()
            broken.finish()
        assert straight.words == broken.words
