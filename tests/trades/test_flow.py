"""A trade's plain life on a real database: accepted, validated, booked, sent, filled; amended, cancelled, refused."""

from decimal import Decimal
from typing import Any

import pytest
import structlog
from django.utils import timezone

from brokerage.models import Instrument, Trader
from holdings.selectors import holding_of
from tests.trades import steps
from trades.intake.change import ConflictError
from trades.models import Execution, Trade, TradeEvent, TradeRequest
from trades.steps import leases
from wallets.selectors import wallet_of

pytestmark = pytest.mark.django_db


def trade(trade_id) -> Trade:
    return Trade.objects.get(pk=trade_id)


class TestBuying:
    def test_the_money_is_blocked_when_it_is_booked(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice, quantity=10, price="101.50")
        assert (trade(pk).status, wallet_of(alice.pk).blocked) == ("RECEIVED", 0)
        steps.run_to_booked()
        assert trade(pk).status == "BOOKED"
        assert (wallet_of(alice.pk).blocked, trade(pk).hold_cash) == (Decimal("1015.00"), Decimal("1015.00"))

    def test_a_fill_below_the_limit_gives_the_difference_back(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice, quantity=10, price="101.50")
        steps.run_to_sent()
        assert trade(pk).status == "PENDING_NEW"
        steps.tell(steps.report(pk, "0"), steps.fill(pk, 4, "101.25"))
        assert (trade(pk).status, trade(pk).filled_quantity) == ("PARTIALLY_FILLED", 4)
        wallet = wallet_of(alice.pk)
        assert (wallet.balance, wallet.blocked) == (Decimal("99595.00"), Decimal("609.00"))
        steps.tell(steps.fill(pk, 6, "100.00"))
        wallet = wallet_of(alice.pk)
        assert (trade(pk).status, wallet.balance, wallet.blocked) == ("FILLED", Decimal("98995.00"), 0)
        assert holding_of(alice.pk, "ACME").quantity == 10

    def test_the_fill_may_come_before_the_ack_and_before_sent_is_noted(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice)
        taken = steps.run_to_booked()
        steps.tell(steps.fill(pk, 10, "100.00"))
        steps.tell(steps.report(pk, "0"))
        steps.send.note_sent([request_id for request_id, _ in taken], now=timezone.now())
        assert trade(pk).status == "FILLED"
        assert trade(pk).requests.get().outcome == "ACCEPTED"

    def test_the_average_is_of_the_prices_not_of_what_was_rounded(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice, quantity=10, price="101.50")
        steps.run_to_sent()
        steps.tell(steps.fill(pk, 1, "101.2345"))
        assert steps.picture(pk)["average_price"] == "101.2345"
        assert wallet_of(alice.pk).balance == Decimal("99898.77")


class TestSelling:
    def test_the_shares_are_blocked_and_the_money_comes(self, bob: Trader, share: Instrument) -> None:
        pk = steps.place(bob, "SELL", 300, "99.00")
        steps.run_to_sent()
        assert holding_of(bob.pk, "ACME").blocked == 300
        steps.tell(steps.report(pk, "0"), steps.fill(pk, 300, "99.50"))
        holding = holding_of(bob.pk, "ACME")
        assert (holding.quantity, holding.blocked) == (700, 0)
        assert wallet_of(bob.pk).balance == Decimal("29850.00")

    def test_a_trader_may_be_matched_with_himself(self, alice: Trader, share: Instrument) -> None:
        steps.holdings_for(alice, ACME=10)
        bought, sold = steps.place(alice, "BUY", 10, "100.00"), steps.place(alice, "SELL", 10, "100.00")
        steps.run_to_sent()
        steps.tell(steps.fill(bought, 10, "100.00"), steps.fill(sold, 10, "100.00"))
        assert (wallet_of(alice.pk).balance, holding_of(alice.pk, "ACME").quantity) == (Decimal("100000.00"), 10)


class TestRefusing:
    @pytest.mark.parametrize(
        ("terms", "code"),
        [
            ({"quantity": 1001}, "INSUFFICIENT_FUNDS"),
            ({"price": "100.03"}, "BAD_TICK"),
            ({"price": "200.00"}, "PRICE_OUT_OF_BAND"),
            ({"symbol": "NOPE"}, "UNKNOWN_SYMBOL"),
            ({"side": "SELL"}, "INSUFFICIENT_SHARES"),
        ],
    )
    def test_with_a_code_and_nothing_blocked(self, alice: Trader, share: Instrument, terms: dict, code: str) -> None:
        pk = steps.place(alice, **terms)
        steps.run_to_booked()
        assert (trade(pk).status, trade(pk).reason["code"]) == ("REJECTED", code)
        assert (wallet_of(alice.pk).blocked, trade(pk).requests.get().outcome) == (0, "REJECTED")

    def test_says_the_numbers(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice, quantity=1001)
        steps.run_to_booked()
        details = {"needed": "100100.00", "available": "100000.00", "short": "100.00"}
        assert trade(pk).reason["details"] == details

    def test_is_in_the_timeline_and_in_the_log(
        self, alice: Trader, share: Instrument, django_capture_on_commit_callbacks: Any
    ) -> None:
        pk = steps.place(alice, quantity=1001)
        with structlog.testing.capture_logs() as lines, django_capture_on_commit_callbacks(execute=True):
            steps.run_to_booked()
        assert TradeEvent.objects.get(trade_id=pk, kind="DENIED").data == {"code": "INSUFFICIENT_FUNDS"}
        [line] = [line for line in lines if line["event"] == "denied"]
        assert (line["trade_id"], line["code"]) == (str(pk), "INSUFFICIENT_FUNDS")

    def test_names_the_other_reasons_too(self, carol: Trader, share: Instrument) -> None:
        pk = steps.place(carol, price="100.03")
        steps.run_to_booked()
        assert trade(pk).reason["code"] == "BAD_TICK"
        assert trade(pk).reason["details"]["also"] == ["INSUFFICIENT_FUNDS"]

    def test_while_the_share_is_halted(self, alice: Trader, share: Instrument) -> None:
        share.halted = True
        share.save()
        pk = steps.place(alice)
        steps.run_to_booked()
        assert trade(pk).reason["code"] == "SYMBOL_HALTED"

    def test_a_halt_between_validating_and_booking(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice)
        taken = steps.lease_all(steps.Stage.RECEIVED)
        steps.run_step(steps.validate, taken, redelivered=False)
        Instrument.objects.update(halted=True)
        steps.run_step(steps.book, taken, redelivered=False)
        assert (trade(pk).reason["code"], wallet_of(alice.pk).blocked) == ("SYMBOL_HALTED", 0)

    def test_by_the_exchange_may_name_the_trade_only(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice)
        steps.run_to_sent()
        steps.tell(steps.report(pk, "8", ClOrdID="unheard of", Text="no"))
        request = TradeRequest.objects.get()
        assert (request.outcome, request.reason["code"]) == ("REJECTED", "EXCHANGE_REJECTED")

    def test_by_the_exchange_after_it_had_accepted_says_why(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice)
        steps.run_to_sent()
        steps.tell(steps.report(pk, "0"), steps.report(pk, "8", Text="no"))
        request = TradeRequest.objects.get()
        assert (request.outcome, request.reason["message"]) == ("REJECTED", "no")

    def test_by_the_exchange_gives_the_hold_back(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice)
        steps.run_to_sent()
        steps.tell(steps.report(pk, "8", Text="no such market", OrdRejReason="1"))
        assert (trade(pk).status, trade(pk).reason["code"]) == ("REJECTED", "EXCHANGE_REJECTED")
        assert wallet_of(alice.pk).blocked == 0

    @pytest.mark.parametrize(
        ("status", "side", "refused"), [("SUSPENDED", "SELL", 1), ("REDUCING", "BUY", 1), ("REDUCING", "SELL", 0)]
    )
    def test_by_the_traders_status(self, bob: Trader, share: Instrument, status: str, side: str, refused: int) -> None:
        Trader.objects.filter(pk=bob.pk).update(status=status)
        steps.wallets_for(bob, "5000.00")
        pk = steps.place(bob, side, 10, "100.00")
        steps.run_to_booked()
        assert trade(pk).status == ("REJECTED" if refused else "BOOKED")


class TestAmending:
    def test_an_increase_is_blocked_before_it_is_sent(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice, quantity=10)
        steps.run_to_sent()
        steps.tell(steps.report(pk, "0"))
        steps.amend(pk, quantity=15)
        steps.run_to_sent()
        assert (trade(pk).quantity, trade(pk).hold_cash) == (10, Decimal("1500.00"))
        steps.tell(steps.report(pk, "E", seq=2), steps.report(pk, "5", seq=2, OrderQty="15", Price="100.00"))
        assert (trade(pk).quantity, trade(pk).status, trade(pk).hold_cash) == (15, "NEW", Decimal("1500.00"))

    def test_a_decrease_is_freed_only_when_the_exchange_says_so(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice, quantity=10)
        steps.run_to_sent()
        steps.tell(steps.report(pk, "0"))
        steps.amend(pk, quantity=4, price=Decimal("99.00"))
        steps.run_to_sent()
        assert wallet_of(alice.pk).blocked == Decimal("1000.00")
        steps.tell(steps.report(pk, "5", seq=2))
        assert (wallet_of(alice.pk).blocked, trade(pk).price) == (Decimal("396.00"), Decimal("99.00"))

    def test_an_increase_that_cannot_be_paid_is_refused_alone(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice, quantity=10)
        steps.run_to_sent()
        steps.tell(steps.report(pk, "0"))
        steps.amend(pk, quantity=2000)
        steps.run_to_booked()
        amendment = trade(pk).requests.get(seq=2)
        assert (amendment.outcome, amendment.reason["code"]) == ("REJECTED", "INSUFFICIENT_FUNDS")
        assert (trade(pk).status, trade(pk).reason, trade(pk).hold_cash) == ("NEW", None, Decimal("1000.00"))

    def test_a_refused_amendment_gives_back_exactly_what_it_took(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice, quantity=10)
        steps.run_to_sent()
        steps.tell(steps.report(pk, "0"))
        steps.amend(pk, quantity=20)
        steps.run_to_sent()
        steps.tell(steps.cancel_reject(pk, seq=2))
        assert (trade(pk).status, wallet_of(alice.pk).blocked) == ("NEW", Decimal("1000.00"))
        assert trade(pk).requests.get(seq=2).reason["code"] == "TOO_LATE"

    def test_made_after_all_it_has_no_reason_left(self, alice: Trader, share: Instrument) -> None:
        """The end closed it, and then the answer came that had been on its way."""
        pk = steps.place(alice, quantity=10)
        steps.run_to_sent()
        steps.amend(pk, quantity=20)
        steps.run_to_sent()
        steps.tell(steps.report(pk, "4"))
        assert trade(pk).requests.get(seq=2).reason["code"] == "TOO_LATE"
        steps.tell(steps.report(pk, "5", seq=2, OrderQty="20", Price="100.00"))
        amendment = trade(pk).requests.get(seq=2)
        assert (amendment.outcome, amendment.reason) == ("ACCEPTED", None)

    def test_the_exchange_may_name_the_trade_only(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice, quantity=10)
        steps.run_to_sent()
        steps.tell(steps.report(pk, "0", ClOrdID="unheard of"))
        steps.amend(pk, quantity=4, price=Decimal("99.00"))
        steps.run_to_sent()
        steps.tell(steps.report(pk, "5", ClOrdID="unheard of"))
        assert (trade(pk).status, trade(pk).quantity, trade(pk).hold_cash) == ("NEW", 4, Decimal("396.00"))
        assert trade(pk).requests.get(seq=2).outcome == "ACCEPTED"

    def test_to_the_same_terms_is_nothing_to_change(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice, quantity=10)
        with pytest.raises(ConflictError) as refused:
            steps.amend(pk, quantity=10)
        assert refused.value.reason.code == "NOTHING_TO_CHANGE"

    def test_waits_behind_the_order_it_amends(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice, quantity=10)
        steps.amend(pk, quantity=12)
        steps.run_to_booked()
        assert [r.stage for r in trade(pk).requests.order_by("seq")] == ["BOOKED", "RECEIVED"]
        assert trade(pk).requests.get(seq=2).due_at is None


class TestCancelling:
    def test_what_was_never_sent_ends_at_once(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice)
        steps.cancel(pk)
        assert trade(pk).status == "CANCELED"
        assert [r.outcome for r in trade(pk).requests.order_by("seq")] == ["CANCELED", "ACCEPTED"]
        assert leases.lease_due(10) == []

    def test_what_may_be_outside_is_asked_for(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice)
        steps.run_to_booked()
        steps.cancel(pk)
        assert trade(pk).status == "BOOKED"

    def test_gives_the_rest_of_the_hold_back(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice, quantity=10)
        steps.run_to_sent()
        steps.tell(steps.report(pk, "0"), steps.fill(pk, 3, "100.00"))
        steps.cancel(pk)
        steps.cancel(pk)
        steps.run_to_sent()
        steps.tell(steps.report(pk, "6", seq=2))
        assert trade(pk).status == "PENDING_CANCEL"
        steps.tell(steps.report(pk, "4", seq=2))
        assert (trade(pk).status, wallet_of(alice.pk).blocked, trade(pk).requests.count()) == ("CANCELED", 0, 2)

    def test_a_trade_that_is_over_cannot_be_changed(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice, quantity=10)
        steps.run_to_sent()
        steps.tell(steps.fill(pk, 10, "100.00"))
        with pytest.raises(ConflictError) as refused:
            steps.cancel(pk)
        assert refused.value.reason.code == "TRADE_FINISHED"

    def test_too_late_leaves_the_fill(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice, quantity=10)
        steps.run_to_sent()
        steps.cancel(pk)
        steps.run_to_sent()
        steps.tell(steps.fill(pk, 10, "100.00"), steps.cancel_reject(pk, seq=2))
        assert (trade(pk).status, trade(pk).requests.get(seq=2).outcome) == ("FILLED", "REJECTED")


class TestTheChain:
    """OrigClOrdID: what a request comes after, as the exchange is told when it is booked."""

    def test_names_the_request_before_though_it_may_be_pending(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice)
        steps.run_to_sent()
        for quantity in (12, 14):
            steps.amend(pk, quantity=quantity)
            steps.run_to_sent()
        steps.cancel(pk)
        steps.run_to_sent()
        assert self.chain(pk) == [None, 1, 2, 3]

    def test_leaves_out_what_was_refused_by_whomever(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice)
        steps.run_to_sent()
        steps.amend(pk, quantity=2000)
        steps.run_to_sent()
        steps.amend(pk, quantity=12)
        steps.run_to_sent()
        steps.tell(steps.cancel_reject(pk, seq=3))
        steps.amend(pk, quantity=14)
        steps.run_to_sent()
        steps.tell(steps.report(pk, "5", seq=4, OrderQty="14"))
        steps.cancel(pk)
        steps.run_to_sent()
        assert self.chain(pk) == [None, None, 1, 1, 4]

    @staticmethod
    def chain(pk) -> list[int | None]:
        """For each request the number of the one that its message refers to."""
        requests = list(trade(pk).requests.order_by("seq"))
        seqs = {str(request.pk): request.seq for request in requests}
        bodies = [request.message["Body"] if request.message else {} for request in requests]
        return [seqs.get(body.get("OrigClOrdID")) for body in bodies]


class TestRestating:
    """The exchange raises an order by itself: it is so, whether or not the trader can cover it."""

    def test_a_purchase_is_held_with_money_that_the_house_lends(self, carol: Trader, share: Instrument) -> None:
        steps.wallets_for(carol, "1000.00")
        pk = steps.place(carol)
        steps.run_to_sent()
        steps.tell(steps.report(pk, "D", OrderQty="15"))
        wallet = wallet_of(carol.pk)
        assert (wallet.balance, wallet.blocked, wallet.debt) == (Decimal(1500), Decimal(1500), Decimal(500))

    def test_a_sale_is_held_with_shares_that_the_house_lends(self, carol: Trader, share: Instrument) -> None:
        steps.holdings_for(carol, ACME=10)
        pk = steps.place(carol, "SELL")
        steps.run_to_sent()
        steps.tell(steps.report(pk, "D", OrderQty="15"))
        holding = holding_of(carol.pk, "ACME")
        assert (holding.quantity, holding.blocked, holding.short) == (15, 15, 5)


class TestDeclarationsOutOfOrder:
    def test_a_suspension_older_than_what_ended_it_is_recorded_only(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice)
        steps.run_to_sent()
        steps.tell(steps.report(pk, "D", TransactTime="20261123-10:02:00"))
        steps.tell(steps.report(pk, "9", TransactTime="20261123-10:01:59.999"))
        assert trade(pk).status == "NEW"
        assert TradeEvent.objects.filter(kind="EXCHANGE_SUSPENDED").exists()
        steps.tell(steps.report(pk, "9", TransactTime="20261123-10:02:00.001"))
        assert trade(pk).status == "SUSPENDED"


class TestTheTimeline:
    def test_has_every_step_and_is_counted_by_the_revision(self, alice: Trader, share: Instrument) -> None:
        pk = steps.place(alice, quantity=10)
        steps.run_to_sent()
        steps.tell(steps.report(pk, "0"), steps.fill(pk, 10, "100.00"))
        kinds = list(TradeEvent.objects.filter(trade_id=pk).values_list("kind", flat=True))
        assert kinds == ["NEW_RECEIVED", "VALIDATED", "BOOKED", "SENT", "EXCHANGE_NEW", "EXCHANGE_FILL"]
        assert trade(pk).revision == len(kinds)
        assert Execution.objects.get().value == Decimal("1000.00")
