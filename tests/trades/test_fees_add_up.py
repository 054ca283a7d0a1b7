"""Money is conserved to the paisa: whatever is bought and sold, under whatever schedule, however it is cut and revised.

What the traders own is what they paid in, less what they took out, less fees and what was paid, plus what was received.
"""

import os
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brokerage.models import FeeSchedule, Instrument, Trader
from tests.trades import steps
from tests.trades.journal import Terms
from trades.queries.audit import discrepancies
from wallets import services as wallet_services
from wallets.selectors import wallet_of

D = Decimal
EXAMPLES = 300 if os.environ.get("PROOFS") else 40
_numbers = count()


@dataclass(frozen=True)
class Step:
    """A fill, or, of an execution there is, a bust (no shares) or a correction; or the client takes money out."""

    which: int
    quantity: int
    paise: int
    withdraws: bool


@dataclass
class Side:
    """One of the two orders, and the executions of it that count: their latest ExecID, shares and price."""

    trader: Trader
    trade: UUID
    sign: int
    live: list[tuple[str, int, Decimal]] = field(default_factory=list)

    def play(self, step: Step) -> None:
        exec_id, price = f"X{next(_numbers)}", D(step.paise) / 100
        numbers = {"ExecID": exec_id, "LastQty": str(step.quantity), "LastPx": str(price)}
        if step.which >= len(self.live):
            if not step.quantity:
                return
            steps.tell(steps.report(self.trade, "F", **numbers))
        else:
            ref, *_ = self.live.pop(step.which)
            kind = "G" if step.quantity else "H"
            told = numbers if step.quantity else {"ExecID": exec_id}
            steps.tell(steps.report(self.trade, kind, ExecRefID=ref, **told))
        if step.quantity:
            self.live.append((exec_id, step.quantity, price))

    def worth(self) -> Decimal:
        return sum((quantity * price for _, quantity, price in self.live), D(0))


paise = st.integers(0, 5_000).map(lambda number: D(number) / 100)
schedules = st.builds(
    lambda rate, minimum, more: Terms(D(rate) / 10**8, minimum, None if more is None else minimum + more),
    st.integers(0, 10**7),
    paise,
    st.none() | paise,
)
plays = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.builds(Step, st.integers(0, 4), st.integers(0, 9), st.integers(1, 20_000), st.booleans()),
    ),
    min_size=1,
    max_size=10,
)


@pytest.mark.django_db
@pytest.mark.timeout(1_200)
@given(terms=schedules, quantity=st.integers(1, 20), play=plays)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_to_the_paisa(share: Instrument, terms: Terms, quantity: int, play: list[tuple[int, Step]]) -> None:
    with steps.example():
        adds_up(terms, quantity, play)


def adds_up(terms: Terms, quantity: int, play: list[tuple[int, Step]]) -> None:
    schedule = FeeSchedule.objects.create(
        name=f"schedule {next(_numbers)}", rate=terms.rate, minimum=terms.minimum, cap=terms.cap
    )
    trader = Trader.objects.create(name="Dora", fee_schedule=schedule)
    steps.wallets_for(trader, "5000.00")
    steps.holdings_for(trader, ACME=20)
    sides = [Side(trader, steps.place(trader, name, quantity), sign) for name, sign in (("BUY", -1), ("SELL", +1))]
    steps.run_to_sent()
    taken = D(0)
    for which, step in play:
        sides[which].play(step)
        out = min(D(step.paise) / 100, wallet_of(trader.pk).available)
        if step.withdraws and out:
            wallet_services.withdraw(trader_id=trader.pk, amount=out, key=f"out-{next(_numbers)}")
            taken += out
        wallet, fees = wallet_of(trader.pk), [terms.due(side.worth(), sold=side.sign > 0) for side in sides]
        moved = sum(side.sign * side.worth() for side in sides)
        assert wallet.balance - wallet.debt == D("5000.00") - taken - sum(fees) + moved
        assert [D(steps.picture(side.trade)["fees"]) for side in sides] == fees
    assert [str(discrepancy) for discrepancy in discrepancies()] == []
