"""What every exchange that the broker is connected to must do. An adapter runs these cases by being the fixture."""

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


class Member:
    """The broker's side: sends requests to an exchange and keeps what comes back.

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


def ask(trade, *, request=None, asking=None):
    body = order_status_request(
        ord_status_req_id=asking or fresh("ask"),
        cl_ord_id=request or f"{trade}-1",
        symbol="TEST",
        side="BUY",
        trade_id=trade,
    )
    return encode("H", body, sending_time=NOW)


def kinds(answers):
    return [str(getattr(answer, "exec_type", "reject")) for answer in answers]


def of(trade, answers):
    return [answer for answer in answers if answer.trade_ref == trade]


class ExchangeSpec:
    """The subclass gives a fixture `member`: connected to an exchange with empty books that lists TEST, tick 0.01."""

    @pytest.fixture
    def alice(self):
        return fresh("alice")

    @pytest.fixture
    def bob(self):
        return fresh("bob")

    def test_acknowledges_an_order_that_rests(self, member, alice):
        (ack,) = member.send(new(alice, "BUY", 10, "99.00"))
        assert ack.exec_type == ExecType.NEW
        assert (ack.cl_ord_id, ack.trade_ref, ack.symbol, ack.side) == (f"{alice}-1", alice, "TEST", "BUY")
        assert (ack.order_qty, ack.price, ack.cum_qty, ack.leaves_qty) == (10, Decimal(99), 0, 10)
        assert ack.ord_status == "0"
        assert ack.order_id
        assert ack.transact_time
        assert not ack.poss_resend

    def test_reports_a_trade_to_both_sides_at_the_resting_price(self, member, alice, bob):
        answers = member.send(new(bob, "SELL", 10, "99.50"), new(alice, "BUY", 4, "101.00"))
        assert kinds(answers) == ["0", "0", "F", "F"]
        sold, bought = answers[2:]
        assert (sold.trade_ref, sold.last_qty, sold.last_px) == (bob, 4, Decimal("99.50"))
        assert (sold.ord_status, sold.cum_qty, sold.leaves_qty) == ("1", 4, 6)
        assert (bought.trade_ref, bought.last_qty, bought.last_px) == (alice, 4, Decimal("99.50"))
        assert (bought.ord_status, bought.cum_qty, bought.leaves_qty) == ("2", 4, 0)
        assert sold.exec_id != bought.exec_id

    def test_never_gives_the_same_exec_id_twice(self, member, alice, bob):
        answers = member.send(*(new(f"{bob}{n}", "SELL", 1, "99") for n in range(20)), new(alice, "BUY", 20, "99"))
        ids = [answer.exec_id for answer in answers]
        assert len(set(ids)) == len(ids) == 21 + 40

    def test_ignores_a_request_it_knows(self, member, alice):
        member.send(new(alice, "BUY", 10, "99.00"))
        again = member.send(new(alice, "BUY", 10, "99.00", poss_resend=True), new(alice, "BUY", 10, "99.00"))
        assert again == []

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"symbol": "NOBODY"}, "1"),
            ({"symbol": "HALTED"}, "2"),
            ({"price": "99.001"}, "18"),
        ],
    )
    def test_rejects_terms_it_does_not_take(self, member, alice, change, reason):
        terms = {"side": "BUY", "quantity": 10, "price": "99.00"} | change
        (answer,) = member.send(new(alice, **terms))
        assert (answer.exec_type, answer.ord_status, answer.ord_rej_reason) == ("8", "8", reason)
        assert answer.leaves_qty == 0
        assert answer.text

    @pytest.mark.parametrize("time_in_force", ["IOC", "FOK"])
    def test_cancels_what_could_not_trade_at_once(self, member, alice, bob, time_in_force):
        member.send(new(bob, "SELL", 4, "99.00"))
        answers = of(alice, member.send(new(alice, "BUY", 10, "99.00", time_in_force=time_in_force)))
        assert kinds(answers) == (["0", "F", "4"] if time_in_force == "IOC" else ["0", "4"])
        assert (answers[-1].ord_status, answers[-1].leaves_qty) == ("4", 0)

    def test_cancels_on_request_and_only_once(self, member, alice):
        member.send(new(alice, "BUY", 10, "99.00"))
        done, late = member.send(cancel(alice, "BUY"), cancel(alice, "BUY", seq=3))
        assert (done.exec_type, done.cl_ord_id, done.orig_cl_ord_id) == ("4", f"{alice}-2", f"{alice}-1")
        assert (done.ord_status, done.leaves_qty) == ("4", 0)
        assert isinstance(late, CancelReject)
        assert (late.cl_ord_id, late.cxl_rej_reason, late.cxl_rej_response_to) == (f"{alice}-3", "0", "1")

    def test_refuses_to_change_an_order_it_does_not_know(self, member, alice):
        answers = member.send(cancel(alice, "BUY"), amend(alice, "BUY", 5, "99.00", seq=3))
        assert [(answer.cxl_rej_reason, answer.cxl_rej_response_to) for answer in answers] == [("1", "1"), ("1", "2")]

    def test_amends(self, member, alice):
        member.send(new(alice, "BUY", 10, "99.00"))
        (done,) = member.send(amend(alice, "BUY", 12, "99.10"))
        assert (done.exec_type, done.cl_ord_id, done.orig_cl_ord_id) == ("5", f"{alice}-2", f"{alice}-1")
        assert (done.order_qty, done.price, done.leaves_qty) == (12, Decimal("99.10"), 12)

    def test_an_amendment_may_trade_at_once(self, member, alice, bob):
        member.send(new(bob, "SELL", 10, "100.00"), new(alice, "BUY", 10, "99.00"))
        answers = of(alice, member.send(amend(alice, "BUY", 10, "100.00")))
        assert kinds(answers) == ["5", "F"]
        assert answers[0].cum_qty == 0
        assert answers[1].cl_ord_id == f"{alice}-2"

    def test_an_amendment_below_what_is_filled_cancels_the_rest(self, member, alice, bob):
        member.send(new(alice, "BUY", 10, "99.00"), new(bob, "SELL", 4, "99.00"))
        (done,) = member.send(amend(alice, "BUY", 2, "99.00"))
        assert (done.exec_type, done.order_qty, done.cum_qty, done.leaves_qty) == ("5", 4, 4, 0)
        assert done.ord_status == "2"

    def test_refuses_an_amendment_to_terms_it_does_not_take(self, member, alice):
        member.send(new(alice, "BUY", 10, "99.00"))
        (refused,) = member.send(amend(alice, "BUY", 10, "99.001"))
        assert (refused.cl_ord_id, refused.cxl_rej_response_to) == (f"{alice}-2", "2")
        (done,) = member.send(amend(alice, "BUY", 10, "98.00", seq=3, orig=f"{alice}-2"))
        assert (done.exec_type, done.orig_cl_ord_id) == ("5", f"{alice}-1")

    def test_finds_the_order_by_its_second_name_when_a_request_was_lost(self, member, alice):
        member.send(new(alice, "BUY", 10, "99.00"))
        (done,) = member.send(cancel(alice, "BUY", seq=3))  # request 2 never came
        assert (done.exec_type, done.orig_cl_ord_id) == ("4", f"{alice}-1")

    def test_answers_a_status_request_with_everything_again(self, member, alice, bob):
        first = member.send(new(alice, "BUY", 10, "99.00"))
        first += of(alice, member.send(new(bob, "SELL", 4, "99.00"), amend(alice, "BUY", 3, "99.00")))
        first += member.send(cancel(alice, "BUY", seq=3))
        *again, status = member.send(ask(alice, asking="ask-me"))
        assert kinds(first) == ["0", "F", "5", "reject"]
        assert [answer.body for answer in again] == [answer.body for answer in first]
        assert all(answer.poss_resend for answer in again)
        assert (status.exec_type, status.exec_id, status.ord_status_req_id) == ("I", "0", "ask-me")
        assert (status.ord_status, status.order_qty, status.cum_qty, status.leaves_qty) == ("2", 4, 4, 0)
        assert status.cl_ord_id == f"{alice}-3", "the latest request that came"

    def test_a_status_request_changes_nothing_and_may_come_again(self, member, alice):
        member.send(new(alice, "BUY", 10, "99.00"))
        assert kinds(member.send(ask(alice)) + member.send(ask(alice))) == ["0", "I", "0", "I"]

    def test_finds_the_order_it_is_asked_about_by_its_second_name(self, member, alice):
        member.send(new(alice, "BUY", 10, "99.00"))
        *_, status = member.send(ask(alice, request="never-came"))
        assert (status.cl_ord_id, status.ord_status) == (f"{alice}-1", "0")

    def test_says_so_when_it_does_not_know_the_order(self, member, alice):
        (status,) = member.send(ask(alice))
        assert (status.exec_type, status.exec_id) == ("I", "0")
        assert (status.ord_status, status.ord_rej_reason) == ("8", "5")
        assert status.cl_ord_id == f"{alice}-1"

    def test_a_rejected_order_is_known(self, member, alice):
        member.send(new(alice, "BUY", 10, "99.001"))
        again, status = member.send(ask(alice))
        assert (again.exec_type, status.ord_status) == ("8", "8")
        assert status.ord_rej_reason != "5"

    def test_a_message_it_cannot_read_stops_nothing(self, member, alice):
        answers = member.send(b"\x00", b'{"Header":{"MsgType":"D"},"Body":{}}', new(alice, "BUY", 10, "99.00"))
        assert kinds(answers) == ["0"]
