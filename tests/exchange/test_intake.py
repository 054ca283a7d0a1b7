"""A report that cannot be read or applied is kept whole and stops nothing."""

import pytest
from django.db import OperationalError

from exchange.amqp import Delivery
from exchange.inbound import Intake
from exchange.models import Code, QuarantinedMessage
from exchange.quarantine import quarantine
from tests.exchange.test_messages import FILL, message

pytestmark = pytest.mark.django_db


def deliver(*bodies):
    return [
        Delivery(body=body, message_id=f"m{number}", redelivered=False, tag=number)
        for number, body in enumerate(bodies, 1)
    ]


def fill(exec_id):
    return message(FILL | {"ExecID": exec_id})


class Books:
    """What `apply` stands for: takes a list or raises, and then has taken none of it."""

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
        self.applied += ids


class TestIntake:
    def test_applies_a_batch_in_one_call(self):
        books = Books()
        Intake("reports", books)(deliver(fill("a"), fill("b")))
        assert books.calls == [["a", "b"]]
        assert not QuarantinedMessage.objects.exists()

    def test_gives_the_bytes_with_the_message(self):
        seen = []
        Intake("reports", seen.extend)(deliver(fill("a")))
        assert (seen[0].raw, seen[0].message_id, seen[0].message.exec_id) == (fill("a"), "m1", "a")

    def test_keeps_what_it_cannot_read_and_applies_the_others(self):
        books = Books()
        Intake("reports", books)(deliver(b"\x00\xff", fill("a"), message({}, "D"), message({}, "8")))
        assert books.applied == ["a"]
        kept = QuarantinedMessage.objects.order_by("id").values_list("code", "message_id", "message_type", "queue")
        assert list(kept) == [
            (Code.MALFORMED, "m1", "", "reports"),
            (Code.UNSUPPORTED, "m3", "D", "reports"),
            (Code.MALFORMED, "m4", "8", "reports"),
        ]
        assert bytes(QuarantinedMessage.objects.earliest("id").body) == b"\x00\xff"

    def test_splits_a_failing_batch_down_to_the_one_that_fails_alone(self):
        books = Books("d")
        Intake("reports", books)(deliver(*map(fill, "abcdefgh")))
        assert books.applied == list("abcefgh"), "all others, in order"
        kept = QuarantinedMessage.objects.get()
        assert (kept.code, kept.message_id, bytes(kept.body)) == (Code.FAILED, "m4", fill("d"))
        assert "ValueError: cannot" in kept.detail
        assert "Traceback" in kept.traceback
        assert kept.message_type == "8"

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("error", [OperationalError, ConnectionResetError, TimeoutError])
    def test_a_passing_error_is_raised_and_nothing_is_split_or_kept(self, error):
        books = Books("b", error=error)
        with pytest.raises(error):
            Intake("reports", books)(deliver(*map(fill, "abc")))
        assert books.calls == [["a", "b", "c"]]
        assert not QuarantinedMessage.objects.exists()

    def test_a_batch_that_comes_again_is_kept_once(self):
        intake = Intake("reports", Books("b"))
        for _ in range(2):
            intake(deliver(b"nonsense", fill("a"), fill("b")))
        assert QuarantinedMessage.objects.count() == 2


class TestQuarantine:
    def test_keeps_what_no_text_column_can_hold(self):
        quarantine(
            queue="reports",
            message_id="a\x00" + "x" * 300,
            body=b"\x00",
            code=Code.UNKNOWN_ORDER,
            detail="\ud800\x00",
        )
        kept = QuarantinedMessage.objects.get()
        assert len(kept.message_id) == 255
        assert kept.detail == "?\ufffd"

    def test_the_same_bytes_for_another_reason_are_another_row(self):
        for code in (Code.UNKNOWN_ORDER, Code.EXEC_ID_REUSED):
            quarantine(queue="reports", message_id="a", body=b"x", code=code, detail="")
        assert QuarantinedMessage.objects.count() == 2

    def test_a_code_that_is_not_listed_is_refused(self):
        with pytest.raises(ValueError, match="NONSENSE"):
            quarantine(queue="reports", message_id="a", body=b"x", code="NONSENSE", detail="")
