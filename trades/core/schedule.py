"""Which request of a trade has the next step and when, and when the exchange is to be asked about it.

Pure functions of the rows. `trades.core.repository` writes what is due; `trades.steps.leases` and
`trades.reconciliation.due` take it up.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings

from trades import lifecycle
from trades.lifecycle import Kind, Stage, State
from trades.models import TradeRequest


def next_due(requests: Iterable[TradeRequest]) -> TradeRequest | None:
    """Return the request of a trade that has the next step: the first unfinished one; `requests` in order of `seq`.

    Behind a parked one only a CANCEL goes on: an amendment that overtook its order would be refused by the exchange.
    """
    behind_parked = False
    for row in requests:
        if not is_unfinished(row):
            behind_parked = behind_parked or is_held_up(row)
        elif not behind_parked or row.kind == Kind.CANCEL:
            return row
    return None


def is_unfinished(row: TradeRequest, stage: Stage | None = None) -> bool:
    """Tell whether the pipeline still has a step to do for a request; at `stage`, if one is given."""
    waits = row.stage != Stage.SENT if stage is None else row.stage == stage
    return waits and row.outcome is None and row.parked is None


def is_held_up(row: TradeRequest) -> bool:
    """Tell whether a request is parked before it was sent. One parked for want of an answer holds nobody up."""
    return row.parked is not None and row.outcome is None and row.stage != Stage.SENT


def in_doubt(requests: Iterable[TradeRequest]) -> list[TradeRequest]:
    """The requests that are parked at BOOKED: nobody knows whether they are outside."""
    return [row for row in requests if is_held_up(row) and row.stage == Stage.BOOKED]


def nobody_sends_from(row: TradeRequest) -> datetime:
    """From when on nobody can be sending a parked request: the lease that it was parked under has run out."""
    since = datetime.fromisoformat((row.parked or {})["since"])
    return since + timedelta(seconds=settings.PIPELINE["LEASE_MAX_S"])


# --- Asking the exchange ---------------------------------------------------------------------------------------------


def patience() -> timedelta:
    """How long the exchange may take to answer before a request counts as unconfirmed, and it is asked."""
    return timedelta(seconds=settings.PIPELINE["UNCONFIRMED_AFTER_S"])


def patience_of_a_cancel() -> timedelta:
    """How long a CANCEL waits for the exchange to say whether the order before it is there."""
    return timedelta(seconds=settings.PIPELINE["CANCEL_WAIT_S"])


def sweep() -> timedelta:
    """How long an open trade goes on before the exchange is asked about it although nothing seems to be wrong."""
    return timedelta(seconds=settings.PIPELINE["STATUS_CHECK_SWEEP_S"])


def is_open_outside(state: State) -> bool:
    """Tell whether more is to be heard of a trade: its order may be there, and it is open or being changed."""
    may_be_there = state.new.stage in (Stage.BOOKED, Stage.SENT)
    return may_be_there and (not lifecycle.is_over(state) or any(r.outstanding for r in state.requests))
