"""Best price first, at one price who came first, and never a share more or less than was ordered."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.simulator.matching import BUY, DAY, FOK, GTC, IOC, SELL, Book, Order


def order(key, side, quantity, price, time_in_force=DAY, *, house=False):
    return Order(key=key, side=side, quantity=quantity, price=Decimal(price), time_in_force=time_in_force, house=house)


def summary(fills):
    return [(fill.resting.key, fill.incoming.key, fill.quantity, fill.price) for fill in fills]


@pytest.fixture
def book():
    return Book()


class TestTrading:
    def test_an_order_that_nobody_meets_rests(self, book):
        alice = order("alice", BUY, 10, "100")
        assert book.submit(alice) == []
        assert book.get("alice") is alice

    def test_the_best_price_trades_first_and_at_one_price_who_came_first(self, book):
        for key, price in (("dear", "102"), ("early", "100"), ("late", "100"), ("cheap", "99")):
            book.submit(order(key, SELL, 5, price))
        fills = book.submit(order("alice", BUY, 13, "101"))
        assert summary(fills) == [
            ("cheap", "alice", 5, Decimal(99)),
            ("early", "alice", 5, Decimal(100)),
            ("late", "alice", 3, Decimal(100)),
        ]
        assert book.get("late").remaining == 2

    def test_who_comes_later_gets_the_better_price(self, book):
        book.submit(order("bob", SELL, 10, "99.95"))
        (fill,) = book.submit(order("alice", BUY, 10, "105"))
        assert fill.price == Decimal("99.95")

    def test_each_fill_knows_what_had_been_filled_then(self, book):
        book.submit(order("bob", SELL, 4, "100"))
        book.submit(order("carol", SELL, 4, "100"))
        fills = book.submit(order("alice", BUY, 6, "100"))
        assert [(fill.resting_filled, fill.incoming_filled) for fill in fills] == [(4, 4), (2, 6)]

    def test_a_limit_is_kept(self, book):
        book.submit(order("bob", SELL, 10, "100.05"))
        assert book.submit(order("alice", BUY, 10, "100")) == []

    def test_the_house_does_not_trade_with_itself_but_with_everybody_else(self, book):
        book.submit(order("bid", BUY, 10, "100", house=True))
        assert book.submit(order("offer", SELL, 10, "100", house=True)) == []
        assert summary(book.submit(order("alice", BUY, 3, "100"))) == [("offer", "alice", 3, Decimal(100))]
        assert summary(book.submit(order("bob", SELL, 3, "100"))) == [("bid", "bob", 3, Decimal(100))]


class TestTimeInForce:
    def test_ioc_takes_what_is_there_and_never_rests(self, book):
        book.submit(order("bob", SELL, 4, "100"))
        alice = order("alice", BUY, 10, "100", IOC)
        assert summary(book.submit(alice)) == [("bob", "alice", 4, Decimal(100))]
        assert book.get("alice") is None

    def test_fok_takes_all_or_nothing(self, book):
        book.submit(order("bob", SELL, 4, "100"))
        assert book.submit(order("alice", BUY, 5, "100", FOK)) == []
        assert book.get("bob").remaining == 4
        book.submit(order("carol", SELL, 1, "101"))
        assert len(book.submit(order("dave", BUY, 5, "101", FOK))) == 2


class TestReplacing:
    def test_lowering_the_quantity_keeps_the_place(self, book):
        early = order("early", SELL, 10, "100")
        book.submit(early)
        book.submit(order("late", SELL, 10, "100"))
        assert book.replace(early, quantity=6, price=Decimal(100)) == []
        assert summary(book.submit(order("alice", BUY, 7, "100")))[0] == ("early", "alice", 6, Decimal(100))

    @pytest.mark.parametrize(("quantity", "price"), [(11, "100"), (10, "100.05")])
    def test_anything_else_goes_to_the_back(self, book, quantity, price):
        early = order("early", SELL, 10, "100")
        book.submit(early)
        book.submit(order("late", SELL, 10, price))
        book.replace(early, quantity=quantity, price=Decimal(price))
        assert summary(book.submit(order("alice", BUY, 10, "101")))[0][0] == "late"

    def test_a_better_price_may_trade_at_once(self, book):
        book.submit(order("bob", SELL, 10, "101"))
        alice = order("alice", BUY, 10, "100")
        book.submit(alice)
        assert summary(book.replace(alice, quantity=10, price=Decimal(102))) == [("bob", "alice", 10, Decimal(101))]

    def test_what_is_filled_already_stays_and_the_rest_goes(self, book):
        alice = order("alice", BUY, 10, "100")
        book.submit(alice)
        book.submit(order("bob", SELL, 4, "100"))
        assert book.replace(alice, quantity=3, price=Decimal(100)) == []
        assert (alice.quantity, alice.filled, alice.remaining) == (4, 4, 0)
        assert book.get("alice") is None

    def test_a_filled_order_can_be_given_more(self, book):
        alice = order("alice", BUY, 4, "100")
        book.submit(order("bob", SELL, 4, "100"))
        book.submit(alice)
        book.replace(alice, quantity=6, price=Decimal(100))
        assert (book.get("alice"), alice.remaining) == (alice, 2)


orders = st.lists(
    st.tuples(
        st.sampled_from(["submit"] * 6 + ["replace", "remove"]),
        st.sampled_from([BUY, SELL]),
        st.integers(1, 20),
        st.integers(95, 105),
        st.sampled_from([DAY, GTC, IOC, FOK]),
        st.integers(0, 30),
    ),
    max_size=60,
)


class TestAnySequence:
    @given(orders)
    def test_quantity_is_conserved_limits_are_kept_and_priority_rules(self, steps):
        book, everyone, traded = Book(), [], {}
        for number, (what, side, quantity, price, time_in_force, which) in enumerate(steps):
            resting = [known for known in everyone if book.get(known.key)]
            if what == "submit":
                subject = order(str(number), side, quantity, price, time_in_force)
                everyone.append(subject)
                before = list(book.orders(SELL if side == BUY else BUY))
                fills = book.submit(subject)
            elif not resting:
                continue
            elif what == "remove":
                book.remove(resting[which % len(resting)])
                continue
            else:
                subject = resting[which % len(resting)]
                before = list(book.orders(SELL if subject.side == BUY else BUY))
                fills = book.replace(subject, quantity=quantity, price=Decimal(price))
            assert [fill.resting for fill in fills] == before[: len(fills)], "out of turn"
            for fill in fills:
                assert fill.incoming.accepts(fill.price)
                assert fill.price == fill.resting.price
                for side_of_it in (fill.resting, fill.incoming):
                    traded[side_of_it.key] = traded.get(side_of_it.key, 0) + fill.quantity
            self.check(book, everyone, traded)

    def check(self, book, everyone, traded):
        for known in everyone:
            assert known.filled == traded.get(known.key, 0) <= known.quantity
            if known.time_in_force in (IOC, FOK):
                assert book.get(known.key) is None
            if known.time_in_force == FOK:
                assert known.filled in (0, known.quantity)
        bids, offers = list(book.orders(BUY)), list(book.orders(SELL))
        assert all(left.price >= right.price for left, right in pairwise(bids))
        assert all(left.price <= right.price for left, right in pairwise(offers))
        assert all(resting.remaining for resting in bids + offers)
        if bids and offers:
            assert bids[0].price < offers[0].price, "two that should have traded"
