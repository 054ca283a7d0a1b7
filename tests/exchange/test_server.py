"""The simulated exchange behind its queues, and killed: nothing is lost, nothing is doubled."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict, deque
from contextlib import contextmanager, suppress

import pytest
from django.conf import settings
from django.db import connection

from exchange.amqp import WINDOW, OutboundMessage, Publisher
from exchange.fix.messages import parse
from exchange.simulator.faults import NONE, Fault, Faults
from exchange.simulator.journal import Journal
from tests.exchange.exchange_spec import ExchangeSpec, Participant, cancel, fresh, new, status_request
from tests.exchange.serve import server
from tests.factories import InstrumentFactory


class Wire:
    """The broker's end of the link, without its code."""

    def __init__(self, channel, orders, reports):
        self.publisher = Publisher(settings.EXCHANGE_URL, orders)
        self.connection = channel.connection
        self.arrived = deque()
        channel.auto_decode = False
        channel.basic_consume(reports.name, no_ack=True, callback=lambda message: self.arrived.append(message.body))

    def send(self, bodies):
        for start in range(0, len(bodies), WINDOW):
            self.publisher.publish([OutboundMessage(fresh("m"), body) for body in bodies[start : start + WINDOW]])

    def until(self, is_last, timeout=30):
        """Return all messages up to the one that `is_last` recognises, without it."""
        found, end = [], time.monotonic() + timeout
        while time.monotonic() < end:
            while self.arrived:
                raw = self.arrived.popleft()
                if is_last(json.loads(raw)["Body"]):
                    return found
                found.append(raw)
            with suppress(TimeoutError):
                self.connection.drain_events(timeout=0.1)
        raise AssertionError(f"not answered; {len(found)} messages before")

    def wait_for_more(self, count, timeout=30):
        """Wait until `count` more messages have arrived; they stay for `until`."""
        count += len(self.arrived)
        end = time.monotonic() + timeout
        while len(self.arrived) < count:
            assert time.monotonic() < end, f"{len(self.arrived)} of {count} messages"
            with suppress(TimeoutError):
                self.connection.drain_events(timeout=0.1)

    def exchange(self, requests):
        """Send, and return all that came back: the answer to a last status request ends it."""
        end = fresh("end")
        self.send([*requests, status_request(end, query_id=end)])
        return self.until(lambda body: body.get("OrdStatusReqID") == end)


@pytest.fixture
def queues(make_queue):
    return make_queue(), make_queue(single_active=True)


@pytest.fixture
def wire(channel, queues):
    orders, reports = queues
    wire = Wire(channel, orders, reports)
    yield wire
    wire.publisher.close()


@contextmanager
def serving(queues, path, faults=NONE):
    """A server that runs in a thread."""
    orders, reports = queues
    started, running = threading.Event(), []

    def run():
        journal = Journal(path)
        running.append(server(journal=journal, orders=orders, reports=reports, faults=faults))
        started.set()
        running[0].run()
        journal.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(10)
    yield
    running[0].stop()
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def participant(wire, queues, tmp_path):
    with serving(queues, tmp_path / "exchange.sqlite3"):
        yield Participant(wire.exchange)


class TestServer(ExchangeSpec):
    """The shared cases again, over RabbitMQ."""


class TestFaults:
    def test_disconnects_in_the_middle_lose_nothing_and_the_second_time_is_marked(self, wire, queues, tmp_path):
        faults = Faults({Fault.DISCONNECTS: 0.5}, seed=3)
        with serving(queues, tmp_path / "journal", faults):
            replies = []
            for start in range(0, 50, 10):
                batch = [new(f"t{number}", "BUY", 1, "99.00") for number in range(start, start + 10)]
                replies += map(parse, wire.exchange(batch))
        acks = [reply for reply in replies if reply.exec_type == "0"]
        marked = [ack for ack in acks if ack.poss_resend]
        assert {ack.trade_ref for ack in acks} == {f"t{number}" for number in range(50)}
        assert {ack.exec_id for ack in acks if not ack.poss_resend} >= {ack.exec_id for ack in marked}
        assert marked

    def test_what_was_held_back_and_what_was_planned_comes_with_time_alone(self, wire, queues, tmp_path):
        faults = Faults({Fault.DELAYS: 1.0, Fault.EXPIRIES: 1.0})
        with serving(queues, tmp_path / "journal", faults):
            wire.send([new("alice", "BUY", 1, "99.00")])
            wire.wait_for_more(2)
        assert sorted(parse(raw).exec_type for raw in wire.arrived) == ["0", "C"]


@contextmanager
def process(arguments, **environment):
    child = subprocess.Popen(
        [sys.executable, *arguments],
        env=os.environ | environment,
        cwd=settings.BASE_DIR,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


class TestKilled:
    def test_kill_9_at_any_moment_loses_and_doubles_nothing(self, wire, queues, tmp_path):
        chance = random.Random(7)
        trades = [f"t{n}" for n in range(1500)]
        orders = [
            new(trade, chance.choice(["BUY", "SELL"]), chance.randint(1, 50), f"{chance.randint(95, 105)}.00")
            for trade in trades
        ]
        requests = orders + [cancel(trade, "BUY") for trade in chance.sample(trades, 300)]
        command = ["-m", "tests.exchange.serve", queues[0].name, queues[1].name, str(tmp_path / "journal")]
        share = len(requests) // 6
        for start in range(0, len(requests), share):
            with process(command):
                wire.send(requests[start : start + share])
                wire.wait_for_more(chance.randint(1, share))  # and in the middle of the others it dies
        with process(command):
            last = wire.exchange([*chance.sample(orders, 200)])  # and some are sent twice
        self._check([parse(raw) for raw in last], trades, tmp_path / "journal")

    def _check(self, messages, trades, journal):
        reports = [message for message in messages if message.msg_type == "8"]
        by_id, seen = {}, []
        for report in reports:
            if report.exec_id not in by_id:
                seen.append(int(report.exec_id.split("-")[1]))
            assert by_id.setdefault(report.exec_id, report.body) == report.body, "one ExecID, two bodies"
        assert seen == sorted(seen), "out of order"
        distinct = [parse_body(body) for body in by_id.values()]
        acks = Counter(report.trade_ref for report in distinct if report.exec_type == "0")
        assert acks == Counter(trades), "each order is received exactly once"
        assert not [report for report in distinct if report.exec_type == "8"]
        filled = defaultdict(int)
        for report in (report for report in distinct if report.exec_type == "F"):
            filled[report.trade_ref] += report.last_qty
        assert filled
        with sqlite3.connect(journal) as books:
            kept = dict(books.execute("SELECT trade_ref, sum(quantity) FROM executions GROUP BY trade_ref"))
            orders = dict(books.execute("SELECT trade_ref, filled FROM orders WHERE filled > 0"))
            (difference,) = books.execute(
                "SELECT sum(CASE side WHEN '1' THEN quantity ELSE -quantity END) FROM executions"
            ).fetchone()
        assert kept == orders == dict(filled), "what was published is what the books say"
        assert difference == 0


def parse_body(body):
    return parse(json.dumps({"Header": {"MsgType": "8"}, "Body": body}).encode())


@pytest.mark.django_db(transaction=True)
class TestCommand:
    def test_starts_answers_and_stops_cleanly(self, tmp_path, channel):
        InstrumentFactory(symbol="TEST")
        database = connection.settings_dict
        url = "postgres://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format(**database)
        journal = tmp_path / "new" / "exchange.sqlite3"
        command = ["manage.py", "run_exchange", "--journal", str(journal), "--market-maker", "--latency", "1"]
        with process(command, DATABASE_URL=url, EXCHANGE_URL=settings.EXCHANGE_URL) as child:
            output = self._lines_until(child, "link_up")
            assert "exchange_started" in output
            child.send_signal(signal.SIGTERM)
            rest, _ = child.communicate(timeout=10)
        assert child.returncode == 0
        assert "exchange_summary" in rest
        assert "Traceback" not in output + rest

    def test_logs_in_one_line_that_rabbitmq_is_not_there_and_goes_on_trying(self, tmp_path):
        url = "postgres://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format(**connection.settings_dict)
        command = ["manage.py", "run_exchange", "--journal", str(tmp_path / "journal")]
        nowhere = "amqp://guest:guest@127.0.0.1:1//"
        with process(command, DATABASE_URL=url, EXCHANGE_URL=nowhere) as child:
            output = self._lines_until(child, "link_down")
            output += self._lines_until(child, "link_down")
            child.send_signal(signal.SIGTERM)
            rest, _ = child.communicate(timeout=10)
        assert child.returncode == 0
        assert "Traceback" not in output + rest

    @pytest.mark.parametrize("check", [(), ("--check",)])
    def test_says_in_one_line_what_is_wrong_with_a_fault(self, check):
        code, output = self._without_servers("--faults", "gremlins=1", *check)
        assert code == 1
        assert output.strip().startswith("CommandError: --faults: no fault is called 'gremlins'; there are acks_late,")

    def test_checks_its_options_only_with_check(self):
        assert self._without_servers("--faults", "drops=0.1,delays=1", "--check") == (0, "")

    def _without_servers(self, *options):
        """Return the exit code, and all of the output."""
        with process(
            ["manage.py", "run_exchange", *options], DATABASE_URL="postgresql://nobody@127.0.0.1:1/n"
        ) as child:
            output, _ = child.communicate(timeout=30)
        return child.returncode, output

    def _lines_until(self, child, text):
        """Return the output up to the line with `text`."""
        lines = []
        for line in child.stdout:
            lines.append(line)
            if text in line:
                return "".join(lines)
        raise AssertionError("".join(lines))
