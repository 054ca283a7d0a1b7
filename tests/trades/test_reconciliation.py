"""What the exchange does not say of its own accord: when it is asked, and what its answers mean."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.utils import timezone

from brokerage.models import Instrument, Trader
from exchange.amqp import LinkDown, OutboundMessage, Publisher, Queue
from exchange.inbound import Report
from tests.trades import steps
from trades.core import gateway, parking
from trades.core.link_gaps import check_everything, plan_missing_checks
from trades.core.status_query import StatusQuery
from trades.lifecycle import Stage
from trades.models import Trade, TradeEvent, TradeRequest
from trades.reconciliation import due
from trades.reconciliation.query import query_trades
from trades.steps import leases
from trades.steps import send as send_step
from trades.steps.send import send
from wallets.selectors import wallet_of

pytestmark = pytest.mark.django_db

Sent = list[dict[str, Any]]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """What goes out to the exchange: each message as it stands in the queue."""
    messages: Sent = []

    def publish(window: Sequence[OutboundMessage], *, connected: bool = False) -> None:
        messages.extend(json.loads(message.body) for message in window)

    monkeypatch.setattr(gateway.publisher, "connect", lambda: None)
    monkeypatch.setattr(gateway.publisher, "publish", publish)
    return messages


@pytest.fixture
def sent_trade(alice: Trader, share: Instrument, sent: Sent) -> UUID:
    """Alice's order to buy 10 at 100.00, sent and not answered."""
    return sent_order(alice)


def sent_order(trader: Trader, **terms: Any) -> UUID:
    pk = steps.place(trader, **terms)
    run()
    return pk


def run() -> None:
    """Take what is due through all its steps."""
    send(steps.run_to_booked(), now=timezone.now())


def send_due(trade_id: UUID) -> None:
    send(lease(trade_id), now=timezone.now())


def lease(trade_id: UUID) -> list[leases.Lease]:
    """Lease what is due of a trade at BOOKED, or take the lease there is."""
    TradeRequest.objects.filter(trade=trade_id, stage=Stage.BOOKED, due_at__isnull=False).update(due_at=timezone.now())
    return steps.lease_all(Stage.BOOKED)


def ask_about(trade_id: UUID, sent: Sent) -> dict[str, str]:
    """Ask about a trade, and return the body of the question."""
    query_trades([trade_id], until=timezone.now() + timedelta(seconds=15))
    assert sent[-1]["Header"]["MsgType"] == "H"
    body: dict[str, str] = sent[-1]["Body"]
    return body


def answer(question: dict[str, str], trade_id: UUID, *, latest: int = 1, **fields: str) -> Report:
    """The exchange knows the order, and has got its requests up to `latest`."""
    more = {"ExecID": "0", "OrdStatus": "0", "CumQty": "0", "OrdStatusReqID": question["OrdStatusReqID"]}
    return steps.report(trade_id, "I", seq=latest, **(more | fields))


def unknown(question: dict[str, str], trade_id: UUID) -> Report:
    """The exchange does not know the order."""
    names = {"ClOrdID": question["ClOrdID"], "OrdStatus": "8", "OrdRejReason": "5"}
    return answer(question, trade_id, **names)


def request(trade_id: UUID, seq: int = 1) -> TradeRequest:
    return TradeRequest.objects.get(trade=trade_id, seq=seq)


def kinds(trade_id: UUID) -> list[str]:
    return list(TradeEvent.objects.filter(trade=trade_id).order_by("seq").values_list("kind", flat=True))


def is_about(moment: datetime | None, seconds: float) -> bool:
    """Whether it is so many seconds from now, give or take a few."""
    return moment is not None and abs((moment - timezone.now()).total_seconds() - seconds) < 5


def is_due(row: TradeRequest) -> bool:
    return is_about(row.due_at, 0)


class TestWhenItIsAsked:
    def test_a_request_without_an_answer_after_15_seconds(self, sent_trade: UUID) -> None:
        assert is_about(request(sent_trade).check_at, 15)
        assert due.take_due(10) == []
        TradeRequest.objects.update(check_at=timezone.now())
        assert due.take_due(10) == [sent_trade]
        assert due.take_due(10) == []

    def test_an_answered_request_not_at_all(self, sent_trade: UUID) -> None:
        steps.tell(steps.report(sent_trade, "0"))
        assert request(sent_trade).check_at is None

    def test_again_and_again_with_growing_intervals(self, sent_trade: UUID, sent: Sent) -> None:
        waited = []
        for _ in range(7):
            TradeRequest.objects.update(check_at=timezone.now())
            due.take_due(10)
            waited.append(round((request(sent_trade).check_at - timezone.now()).total_seconds()))
            ask_about(sent_trade, sent)
        assert waited == [15, 30, 60, 120, 240, 300, 300]

    def test_with_a_fresh_id_each_time(self, sent_trade: UUID, sent: Sent) -> None:
        first, second = ask_about(sent_trade, sent), ask_about(sent_trade, sent)
        assert first.pop("OrdStatusReqID") != second.pop("OrdStatusReqID")
        names = {"ClOrdID": str(request(sent_trade).pk), "SecondaryClOrdID": str(sent_trade)}
        assert first == second == {"Symbol": "ACME", "Side": "1", **names}

    def test_an_asking_that_did_not_go_out_does_not_count(self, sent_trade: UUID, monkeypatch) -> None:
        def publish(window: object) -> None:
            raise LinkDown("nobody there")

        monkeypatch.setattr(gateway.publisher, "publish", publish)
        query_trades([sent_trade], until=timezone.now() + timedelta(seconds=15))
        assert request(sent_trade).checks == 0

    def test_not_by_a_worker_that_hears_of_it_too_late(self, sent_trade: UUID, sent: Sent) -> None:
        sent.clear()
        query_trades([sent_trade], until=timezone.now())
        assert sent == []

    def test_an_open_trade_every_ten_minutes(self, sent_trade: UUID, sent: Sent) -> None:
        steps.tell(steps.report(sent_trade, "0"))
        assert is_about(Trade.objects.get().check_at, 600)
        Trade.objects.update(check_at=timezone.now())
        assert due.take_due(10) == [sent_trade]
        assert is_about(Trade.objects.get().check_at, 600)

    def test_not_more_at_once_than_it_may(self, alice: Trader, share: Instrument) -> None:
        for _ in range(3):
            steps.place(alice, quantity=1)
        steps.run_to_sent()
        TradeRequest.objects.update(check_at=timezone.now())
        Trade.objects.update(check_at=timezone.now())
        assert len(due.take_due(2)) == 2

    def test_a_trade_that_is_over_not_any_more(self, sent_trade: UUID) -> None:
        steps.tell(steps.fill(sent_trade, 10, "100.00"))
        assert Trade.objects.get().check_at is None

    def test_a_trade_that_a_bust_opened_again(self, sent_trade: UUID) -> None:
        steps.tell(steps.fill(sent_trade, 10, "100.00", ExecID="X1"))
        steps.tell(steps.report(sent_trade, "H", ExecRefID="X1"))
        assert is_about(Trade.objects.get().check_at, 600)

    def test_a_trade_that_never_was_outside_not_at_all(self, alice: Trader, share: Instrument, sent: Sent) -> None:
        pk = steps.place(alice)
        query_trades([pk], until=timezone.now() + timedelta(seconds=15))
        assert sent == []
        assert Trade.objects.get().check_at is None

    def test_a_trade_of_which_a_report_knows_an_execution_that_we_do_not(self, sent_trade: UUID, sent: Sent) -> None:
        """The fill was lost with a queue, and then the order was cancelled: it has ended, and still is asked about."""
        steps.tell(steps.report(sent_trade, "0"))
        steps.tell(steps.report(sent_trade, "4", OrdStatus="4", CumQty="3"))
        trade = Trade.objects.get()
        assert (trade.status, is_about(trade.check_at, 15)) == ("CANCELED", True)
        steps.tell(steps.fill(sent_trade, 3, "100.00", resend=True))
        steps.tell(answer(ask_about(sent_trade, sent), sent_trade, OrdStatus="4", CumQty="3"))
        assert Trade.objects.get().check_at is None

    def test_soon_a_trade_of_which_a_bust_waits_for_its_execution_even_if_it_ends(self, sent_trade: UUID) -> None:
        steps.tell(steps.report(sent_trade, "0"), steps.report(sent_trade, "H", ExecRefID="X9"))
        assert is_about(Trade.objects.get().check_at, 15)
        steps.tell(steps.report(sent_trade, "4"))
        assert is_about(Trade.objects.get().check_at, 15)

    def test_everything_at_once_when_reports_may_be_lost(self, alice: Trader, sent_trade: UUID, sent: Sent) -> None:
        """The trade that has ended, too: it is so young that something may have been said about it since."""
        opened, ended = sent_order(alice), sent_order(alice)
        steps.tell(steps.report(opened, "0"), steps.fill(ended, 10, "100.00"))
        ask_about(sent_trade, sent)
        check_everything()
        assert set(due.take_due(10)) == {sent_trade, opened, ended}
        assert request(sent_trade).checks == 0

    def test_what_is_open_once_for_each_time_that_reports_may_be_lost(self, sent_trade: UUID) -> None:
        steps.tell(steps.report(sent_trade, "0"))
        assert due.take_due(10) == []
        check_everything()
        assert is_about(Trade.objects.get().check_at, 600), "the trade is not written, only due"
        assert [due.take_due(10), due.take_due(10)] == [[sent_trade], []]
        check_everything()
        assert [due.take_due(10), due.take_due(10)] == [[sent_trade], []]

    def test_what_an_earlier_version_sent(self, sent_trade: UUID) -> None:
        TradeRequest.objects.update(check_at=None)
        Trade.objects.update(check_at=None)
        plan_missing_checks()
        assert is_about(request(sent_trade).check_at, 15)
        assert is_about(Trade.objects.get().check_at, 15)


class TestASenderThatIsFrozen:
    def test_when_it_had_looked_whose_turn_it_is_sends_nothing_on_waking_up(
        self, alice: Trader, share: Instrument, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The broker has cut it off. A new connection would carry what somebody else sends by now, or nobody may."""
        publisher = Publisher(settings.EXCHANGE_URL, Queue("test.frozen"))
        look = send_step._still_ours

        def look_and_freeze(claims: Sequence[leases.Lease]) -> list[TradeRequest]:
            rows = look(claims)
            publisher.close()
            return rows

        monkeypatch.setattr(send_step, "publisher", publisher)
        monkeypatch.setattr(send_step, "_still_ours", look_and_freeze)
        pk = steps.place(alice)
        taken = steps.run_to_booked()
        with pytest.raises(LinkDown, match="not connected"):
            send(taken, now=timezone.now())
        assert request(pk).stage == "BOOKED"


class TestAnUnknownOrder:
    def test_is_sent_again_in_the_same_words(self, alice: Trader, sent_trade: UUID, sent: Sent) -> None:
        steps.tell(unknown(ask_about(sent_trade, sent), sent_trade))
        new = request(sent_trade)
        assert (new.stage, new.outcome, new.sent_at, new.check_at) == ("BOOKED", None, None, None)
        assert is_due(new)
        assert (Trade.objects.get().status, wallet_of(alice.pk).blocked) == ("BOOKED", Decimal("1000.00"))
        send_due(sent_trade)
        first, again = (message for message in sent if message["Header"]["MsgType"] == "D")
        assert (first["Body"], again["Header"]["PossResend"]) == (again["Body"], "Y")
        assert Trade.objects.get().status == "PENDING_NEW"
        assert kinds(sent_trade)[-2:] == ["NOT_AT_EXCHANGE", "SENT"]

    def test_goes_back_with_all_that_follows_it(self, sent_trade: UUID, sent: Sent) -> None:
        steps.amend(sent_trade, quantity=12)
        run()
        steps.tell(unknown(ask_about(sent_trade, sent), sent_trade))
        assert [request(sent_trade, seq).stage for seq in (1, 2)] == ["BOOKED", "BOOKED"]
        assert is_due(request(sent_trade, 1))
        assert request(sent_trade, 2).due_at is None

    def test_counts_not_for_what_was_sent_since(self, sent_trade: UUID, sent: Sent) -> None:
        """The answer to the first asking comes after the second one made the broker send again."""
        old, new = ask_about(sent_trade, sent), ask_about(sent_trade, sent)
        steps.tell(unknown(new, sent_trade))
        send_due(sent_trade)
        steps.tell(unknown(old, sent_trade))
        assert request(sent_trade).stage == "SENT"

    def test_counts_however_late_if_nothing_was_sent_since(self, sent_trade: UUID, sent: Sent) -> None:
        old, _ = ask_about(sent_trade, sent), ask_about(sent_trade, sent)
        steps.tell(unknown(old, sent_trade))
        assert request(sent_trade).stage == "BOOKED"

    def test_counts_not_for_what_somebody_is_sending(self, alice: Trader, share: Instrument, sent: Sent) -> None:
        """RequestAdded while the order is at BOOKED, perhaps already published: the answer is older than the order."""
        pk = steps.place(alice)
        taken = steps.run_to_booked()
        question = ask_about(pk, sent)
        send(taken, now=timezone.now())
        steps.tell(unknown(question, pk))
        assert request(pk).stage == "SENT"

    @pytest.mark.parametrize("name", ["", "ours?", "0" * 32, "1.1", "0" * 32 + "-1.99", "0" * 32 + "-1.1x"])
    def test_counts_not_if_nobody_asked(self, sent_trade: UUID, name: str) -> None:
        names = {"OrdStatusReqID": name} if name else {"OrdStatusReqID": "x"}
        steps.tell(unknown({"ClOrdID": str(request(sent_trade).pk), **names}, sent_trade))
        assert request(sent_trade).stage == "SENT"

    def test_counts_not_after_an_answer(self, sent_trade: UUID, sent: Sent) -> None:
        question = ask_about(sent_trade, sent)
        steps.tell(steps.report(sent_trade, "0"), unknown(question, sent_trade))
        assert request(sent_trade).outcome == "ACCEPTED"

    def test_that_it_had_accepted_is_for_a_person(self, sent_trade: UUID, sent: Sent) -> None:
        steps.tell(steps.report(sent_trade, "0"))
        steps.tell(unknown(ask_about(sent_trade, sent), sent_trade))
        trade = Trade.objects.get()
        assert (trade.status, trade.recon_break["code"]) == ("NEW", "ORDER_NOT_KNOWN")

    def test_that_has_ended_is_nobodys_business(self, sent_trade: UUID, sent: Sent) -> None:
        steps.tell(steps.report(sent_trade, "0"), steps.report(sent_trade, "4"))
        check_everything()
        steps.tell(unknown(ask_about(sent_trade, sent), sent_trade))
        trade = Trade.objects.get()
        assert (trade.recon_break, trade.check_at) == (None, None)


class TestAKnownOrder:
    def test_stays_as_it_is(self, sent_trade: UUID, sent: Sent) -> None:
        """That it is there is no answer to the request: what became of it stands in the reports."""
        before = Trade.objects.values().get()
        steps.tell(answer(ask_about(sent_trade, sent), sent_trade))
        assert Trade.objects.values().get() == before
        assert request(sent_trade).outcome is None

    def test_lets_what_came_after_go_out_again(self, alice: Trader, sent_trade: UUID, sent: Sent) -> None:
        steps.tell(steps.report(sent_trade, "0"))
        steps.amend(sent_trade, quantity=12)
        run()
        steps.tell(answer(ask_about(sent_trade, sent), sent_trade, latest=1))
        change = request(sent_trade, 2)
        assert (change.stage, is_due(change)) == ("BOOKED", True)
        assert wallet_of(alice.pk).blocked == Decimal("1200.00")

    def test_leaves_alone_what_it_has_got(self, sent_trade: UUID, sent: Sent) -> None:
        steps.tell(steps.report(sent_trade, "0"))
        steps.amend(sent_trade, quantity=12)
        run()
        steps.tell(answer(ask_about(sent_trade, sent), sent_trade, latest=2))
        assert request(sent_trade, 2).stage == "SENT"

    @pytest.mark.parametrize("spelled", [str.lower, str.upper])
    def test_proves_that_it_was_sent(
        self, alice: Trader, share: Instrument, sent: Sent, spelled: Callable[[str], str]
    ) -> None:
        """The sender died between publishing and noting it."""
        pk = steps.place(alice)
        steps.run_to_booked()
        steps.tell(answer(ask_about(pk, sent), pk, ClOrdID=spelled(str(request(pk).pk))))
        assert (request(pk).stage, Trade.objects.get().status) == ("SENT", "PENDING_NEW")
        assert kinds(pk)[-1] == "EXCHANGE_STATUS"

    def test_repeats_what_was_lost(self, alice: Trader, sent_trade: UUID, sent: Sent) -> None:
        ack = steps.report(sent_trade, "0", ExecID="X0", resend=True)
        lost = steps.fill(sent_trade, 4, "99.00", ExecID="X1", resend=True)
        steps.tell(steps.fill(sent_trade, 2, "98.00", ExecID="X2"))
        end = answer(ask_about(sent_trade, sent), sent_trade, CumQty="6")
        steps.tell(ack, lost, steps.fill(sent_trade, 2, "98.00", ExecID="X2", resend=True), end)
        trade = Trade.objects.get()
        assert (trade.filled_quantity, trade.recon_break) == (6, None)
        assert wallet_of(alice.pk).balance == Decimal("99408.00")

    def test_with_other_executions_is_for_a_person(self, sent_trade: UUID, sent: Sent) -> None:
        steps.tell(steps.fill(sent_trade, 4, "100.00"))
        steps.tell(answer(ask_about(sent_trade, sent), sent_trade, CumQty="7"))
        trade = Trade.objects.get()
        assert (trade.filled_quantity, trade.status) == (4, "PARTIALLY_FILLED")
        assert (trade.recon_break["code"], trade.recon_break["details"]) == (
            "CUM_QTY_DIFFERS",
            {"ours": 4, "theirs": 7},
        )
        assert is_about(trade.check_at, 15)

    def test_is_asked_about_on_when_it_ends(self, sent_trade: UUID, sent: Sent) -> None:
        steps.tell(answer(ask_about(sent_trade, sent), sent_trade, CumQty="7"))
        Trade.objects.update(check_at=timezone.now() + timedelta(minutes=9))
        steps.tell(steps.report(sent_trade, "4"))
        assert is_about(Trade.objects.get().check_at, 540)

    def test_is_told_once_to_that_person(self, sent_trade: UUID, sent: Sent) -> None:
        for _ in range(3):
            steps.tell(answer(ask_about(sent_trade, sent), sent_trade, CumQty="7"))
        assert kinds(sent_trade).count("ANOMALY") == 1

    def test_leaves_the_desk_when_both_agree(self, sent_trade: UUID, sent: Sent) -> None:
        steps.tell(answer(ask_about(sent_trade, sent), sent_trade, CumQty="7"))
        steps.tell(steps.fill(sent_trade, 7, "100.00"))
        steps.tell(answer(ask_about(sent_trade, sent), sent_trade, CumQty="7"))
        assert (Trade.objects.get().recon_break, kinds(sent_trade)[-1]) == (None, "RECONCILED")

    @pytest.mark.parametrize("said", ["no quantity", "unknown"])
    def test_stays_on_the_desk_when_nothing_is_said_about_it(self, sent_trade: UUID, sent: Sent, said: str) -> None:
        steps.tell(steps.report(sent_trade, "0"))
        steps.tell(answer(ask_about(sent_trade, sent), sent_trade, CumQty="7"))
        steps.tell(steps.report(sent_trade, "4"))
        question = ask_about(sent_trade, sent)
        last = unknown(question, sent_trade) if said == "unknown" else answer(question, sent_trade, CumQty="")
        steps.tell(last)
        trade = Trade.objects.get()
        assert (trade.recon_break and trade.recon_break["code"], trade.check_at is None) == ("CUM_QTY_DIFFERS", False)

    def test_that_has_ended_is_asked_about_until_both_agree(self, sent_trade: UUID, sent: Sent) -> None:
        steps.tell(steps.report(sent_trade, "0"), steps.report(sent_trade, "4"))
        check_everything()
        steps.tell(answer(ask_about(sent_trade, sent), sent_trade, OrdStatus="4", CumQty="3"))
        assert is_about(Trade.objects.get().check_at, 0)
        steps.tell(steps.fill(sent_trade, 3, "100.00", resend=True))
        steps.tell(answer(ask_about(sent_trade, sent), sent_trade, OrdStatus="4", CumQty="3"))
        trade = Trade.objects.get()
        assert (trade.filled_quantity, trade.recon_break, trade.check_at) == (3, None, None)


class TestAnAskingThatIsNotAnswered:
    def test_brings_the_request_to_a_desk_in_the_end(self, alice: Trader, sent_trade: UUID, sent: Sent) -> None:
        for _ in range(6):
            assert request(sent_trade).parked is None
            ask_about(sent_trade, sent)
        assert request(sent_trade).parked["code"] == "UNCONFIRMED"
        assert wallet_of(alice.pk).blocked == Decimal("1000.00")
        assert request(sent_trade).check_at is not None

    def test_does_not_hold_up_what_follows(self, sent_trade: UUID, sent: Sent) -> None:
        for _ in range(6):
            ask_about(sent_trade, sent)
        steps.amend(sent_trade, quantity=12)
        assert is_due(request(sent_trade, 2))

    @pytest.mark.parametrize("report", ["0", "F", "unknown"])
    def test_is_settled_by_an_answer_after_all(self, sent_trade: UUID, sent: Sent, report: str) -> None:
        for _ in range(6):
            question = ask_about(sent_trade, sent)
        if report == "unknown":
            steps.tell(unknown(question, sent_trade))
            assert is_due(request(sent_trade))
        else:
            steps.tell(steps.report(sent_trade, report, LastQty="4", LastPx="100.00"))
            assert request(sent_trade).outcome == "ACCEPTED"
        assert request(sent_trade).parked is None

    def test_is_asked_at_once_when_a_person_says_so(self, sent_trade: UUID, sent: Sent) -> None:
        for _ in range(6):
            ask_about(sent_trade, sent)
        assert parking.unpark_by_hand(request(sent_trade).pk)
        row = request(sent_trade)
        assert (row.parked, row.checks, is_about(row.check_at, 0)) == (None, 0, True)


class TestACancelBehindAParkedOrder:
    @pytest.fixture
    def parked_trade(self, alice: Trader, share: Instrument, sent: Sent) -> UUID:
        """Booked, and then parked: nobody knows whether it is outside."""
        pk = steps.place(alice)
        steps.run_to_booked()
        parking.park_by_hand(request(pk).pk, why="try")
        return pk

    @pytest.fixture
    def parked_change(self, sent_trade: UUID) -> UUID:
        """The same, of an amendment to 12 of an order that the exchange has accepted."""
        steps.tell(steps.report(sent_trade, "0"))
        steps.amend(sent_trade, quantity=12)
        steps.run_to_booked()
        parking.park_by_hand(request(sent_trade, 2).pk, why="try")
        return sent_trade

    def test_is_asked_about_less_and_less_often(self, parked_trade: UUID, sent: Sent) -> None:
        parked_long_ago(parked_trade, 1)
        ask_about(parked_trade, sent)
        TradeRequest.objects.update(check_at=timezone.now())
        assert due.take_due(10) == [parked_trade]
        assert is_about(request(parked_trade).check_at, 30)

    def test_waits_for_an_answer_but_not_for_ever(self, parked_trade: UUID) -> None:
        """RequestAdded only when the lease that may still be running has ended for sure."""
        steps.cancel(parked_trade)
        assert is_about(request(parked_trade, 1).check_at, 30)
        assert is_about(request(parked_trade, 2).due_at, 90)

    def test_asks_at_once_about_what_was_parked_long_ago(self, parked_trade: UUID) -> None:
        parked_long_ago(parked_trade, 1)
        steps.cancel(parked_trade)
        assert is_about(request(parked_trade, 1).check_at, 0)
        assert is_about(request(parked_trade, 2).due_at, 60)

    def test_ends_a_trade_that_not_received(self, alice: Trader, parked_trade: UUID, sent: Sent) -> None:
        parked_long_ago(parked_trade, 1)
        steps.cancel(parked_trade)
        steps.tell(unknown(ask_about(parked_trade, sent), parked_trade))
        assert Trade.objects.get().status == "CANCELED"
        assert [request(parked_trade, seq).outcome for seq in (1, 2)] == ["CANCELED", "ACCEPTED"]
        assert wallet_of(alice.pk).blocked == 0

    def test_is_told_once_that_it_not_received(self, parked_trade: UUID, sent: Sent) -> None:
        """Nobody cancels, and the sweep goes on: what is said again and again is no news."""
        parked_long_ago(parked_trade, 1)
        for _ in range(3):
            steps.tell(unknown(ask_about(parked_trade, sent), parked_trade))
        assert kinds(parked_trade).count("NOT_AT_EXCHANGE") == 1
        assert request(parked_trade).check_at is None
        steps.cancel(parked_trade)
        assert is_about(request(parked_trade).check_at, 0)

    def test_believes_no_answer_while_somebody_may_be_sending(self, parked_trade: UUID, sent: Sent) -> None:
        steps.cancel(parked_trade)
        steps.tell(unknown(ask_about(parked_trade, sent), parked_trade))
        assert (request(parked_trade, 1).outcome, request(parked_trade, 2).outcome) == (None, None)

    def test_goes_on_without_a_change_that_not_received(self, alice: Trader, parked_change: UUID, sent: Sent) -> None:
        parked_long_ago(parked_change, 2)
        steps.cancel(parked_change)
        steps.tell(answer(ask_about(parked_change, sent), parked_change, latest=1))
        assert request(parked_change, 2).outcome == "CANCELED"
        assert is_due(request(parked_change, 3))
        assert (Trade.objects.get().status, wallet_of(alice.pk).blocked) == ("NEW", Decimal("1000.00"))
        run()
        assert sent[-1]["Body"]["OrigClOrdID"] == str(request(parked_change, 1).pk)

    @pytest.mark.parametrize("said", ["status", "ack"])
    def test_goes_after_an_order_that_is_there(self, parked_trade: UUID, sent: Sent, said: str) -> None:
        steps.cancel(parked_trade)
        question = ask_about(parked_trade, sent)
        steps.tell(answer(question, parked_trade) if said == "status" else steps.report(parked_trade, "0"))
        assert (request(parked_trade, 1).stage, request(parked_trade, 1).parked) == ("SENT", None)
        assert is_due(request(parked_trade, 2))

    def test_stands_behind_when_the_order_is_put_back_to_work(self, parked_trade: UUID) -> None:
        steps.cancel(parked_trade)
        parking.unpark_by_hand(request(parked_trade, 1).pk)
        assert is_due(request(parked_trade, 1))
        assert request(parked_trade, 2).due_at is None

    def test_ends_a_trade_that_was_parked_before_it_was_booked(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice)
        parking.park_by_hand(request(pk).pk, why="try")
        steps.cancel(pk)
        assert Trade.objects.get().status == "CANCELED"

    @pytest.mark.parametrize("parked_first", [True, False])
    def test_does_without_a_change_that_was_not_booked(self, sent_trade: UUID, parked_first: bool) -> None:
        steps.tell(steps.report(sent_trade, "0"))
        steps.amend(sent_trade, quantity=12)
        doings: list[Callable[[], object]] = [
            lambda: parking.park_by_hand(request(sent_trade, 2).pk, why="try"),
            lambda: steps.cancel(sent_trade),
        ]
        for do in doings if parked_first else reversed(doings):
            do()
        change = request(sent_trade, 2)
        assert (change.outcome, change.parked, change.reason) == ("CANCELED", None, None)
        assert is_due(request(sent_trade, 3))


def parked_long_ago(trade_id: UUID, seq: int) -> None:
    row = request(trade_id, seq)
    row.parked["since"] = (timezone.now() - timedelta(minutes=5)).isoformat()
    row.save(update_fields=["parked"])


class TestQueryFirst:
    """An exchange that would take a resend for another order is asked before anything is sent again."""

    @pytest.fixture(autouse=True)
    def policy(self, settings: Any) -> None:
        settings.RESEND_POLICY = "query_first"

    @pytest.fixture
    def doubtful(self, alice: Trader, share: Instrument, sent: Sent) -> UUID:
        """Booked and published, perhaps: the first lease ran out."""
        pk = steps.place(alice)
        steps.run_to_booked()
        send_due(pk)
        return pk

    def test_what_is_sent_for_the_first_time_goes_at_once(self, sent_trade: UUID, sent: Sent) -> None:
        assert [message["Header"]["MsgType"] for message in sent] == ["D"]

    def test_so_does_what_had_to_be_booked_twice(self, alice: Trader, share: Instrument, sent: Sent) -> None:
        """A later lease of a request that was not booked yet: nothing of it can be outside."""
        pk = steps.place(alice)
        steps.lease_all(Stage.RECEIVED)
        TradeRequest.objects.update(due_at=timezone.now())
        taken = steps.run_to_booked()
        send(taken, now=timezone.now())
        assert [message["Header"]["MsgType"] for message in sent] == ["D"]
        assert request(pk).stage == "SENT"

    def test_under_a_later_lease_it_is_asked(self, doubtful: UUID, sent: Sent) -> None:
        assert [message["Header"]["MsgType"] for message in sent] == ["H"]
        assert (request(doubtful).stage, request(doubtful).check_at) == ("BOOKED", None)

    def test_after_a_try_too(self, alice: Trader, share: Instrument, sent: Sent) -> None:
        """A worker may have died on it under the same lease; what never arrived goes out all the same."""
        pk = steps.place(alice)
        steps.run_step(send, steps.run_to_booked(), redelivered=True, stage=Stage.BOOKED)
        assert [message["Header"]["MsgType"] for message in sent] == ["H"]
        steps.tell(unknown(sent[-1]["Body"], pk))
        send_due(pk)
        assert [message["Header"]["MsgType"] for message in sent] == ["H", "D"]

    def test_after_a_batch_that_failed_too(
        self, alice: Trader, share: Instrument, sent: Sent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Both orders are outside, and then they cannot be noted as sent: neither goes out again without asking."""

        def broken(*_: object, **__: object) -> None:
            raise ValueError("a mistake of ours")

        for _ in range(2):
            steps.place(alice, quantity=1)
        taken = steps.run_to_booked()
        monkeypatch.setattr("trades.steps.send.note_sent", broken)
        steps.run_step(send, taken, redelivered=False, stage=Stage.BOOKED)
        assert [message["Header"]["MsgType"] for message in sent] == ["D", "D", "H", "H"]

    def test_what_never_arrived_is_sent(self, doubtful: UUID, sent: Sent) -> None:
        steps.tell(unknown(sent[-1]["Body"], doubtful))
        assert is_due(request(doubtful))
        send_due(doubtful)
        assert (sent[-1]["Header"]["MsgType"], sent[-1]["Header"]["PossResend"]) == ("D", "Y")
        assert request(doubtful).stage == "SENT"

    def test_what_arrived_is_not_sent_again(self, doubtful: UUID, sent: Sent) -> None:
        steps.tell(answer(sent[-1]["Body"], doubtful))
        assert (request(doubtful).stage, request(doubtful).due_at) == ("SENT", None)

    def test_an_answer_to_an_old_asking_does_not_let_it_go(self, doubtful: UUID, sent: Sent, monkeypatch) -> None:
        """The order was sent since, and nobody noted it: what was true before is not any more."""
        old = sent[-1]["Body"]
        steps.tell(unknown(old, doubtful))
        with monkeypatch.context() as patch:
            patch.setattr("trades.steps.send.note_sent", lambda *_, **__: None)
            send_due(doubtful)
        steps.tell(unknown(old, doubtful))
        send_due(doubtful)
        assert [message["Header"]["MsgType"] for message in sent] == ["H", "D", "H"]

    def test_what_was_sent_and_never_arrived_is_sent_without_asking_twice(self, sent_trade: UUID, sent: Sent) -> None:
        steps.tell(unknown(ask_about(sent_trade, sent), sent_trade))
        send_due(sent_trade)
        assert [message["Header"]["MsgType"] for message in sent] == ["D", "H", "D"]

    def test_without_an_answer_it_comes_to_a_desk(self, doubtful: UUID, sent: Sent) -> None:
        for _ in range(4):
            assert request(doubtful).parked is None
            send_due(doubtful)
        row = request(doubtful)
        assert (row.parked["code"], row.stage, row.due_at) == ("UNCONFIRMED", "BOOKED", None)
        assert {message["Header"]["MsgType"] for message in sent} == {"H"}
        assert row.check_at is not None

    def test_from_the_desk_a_cancellation_ends_what_not_received(self, doubtful: UUID, sent: Sent) -> None:
        for _ in range(4):
            send_due(doubtful)
        parked_long_ago(doubtful, 1)
        steps.cancel(doubtful)
        steps.tell(unknown(ask_about(doubtful, sent), doubtful))
        assert [request(doubtful, seq).outcome for seq in (1, 2)] == ["CANCELED", "ACCEPTED"]

    def test_from_the_desk_an_answer_lets_it_go(self, doubtful: UUID, sent: Sent) -> None:
        for _ in range(4):
            send_due(doubtful)
        parked_long_ago(doubtful, 1)
        steps.tell(unknown(ask_about(doubtful, sent), doubtful))
        assert (request(doubtful).parked, is_due(request(doubtful))) == (None, True)


class TestTheNameOfAnAsking:
    def test_comes_back_as_it_went(self) -> None:
        rows = [TradeRequest(seq=seq, lease=seq * 7) for seq in (1, 3)]
        there = StatusQuery.about(rows)
        assert StatusQuery.parse(str(there)) == there
        assert all(there.covers(row) for row in rows)
        assert not there.covers(TradeRequest(seq=1, lease=8))
        assert not there.covers(TradeRequest(seq=2, lease=7))

    def test_fits_into_an_id_of_the_link(self) -> None:
        rows = [TradeRequest(seq=10**5 + n, lease=10**5) for n in range(40)]
        assert len(str(StatusQuery.about(rows))) <= 128
