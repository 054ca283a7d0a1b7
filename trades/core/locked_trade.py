"""One trade with its requests, locked by the caller's transaction: what happens to it goes through `apply`."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from brokerage.reasons import Reason
from trades import lifecycle
from trades.lifecycle import Event, FeeSchedule, Kind, Outcome, Request, Side, Stage, State, TimeInForce
from trades.models import ExchangeReport, Execution, Trade, TradeEvent, TradeRequest

FACTS = (
    "quantity",
    "price",
    "terms_seq",
    "terms_quantity",
    "quantity_restated_seq",
    "price_restated_seq",
    "filled_quantity",
    "filled_value",
    "filled_notional",
    "acked",
    "rejected",
    "cancelled",
    "expired",
    "done_for_day",
    "suspended",
    "declared_at",
)
"""The columns of a trade that are its facts, under the names the reducer has for them."""

TIMELINE: dict[type[Any], str] = {
    lifecycle.RequestAdded: "{0.request.kind}_RECEIVED",
    lifecycle.StageCompleted: "{0.stage}",
    lifecycle.Denied: "DENIED",
    lifecycle.CancelledLocally: "CANCELLED_LOCALLY",
    lifecycle.AmendDropped: "AMEND_DROPPED",
    lifecycle.NotReceived: "NOT_AT_EXCHANGE",
    lifecycle.Report: "EXCHANGE_{0.kind}",
}
"""The kind of timeline entry that belongs to each kind of event, with what the event says."""


def state_of(row: Trade, requests: Iterable[TradeRequest]) -> State:
    """Return the facts of a trade as the reducer takes them; `requests` in the order of `seq`."""
    return State(
        side=Side(row.side),
        time_in_force=TimeInForce(row.time_in_force),
        requests=tuple(
            Request(
                id=str(request.pk),
                seq=request.seq,
                kind=Kind(request.kind),
                quantity=request.quantity,
                price=request.price,
                stage=Stage(request.stage),
                outcome=Outcome(request.outcome) if request.outcome else None,
                pending=request.pending,
            )
            for request in requests
        ),
        fee_schedule=FeeSchedule(row.fee_rate, row.fee_minimum, row.fee_cap),
        **{name: getattr(row, name) for name in FACTS},
    )


def uuid_or_none(text: str | None) -> UUID | None:
    """Read an id that came from outside; None if it is none."""
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


class LockedTrade:
    """The facts of one trade while it is locked, and what `repository.save` is to write about it.

    `state` is what counts: the columns of `row` and `requests` that hold facts are those of the database until the
    repository copies the state into them. Columns that are no facts (parked, check_at …) are set on the rows.
    """

    def __init__(self, row: Trade, requests: list[TradeRequest]) -> None:
        """`requests` are all of the trade's, in the order of `seq`."""
        self.row = row
        self.requests = requests
        self.state = self.saved = state_of(row, requests)
        self.blocked = row.hold_cash if self.state.side is Side.BUY else Decimal(row.hold_shares)
        """What the trade holds: cash of a BUY, shares of a SELL. Changed by `settlement.posting` alone."""
        self.revision, self.updated_at = row.revision, row.updated_at
        self.events: list[TradeEvent] = []
        self.executions: list[Execution] = []
        self.reports: list[ExchangeReport] = []
        self.reasons: dict[UUID, Reason] = {}
        """Why a request was refused, for those that were."""
        self.urgent: set[UUID] = set()
        """Requests whose next step is due now, if it is their turn: what they waited for is decided."""
        self.loaded = {model.pk: dict(model.__dict__) for model in (row, *requests)}
        """The columns of each row as they were read; a request that is not among them is new."""
        self._by_id = {request.pk: request for request in requests}

    def request(self, request_id: UUID | str | None) -> TradeRequest | None:
        """Return the row of a request, by its id as we have it or as the exchange wrote it; None if it is not ours."""
        known = uuid_or_none(request_id) if isinstance(request_id, str) else request_id
        return self._by_id.get(known) if known else None

    def facts(self, request: TradeRequest) -> Request:
        """Return the facts of a request as they are now; its row has those of the database."""
        return self.state.requests[request.seq - 1]

    def add_request(self, request: TradeRequest, *, at: datetime) -> None:
        """Put a new instruction at the end of the trade's chain."""
        facts = Request(
            id=str(request.pk),
            seq=request.seq,
            kind=Kind(request.kind),
            quantity=request.quantity,
            price=request.price,
        )
        self.requests.append(request)
        self._by_id[request.pk] = request
        self.saved = replace(self.saved, requests=(*self.saved.requests, facts))
        self.apply(lifecycle.RequestAdded(facts), at=at, request=request)

    def apply(
        self,
        event: Event,
        *,
        at: datetime,
        request: TradeRequest | None = None,
        data: dict[str, Any] | None = None,
        reason: Reason | None = None,
    ) -> int:
        """Let `event` happen: change the facts, and enter it in the timeline with what was odd about it.

        Returns the revision of its entry; anomalies follow with entries of their own. `reason` is why `request` was
        refused, and the trade with it if that ends it.
        """
        self.state, anomalies = lifecycle.apply(self.state, event)
        if reason and request:
            self.reasons.setdefault(request.pk, reason)
        if reason and self.state.rejected and self.row.reason is None:
            self.row.reason = reason.as_json()
        revision = self.record(TIMELINE[type(event)].format(event), at=at, request=request, data=data)
        for anomaly in anomalies:
            self.record("ANOMALY", at=at, request=request, data={"code": anomaly.code, **anomaly.details})
        return revision

    def record(
        self, kind: str, *, at: datetime, request: TradeRequest | None = None, data: dict[str, Any] | None = None
    ) -> int:
        """Enter something in the timeline that changes no fact. Returns the revision that it brought about.

        The clock may have been read before the lock was had: no entry is earlier than the one before it.
        """
        self.revision += 1
        self.updated_at = max(at, self.updated_at)
        self.events.append(
            TradeEvent(
                trade_id=self.row.pk,
                seq=self.revision,
                kind=kind,
                request_id=request.pk if request else None,
                status=lifecycle.status(self.state),
                data=data or {},
                at=self.updated_at,
            )
        )
        return self.revision
