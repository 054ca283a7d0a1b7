"""Locks, set-based writes and retries."""

import pytest
from django.db import DatabaseError, OperationalError, transaction
from django.db.transaction import TransactionManagementError

from brokerage.db import transactions
from brokerage.db.bulk import update_many
from brokerage.db.locks import lock_rows
from brokerage.models import Trader
from tests.factories import TraderFactory


class WeatherError(OperationalError):
    """A deadlock, as Django passes it on."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.__cause__ = type("Cause", (Exception,), {"sqlstate": sqlstate})()


@pytest.mark.django_db(transaction=True)
class TestRetrying:
    @pytest.mark.parametrize("sqlstate", ["40P01", "55P03", "57P01", "08006", "57014", "25P03", "25006", "53300"])
    def test_what_passes_is_tried_again(self, sqlstate: str) -> None:
        calls = []

        @transactions.retrying
        def work() -> str:
            calls.append(1)
            if len(calls) < 3:
                raise WeatherError(sqlstate)
            return "done"

        assert work() == "done"

    def test_but_not_for_ever(self) -> None:
        calls = []

        @transactions.retrying
        def work() -> None:
            calls.append(1)
            raise WeatherError("40P01")

        with pytest.raises(WeatherError):
            work()
        assert len(calls) == transactions.MAX_ATTEMPTS

    def test_a_broken_rule_is_not_the_weather(self) -> None:
        assert not transactions.is_transient(WeatherError("23514"))
        assert not transactions.is_transient(ValueError())


@pytest.mark.django_db
class TestUpdateMany:
    def test_writes_each_row(self) -> None:
        first, second = TraderFactory.create_batch(2)
        with transaction.atomic():
            update_many(Trader, key=["id"], columns=["name"], rows=[(first.pk, "A"), (second.pk, "B")])
        assert list(Trader.objects.order_by("id").values_list("name", flat=True)) == ["A", "B"]

    def test_refuses_a_key_twice(self) -> None:
        trader = TraderFactory()
        with pytest.raises(ValueError, match="twice"), transaction.atomic():
            update_many(Trader, key=["id"], columns=["name"], rows=[(trader.pk, "A"), (trader.pk, "B")])

    def test_notices_a_row_that_is_not_there(self) -> None:
        with pytest.raises(DatabaseError, match="0 rows written, 1 expected"), transaction.atomic():
            update_many(Trader, key=["id"], columns=["name"], rows=[(0, "A")])


@pytest.mark.django_db(transaction=True)
def test_a_lock_needs_a_transaction() -> None:
    with pytest.raises(TransactionManagementError):
        lock_rows(Trader.objects.all())
