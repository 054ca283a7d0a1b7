"""A report that cannot be parsed or applied is stored whole and stops nothing; an outage is waited for."""

import time
from itertools import count

import pytest
from django.conf import settings
from django.db import DatabaseError, OperationalError, connection, transaction

from exchange.amqp import Consumer, Delivery, OutboundMessage, Publisher
from exchange.inbound import InboundReports
from exchange.models import Code, QuarantinedMessage
from exchange.quarantine import quarantine
from tests.exchange.test_messages import FILL, message
from trades.pipeline import apply_reports

pytestmark = pytest.mark.django_db


def deliver(*bodies, redelivered=False):
    return [
        Delivery(body=body, message_id=f"m{number}", redelivered=redelivered, tag=number)
        for number, body in enumerate(bodies, 1)
    ]


def fill(exec_id):
    return message(FILL | {"ExecID": exec_id})


class Books:
    """An `apply`: takes a list or raises, and then has taken none of it. A report it knows changes nothing."""

    def __init__(self, *poison, error=ValueError):
        self.poison = poison
        self.error = error
        self.applied = []
        self.calls = []

    def __call__(self, reports):
        ids = [report.message.exec_id for report in reports]
        self.calls.append(ids)
        if set(ids) & set(self.poison):
            raise self.error("cannot")
        self.applied += [exec_id for exec_id in ids if exec_id not in self.applied]


class TestABatch:
    def test_is_applied_in_one_call(self):
        books = Books()
        InboundReports("reports", books)(deliver(fill("a"), fill("b")))
        assert books.calls == [["a", "b"]]
        assert not QuarantinedMessage.objects.exists()

    def test_has_its_bytes_with_each_message(self):
        received = []
        InboundReports("reports", received.extend)(deliver(fill("a")))
        report = received[0]
        assert (report.raw, report.message_id, report.message.exec_id) == (fill("a"), "m1", "a")

    def test_is_applied_but_for_what_cannot_be_parsed(self):
        books = Books()
        InboundReports("reports", books)(deliver(b"\x00\xff", fill("a"), message({}, "D"), message({}, "8")))
        assert books.applied == ["a"]
        quarantined = QuarantinedMessage.objects.order_by("id")
        assert list(quarantined.values_list("code", "message_id", "message_type", "queue")) == [
            (Code.MALFORMED, "m1", "", "reports"),
            (Code.UNSUPPORTED, "m3", "D", "reports"),
            (Code.MALFORMED, "m4", "8", "reports"),
        ]
        assert bytes(quarantined[0].body) == b"\x00\xff"

    def test_that_fails_is_split_down_to_the_report_that_fails_alone(self):
        books = Books("d")
        InboundReports("reports", books)(deliver(*map(fill, "abcdefgh")))
        assert books.applied == list("abcefgh"), "all others, in order"
        quarantined = QuarantinedMessage.objects.get()
        assert (quarantined.code, quarantined.message_id) == (Code.FAILED, "m4")
        assert bytes(quarantined.body) == fill("d")
        assert "ValueError: cannot" in quarantined.detail
        assert "Traceback" in quarantined.traceback
        assert quarantined.message_type == "8"

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("error", [OperationalError, ConnectionResetError, TimeoutError])
    def test_that_fails_for_a_transient_reason_is_raised_whole(self, error):
        books = Books("b", error=error)
        with pytest.raises(error):
            InboundReports("reports", books)(deliver(*map(fill, "abc")))
        assert books.calls == [["a", "b", "c"]]
        assert not QuarantinedMessage.objects.exists()

    def test_that_comes_again_is_quarantined_once(self):
        inbound = InboundReports("reports", Books("b"))
        for _ in range(2):
            inbound(deliver(b"nonsense", fill("a"), fill("b")))
        assert QuarantinedMessage.objects.count() == 2


# --- Transient failures ----------------------------------------------------------------------------------------------


def statement_timeout(_):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '10ms'")
        cursor.execute("SELECT pg_sleep(5)")


def idle_in_transaction_timeout(_):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '10ms'")
        time.sleep(0.1)
        cursor.execute("SELECT 1")


def failure(sqlstate):
    """Return a function that fails as PostgreSQL does with this SQLSTATE."""

    def fail(_):
        with connection.cursor() as cursor:
            cursor.execute(f"DO $$ BEGIN RAISE SQLSTATE '{sqlstate}'; END $$")

    return fail


class FailingBooks(Books):
    """Books that fail as a real function does, while `fails` says so of the ids in a call."""

    def __init__(self, fails, how):
        super().__init__()
        self.fails = fails
        self.how = how

    def __call__(self, reports):
        ids = [report.message.exec_id for report in reports]
        if self.fails(ids):
            self.calls.append(ids)
            self.how(reports)
        super().__call__(reports)


def hand_on_until_done(inbound, deliveries, limit=200):
    """Hand the same batch on as the consumer does, from the second time as redelivered; return how often it failed."""
    for failures in range(limit):
        try:
            inbound(deliveries if not failures else [Delivery(d.body, d.message_id, True, d.tag) for d in deliveries])
        except (OSError, DatabaseError):
            continue
        return failures
    raise AssertionError(f"still failing after {limit} attempts")


@pytest.mark.django_db(transaction=True)
class TestTransientFailures:
    @pytest.mark.parametrize(
        "how",
        [statement_timeout, idle_in_transaction_timeout, failure("25P04")],
        ids=["statement", "idle", "transaction"],
    )
    @pytest.mark.parametrize("poison", "adh")
    def test_one_report_that_always_times_out_does_not_hold_up_the_others(self, how, poison):
        books = FailingBooks(lambda ids: poison in ids, how)
        failures = hand_on_until_done(InboundReports("reports", books, max_attempts=3), deliver(*map(fill, "abcdefgh")))
        assert books.applied == [exec_id for exec_id in "abcdefgh" if exec_id != poison], "in order"
        assert failures <= 3 + 2 + 2, "the batch, its halves and quarters once each, the report alone"
        quarantined = QuarantinedMessage.objects.get()
        assert (quarantined.code, bytes(quarantined.body)) == (Code.FAILED, fill(poison))
        assert "Error: " in quarantined.detail
        assert "Traceback" in quarantined.traceback

    def test_reports_that_are_too_many_for_one_transaction_are_applied_in_parts(self):
        books = FailingBooks(lambda ids: len(ids) > 25, statement_timeout)
        ids = [f"e{number}" for number in range(200)]
        hand_on_until_done(InboundReports("reports", books), deliver(*map(fill, ids)))
        assert books.applied == ids
        assert not QuarantinedMessage.objects.exists()

    def test_a_part_that_was_committed_is_not_applied_again_in_place(self):
        books = FailingBooks(lambda ids: "d" in ids, statement_timeout)
        hand_on_until_done(InboundReports("reports", books), deliver(*map(fill, "abcdefgh")))
        assert [ids for ids in books.calls if "a" in ids and "d" not in ids] == [["a", "b"]]

    @pytest.mark.parametrize(
        "how",
        [failure("55P03"), failure("40P01"), failure("40001"), failure("57P01"), failure("57P03"), failure("08006"),
         failure("53300"), failure("25006"), Books(*"abcdefgh", error=ConnectionResetError)],
        ids=["lock", "deadlock", "serialization", "shutdown", "starting", "connection", "too many", "standby", "link"],
    )  # fmt: skip
    def test_an_outage_quarantines_nothing_however_long_it_lasts(self, how):
        attempts = count()
        books = FailingBooks(lambda ids: next(attempts) < 100, how)
        failures = hand_on_until_done(InboundReports("reports", books), deliver(*map(fill, "abcdefgh")))
        assert failures == 100
        assert books.applied == list("abcdefgh"), "in order"
        assert books.calls[100:] == [["a"], ["b"], ["c", "d"], ["e", "f", "g", "h"]], "only what comes first was split"
        assert not QuarantinedMessage.objects.exists()

    def test_timeouts_of_one_report_count_only_in_a_row(self):
        """A database that comes and goes is slow at times, too."""
        hows = iter([statement_timeout, statement_timeout, failure("57P01")] * 10)
        attempts = count()
        books = FailingBooks(lambda ids: next(attempts) < 30, lambda reports: next(hows)(reports))
        assert hand_on_until_done(InboundReports("reports", books, max_attempts=3), deliver(fill("a"))) == 30
        assert books.applied == ["a"]
        assert not QuarantinedMessage.objects.exists()

    def test_a_database_that_is_too_slow_for_the_quarantine_too_quarantines_nothing(self, monkeypatch):
        """Nothing tells a report that takes too long from a database that does, but that everything else does, too."""
        attempts = count()
        books = FailingBooks(lambda ids: next(attempts) < 10, statement_timeout)
        slow = failure("57014")
        monkeypatch.setattr("exchange.inbound.quarantine", lambda **_: slow(None))
        assert hand_on_until_done(InboundReports("reports", books, max_attempts=3), deliver(fill("a"))) == 10
        assert books.applied == ["a"]

    def test_what_comes_again_in_other_batches_is_neither_lost_nor_applied_twice(self):
        """The link to RabbitMQ was lost meanwhile: the same messages, cut differently."""
        books = FailingBooks(lambda ids: "d" in ids, statement_timeout)
        inbound = InboundReports("reports", books)
        for _ in range(5):
            with pytest.raises(OperationalError):
                inbound(deliver(*map(fill, "abcdefgh")))
        assert books.applied == ["a", "b"]
        hand_on_until_done(inbound, deliver(*map(fill, "abc"), redelivered=True))
        hand_on_until_done(inbound, deliver(*map(fill, "defghij"), redelivered=True))
        assert books.applied == list("abcefghij")
        assert bytes(QuarantinedMessage.objects.get().body) == fill("d")

    def test_killed_in_the_middle_its_successor_applies_the_rest(self):
        books = FailingBooks(lambda ids: "d" in ids, statement_timeout)
        for lives in range(1, 8):
            inbound = InboundReports("reports", books)
            for _ in range(lives):
                with pytest.raises(OperationalError):
                    inbound(deliver(*map(fill, "abcdefgh")))
        hand_on_until_done(InboundReports("reports", books), deliver(*map(fill, "abcdefgh"), redelivered=True))
        assert books.applied == list("abcefgh")
        assert QuarantinedMessage.objects.count() == 1

    def test_applying_is_not_repeated_between_two_heartbeats(self, monkeypatch):
        """RabbitMQ cuts off a consumer that it does not hear of for the time of three timeouts."""
        calls = []
        monkeypatch.setattr("trades.pipeline.route", lambda messages: calls.append(1) or statement_timeout(None))
        with pytest.raises(OperationalError):
            InboundReports("reports", apply_reports)(deliver(fill("a")))
        assert calls == [1]

    def test_a_report_that_times_out_leaves_the_queue_and_everything_behind_it_is_applied(self, queue, channel):
        publisher = Publisher(settings.EXCHANGE_URL, queue)
        publisher.publish([OutboundMessage(exec_id, fill(exec_id)) for exec_id in "abcd"])
        books = FailingBooks(lambda ids: "c" in ids, statement_timeout)
        inbound = InboundReports("reports", books, max_attempts=2)

        def stop_when_idle():
            if "d" in books.applied:
                consumer.stop()

        consumer = Consumer(settings.EXCHANGE_URL, queue, inbound, between_batches=stop_when_idle)
        consumer.run()
        publisher.close()
        assert books.applied == list("abd")
        assert bytes(QuarantinedMessage.objects.get().body) == fill("c")
        left = channel.queue_declare(queue.name, passive=True)
        assert left.message_count == 0, "all of it is acknowledged"


class TestQuarantine:
    def test_stores_what_no_text_column_can_hold(self):
        quarantine(
            queue="reports",
            message_id="a\x00" + "x" * 300,
            body=b"\x00",
            code=Code.UNKNOWN_ORDER,
            detail="\ud800\x00",
        )
        quarantined = QuarantinedMessage.objects.get()
        assert len(quarantined.message_id) == 255
        assert quarantined.detail == "?\ufffd"

    def test_the_same_bytes_for_another_reason_are_another_row(self):
        for code in (Code.UNKNOWN_ORDER, Code.EXEC_ID_REUSED):
            quarantine(queue="reports", message_id="a", body=b"x", code=code, detail="")
        assert QuarantinedMessage.objects.count() == 2

    def test_a_code_that_is_not_listed_is_refused(self):
        with pytest.raises(ValueError, match="NONSENSE"):
            quarantine(queue="reports", message_id="a", body=b"x", code="NONSENSE", detail="")
