from collections.abc import Iterator
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from tests.factories import TraderFactory
from wallets import services
from wallets.audit import audit


@pytest.fixture
def dora(db: None) -> int:
    """The number of a trader with 100.00 in cash."""
    trader_id = TraderFactory(name="Dora").pk
    services.deposit(trader_id=trader_id, amount=Decimal("100.00"), key="dora's money")
    return trader_id


@pytest.fixture
def emil(db: None) -> int:
    """The number of a trader who has nothing, not even a wallet."""
    return TraderFactory(name="Emil").pk


@pytest.fixture
def trade() -> UUID:
    """An id as the ledger sees it: nothing here asks whether there is such a trade."""
    return uuid4()


@pytest.fixture
def own_books(db: None) -> Iterator[None]:
    """The wallets' own audit, for tests whose trades exist in the journal only."""
    yield
    assert [str(discrepancy) for discrepancy in audit()] == []
