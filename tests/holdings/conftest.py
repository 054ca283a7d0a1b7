from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest

from holdings import services
from holdings.audit import audit
from holdings.services import Key
from tests.factories import TraderFactory


@pytest.fixture
def dora(db: None) -> Key:
    """The holding of a trader with 100 shares of ACME."""
    trader_id = TraderFactory(name="Dora").pk
    services.deposit(trader_id=trader_id, symbol="ACME", amount=100, key="dora's shares")
    return trader_id, "ACME"


@pytest.fixture
def emil(db: None) -> Key:
    """The holding of a trader who has nothing, not even a row for ACME."""
    return TraderFactory(name="Emil").pk, "ACME"


@pytest.fixture
def trade() -> UUID:
    """An id as the ledger sees it: nothing here asks whether there is such a trade."""
    return uuid4()


@pytest.fixture
def own_books(db: None) -> Iterator[None]:
    """The holdings' own audit, for tests whose trades exist in the journal only."""
    yield
    assert [str(discrepancy) for discrepancy in audit()] == []
