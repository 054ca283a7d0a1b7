"""The cases that every exchange adapter must pass: it runs them by giving the fixture `participant`."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from exchange.fix.messages import (
    CancelReject,
    ExecType,
    ExecutionReport,
    encode,
    new_order_single,
    order_cancel_replace_request,
    order_cancel_request,
    order_status_request,
    parse,
)

NOW = datetime(2026, 11, 22, 10, 15, 30, tzinfo=UTC)
_ids = itertools.count(1)


class Participant:
    """A client of an exchange: sends requests and returns the parsed reports.

    `exchange` takes a list of messages and returns those that came back, as soon as the exchange has answered.
    """

    def __init__(self, exchange: Callable[[list[bytes]], list[bytes]]) -> None:
        self._exchange = exchange

    def send(self, *requests: bytes) -> list[ExecutionReport | CancelReject]:
        return [parse(raw) for raw in self._exchange(list(requests))]


def fresh(prefix: str) -> str:
    return f"{prefix}{next(_ids)}"


def new(trade, side, quantity, price, *, request=None, time_in_force="DAY", symbol="TEST", poss_resend=False):
    body = new_order_single(
        cl_ord_id=request or f"{trade}-1",
        account=1,
        symbol=symbol,
        side=side,
        quantity=quantity,
        price=Decimal(price),
        time_in_force=time_in_force,
        transact_time=NOW,
        trade_id=trade,
    )
    return encode("D", body, sending_time=NOW, poss_resend=poss_resend)


def amend(trade, side, quantity, price, *, seq=2, orig=None, symbol="TEST"):
    body = order_cancel_replace_request(
        cl_ord_id=f"{trade}-{seq}",
        orig_cl_ord_id=orig or f"{trade}-{seq - 1}",
        account=1,
        symbol=symbol,
        side=side,
        quantity=quantity,
        price=Decimal(price),
        time_in_force="DAY",
        transact_time=NOW,
        trade_id=trade,
    )
    return encode("G", body, sending_time=NOW)


def cancel(trade, side, *, seq=2, orig=None):
    body = order_cancel_request(
        cl_ord_id=f"{trade}-{seq}",
        orig_cl_ord_id=orig or f"{trade}-{seq - 1}",
        symbol="TEST",
        side=side,
        quantity=1,
        transact_time=NOW,
        trade_id=trade,
    )
    return encode("F", body, sending_time=NOW)


def status_request(trade, *, request=None, query_id=None):
    body = order_status_request(
        ord_status_req_id=query_id or fresh("query"),
        cl_ord_id=request or f"{trade}-1",
        symbol="TEST",
        side="BUY",
        trade_id=trade,
    )
    return encode("H", body, sending_time=NOW)


def kinds(replies):
    return [str(getattr(reply, "exec_type", "reject")) for reply in replies]


def of(trade, replies):
    return [reply for reply in replies if reply.trade_ref == trade]


class ExchangeSpec:
    """The subclass gives a fixture `participant`, of an exchange with empty books that lists TEST, tick 0.01."""

    @pytest.fixture
    def alice(self):
        return fresh("alice")

    @pytest.fixture
    def bob(self):
        return fresh("bob")

    def test_acknowledges_an_order_that_rests(self, participant, alice):
        (ack,) = participant.send(new(alice, "BUY", 10, "99.00"))
        assert ack.exec_type == ExecType.NEW
        assert (ack.cl_ord_id, ack.trade_ref, ack.symbol, ack.side) == (f"{alice}-1", alice, "TEST", "BUY")
        assert (ack.order_qty, ack.price, ack.cum_qty, ack.leaves_qty) == (10, Decimal(99), 0, 10)
        assert ack.ord_status == "0"
        assert ack.order_id
        assert ack.transact_time
        assert not ack.poss_resend

    def test_reports_a_trade_to_both_sides_at_the_resting_price(self, participant, alice, bob):
        replies = participant.send(new(bob, "SELL", 10, "99.50"), new(alice, "BUY", 4, "101.00"))
        assert kinds(replies) == ["0", "0", "F", "F"]
        sold, bought = replies[2:]
        assert (sold.trade_ref, sold.last_qty, sold.last_px) == (bob, 4, Decimal("99.50"))
        assert (sold.ord_status, sold.cum_qty, sold.leaves_qty) == ("1", 4, 6)
        assert (bought.trade_ref, bought.last_qty, bought.last_px) == (alice, 4, Decimal("99.50"))
        assert (bought.ord_status, bought.cum_qty, bought.leaves_qty) == ("2", 4, 0)
        assert sold.exec_id != bought.exec_id

    def test_never_gives_the_same_exec_id_twice(self, participant, alice, bob):
        replies = participant.send(*(new(f"{bob}{n}", "SELL", 1, "99") for n in range(20)), new(alice, "BUY", 20, "99"))
        ids = [reply.exec_id for reply in replies]
        assert len(set(ids)) == len(ids) == 21 + 40

    def test_ignores_a_request_it_knows(self, participant, alice):
        participant.send(new(alice, "BUY", 10, "99.00"))
        again = participant.send(new(alice, "BUY", 10, "99.00", poss_resend=True), new(alice, "BUY", 10, "99.00"))
        assert again == []

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"symbol": "NOBODY"}, "1"),
            ({"symbol": "HALTED"}, "2"),
            ({"price": "99.001"}, "18"),
        ],
    )
    def test_rejects_terms_it_does_not_take(self, participant, alice, change, reason):
        terms = {"side": "BUY", "quantity": 10, "price": "99.00"} | change
        (reply,) = participant.send(new(alice, **terms))
        assert (reply.exec_type, reply.ord_status, reply.ord_rej_reason) == ("8", "8", reason)
        assert reply.leaves_qty == 0
        assert reply.text

    @pytest.mark.parametrize("time_in_force", ["IOC", "FOK"])
    def test_cancels_what_could_not_trade_at_once(self, participant, alice, bob, time_in_force):
        participant.send(new(bob, "SELL", 4, "99.00"))
        replies = of(alice, participant.send(new(alice, "BUY", 10, "99.00", time_in_force=time_in_force)))
        assert kinds(replies) == (["0", "F", "4"] if time_in_force == "IOC" else ["0", "4"])
        assert (replies[-1].ord_status, replies[-1].leaves_qty) == ("4", 0)

    def test_cancels_on_request_and_only_once(self, participant, alice):
        participant.send(new(alice, "BUY", 10, "99.00"))
        done, late = participant.send(cancel(alice, "BUY"), cancel(alice, "BUY", seq=3))
        assert (done.exec_type, done.cl_ord_id, done.orig_cl_ord_id) == ("4", f"{alice}-2", f"{alice}-1")
        assert (done.ord_status, done.leaves_qty) == ("4", 0)
        assert isinstance(late, CancelReject)
        assert (late.cl_ord_id, late.cxl_rej_reason, late.cxl_rej_response_to) == (f"{alice}-3", "0", "1")

    def test_refuses_to_change_an_order_it_does_not_know(self, participant, alice):
        replies = participant.send(cancel(alice, "BUY"), amend(alice, "BUY", 5, "99.00", seq=3))
        assert [(reply.cxl_rej_reason, reply.cxl_rej_response_to) for reply in replies] == [("1", "1"), ("1", "2")]

    def test_amends(self, participant, alice):
        participant.send(new(alice, "BUY", 10, "99.00"))
        (done,) = participant.send(amend(alice, "BUY", 12, "99.10"))
        assert (done.exec_type, done.cl_ord_id, done.orig_cl_ord_id) == ("5", f"{alice}-2", f"{alice}-1")
        assert (done.order_qty, done.price, done.leaves_qty) == (12, Decimal("99.10"), 12)

    def test_an_amendment_may_trade_at_once(self, participant, alice, bob):
        participant.send(new(bob, "SELL", 10, "100.00"), new(alice, "BUY", 10, "99.00"))
        replies = of(alice, participant.send(amend(alice, "BUY", 10, "100.00")))
        assert kinds(replies) == ["5", "F"]
        assert replies[0].cum_qty == 0
        assert replies[1].cl_ord_id == f"{alice}-2"

    def test_an_amendment_below_what_is_filled_cancels_the_rest(self, participant, alice, bob):
        participant.send(new(alice, "BUY", 10, "99.00"), new(bob, "SELL", 4, "99.00"))
        (done,) = participant.send(amend(alice, "BUY", 2, "99.00"))
        assert (done.exec_type, done.order_qty, done.cum_qty, done.leaves_qty) == ("5", 4, 4, 0)
        assert done.ord_status == "2"

    def test_refuses_an_amendment_to_terms_it_does_not_take(self, participant, alice):
        participant.send(new(alice, "BUY", 10, "99.00"))
        (refused,) = participant.send(amend(alice, "BUY", 10, "99.001"))
        assert (refused.cl_ord_id, refused.cxl_rej_response_to) == (f"{alice}-2", "2")
        (done,) = participant.send(amend(alice, "BUY", 10, "98.00", seq=3, orig=f"{alice}-2"))
        assert (done.exec_type, done.orig_cl_ord_id) == ("5", f"{alice}-1")

    def test_finds_the_order_by_its_second_name_when_a_request_was_lost(self, participant, alice):
        participant.send(new(alice, "BUY", 10, "99.00"))
        (done,) = participant.send(cancel(alice, "BUY", seq=3))  # request 2 never came
        assert (done.exec_type, done.orig_cl_ord_id) == ("4", f"{alice}-1")

    def test_answers_a_status_request_with_everything_again(self, participant, alice, bob):
        first = participant.send(new(alice, "BUY", 10, "99.00"))
        first += of(alice, participant.send(new(bob, "SELL", 4, "99.00"), amend(alice, "BUY", 3, "99.00")))
        first += participant.send(cancel(alice, "BUY", seq=3))
        *again, status = participant.send(status_request(alice, query_id="query-1"))
        assert kinds(first) == ["0", "F", "5", "reject"]
        assert [reply.body for reply in again] == [reply.body for reply in first]
        assert all(reply.poss_resend for reply in again)
        assert (status.exec_type, status.exec_id, status.ord_status_req_id) == ("I", "0", "query-1")
        assert (status.ord_status, status.order_qty, status.cum_qty, status.leaves_qty) == ("2", 4, 4, 0)
        assert status.cl_ord_id == f"{alice}-3", "the latest request that came"

    def test_a_status_request_changes_nothing_and_may_come_again(self, participant, alice):
        participant.send(new(alice, "BUY", 10, "99.00"))
        assert kinds(participant.send(status_request(alice)) + participant.send(status_request(alice))) == [
            "0",
            "I",
            "0",
            "I",
        ]

    def test_finds_the_order_of_a_status_request_by_its_second_name(self, participant, alice):
        participant.send(new(alice, "BUY", 10, "99.00"))
        *_, status = participant.send(status_request(alice, request="never-came"))
        assert (status.cl_ord_id, status.ord_status) == (f"{alice}-1", "0")

    def test_rejects_a_status_request_about_an_order_it_does_not_know(self, participant, alice):
        (status,) = participant.send(status_request(alice))
        assert (status.exec_type, status.exec_id) == ("I", "0")
        assert (status.ord_status, status.ord_rej_reason) == ("8", "5")
        assert status.cl_ord_id == f"{alice}-1"

    def test_a_rejected_order_is_known(self, participant, alice):
        participant.send(new(alice, "BUY", 10, "99.001"))
        again, status = participant.send(status_request(alice))
        assert (again.exec_type, status.ord_status) == ("8", "8")
        assert status.ord_rej_reason != "5"

    def test_a_message_it_cannot_read_stops_nothing(self, participant, alice):
        replies = participant.send(b"\x00", b'{"Header":{"MsgType":"D"},"Body":{}}', new(alice, "BUY", 10, "99.00"))
        assert kinds(replies) == ["0"]
