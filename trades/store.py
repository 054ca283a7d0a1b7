"""Trades opened for change: the one place that reads their facts under the lock and writes what became of them.

    with transaction.atomic(durable=True):
        dockets = store.open_dockets(trade_ids)
        docket.apply(lifecycle event, …)
        store.write(dockets)

A constant number of statements, however many trades.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from brokerage.db import fetch_many, insert_many, lock_many, transaction_required, update_many
from brokerage.reasons import Code, Reason
from trades import lifecycle
from trades.lifecycle import Outcome, Side, Stage, State
from trades.models import ExchangeReport, Execution, Trade, TradeEvent, TradeRequest

_FACTS = (
    "quantity",
    "price",
    "terms_seq",
    "filled_quantity",
    "filled_value",
    "acked",
    "rejected",
    "cancelled",
    "expired",
    "done_for_day",
    "suspended",
    "declared_at",
)
_TRADE_COLUMNS = (*_FACTS, "reason", "status", "hold_cash", "hold_shares", "revision", "updated_at")
_REQUEST_COLUMNS = ("stage", "outcome", "pending", "reason", "parked", "message", "tries", "sent_at")

TOO_LATE = Reason(Code.TOO_LATE, "The trade was over before this could be done.")


def state_of(trade: Trade, requests: Iterable[TradeRequest]) -> State:
    """Return the facts of a trade as the reducer takes them; `requests` in the order of `seq`."""
    return State(
        side=Side(trade.side),
        time_in_force=lifecycle.TimeInForce(trade.time_in_force),
        requests=tuple(
            lifecycle.Request(
                id=str(request.pk),
                seq=request.seq,
                kind=lifecycle.Kind(request.kind),
                quantity=request.quantity,
                price=request.price,
                stage=Stage(request.stage),
                outcome=Outcome(request.outcome) if request.outcome else None,
                pending=request.pending,
            )
            for request in requests
        ),
        **{name: getattr(trade, name) for name in _FACTS},
    )


def next_due(requests: Iterable[TradeRequest]) -> TradeRequest | None:
    """Return the request of a trade that has the next step: the first unfinished one; `requests` in order of `seq`.

    Behind a parked one only a CANCEL goes on: an amendment that overtook its order would be refused by the exchange.
    """
    behind_parked = False
    for row in requests:
        if not _unfinished(row):
            behind_parked = behind_parked or (row.parked is not None and row.outcome is None)
        elif not behind_parked or row.kind == lifecycle.Kind.CANCEL:
            return row
    return None


class Docket:
    """One trade with its requests, opened for change under its lock. Written by `write` in the same transaction."""

    def __init__(self, trade: Trade, requests: list[TradeRequest]) -> None:
        self.trade = trade
        self.requests = requests
        self.state = state_of(trade, requests)
        self.events: list[TradeEvent] = []
        self.executions: list[Execution] = []
        self.reports: list[ExchangeReport] = []
        self._touched: set[UUID] = set()

    def row(self, request_id: UUID | str) -> TradeRequest | None:
        """The request's row, if it is one of this trade's."""
        return next((row for row in self.requests if str(row.pk) == str(request_id)), None)

    def hold_change(self) -> Decimal:
        """By how much what is blocked must change to fit the facts as they are now."""
        return lifecycle.hold(self.state) - self.held

    @property
    def held(self) -> Decimal:
        """What the trade keeps blocked: money for a BUY, shares for a SELL."""
        return self.trade.hold_cash if self.state.side is Side.BUY else Decimal(self.trade.hold_shares)

    def apply(
        self,
        event: lifecycle.Event,
        *,
        kind: str,
        at: datetime,
        request: TradeRequest | None = None,
        data: dict[str, Any] | None = None,
        reason: Reason | None = None,
    ) -> None:
        """Let `event` happen: change the facts and the rows, and enter it in the timeline as `kind`.

        `reason` goes to `request` if the event refused it, and to the trade if it ended the trade without an order.
        Anomalies get an entry of their own.
        """
        self.state, anomalies = lifecycle.apply(self.state, event)
        for facts in self.state.requests:
            self._take_over(facts, reason=reason if request and facts.id == str(request.pk) else None, at=at)
        if self.state.rejected and self.trade.reason is None and reason:
            self.trade.reason = reason.as_json()
        for name in _FACTS:
            setattr(self.trade, name, getattr(self.state, name))
        self.trade.status = str(lifecycle.status(self.state))
        self.note(kind, at=at, request=request, data=data)
        for anomaly in anomalies:
            self.note("ANOMALY", at=at, request=request, data={"code": anomaly.code, **anomaly.details})

    def note(
        self, kind: str, *, at: datetime, request: TradeRequest | None = None, data: dict[str, Any] | None = None
    ) -> None:
        """Enter something in the timeline."""
        self.trade.revision += 1
        self.trade.updated_at = at
        self.events.append(
            TradeEvent(
                trade_id=self.trade.pk,
                seq=self.trade.revision,
                kind=kind,
                request_id=request.pk if request else None,
                status=self.trade.status,
                data=data or {},
                at=at,
            )
        )

    def touch(self, request: TradeRequest) -> None:
        """Say that the request's row was changed beside the facts (message, parked, tries)."""
        self._touched.add(request.pk)

    def record_hold(self) -> None:
        """Take over the hold that the facts ask for, after money or shares were moved to fit."""
        held = lifecycle.hold(self.state)
        if self.state.side is Side.BUY:
            self.trade.hold_cash = held
        else:
            self.trade.hold_shares = int(held)

    @property
    def changed(self) -> bool:
        return bool(self.events or self._touched)

    def changed_requests(self) -> list[TradeRequest]:
        return [row for row in self.requests if row.pk in self._touched]

    def due_changes(self) -> tuple[list[TradeRequest], list[TradeRequest]]:
        """Say whose `due_at` is to be cleared, and who is due next: the first unfinished request of the trade.

        A request that is due already, or leased to a batch, keeps its time.
        """
        first = next_due(self.requests)
        cleared = [row for row in self.requests if row.due_at is not None and row is not first]
        return cleared, [first] if first and first.due_at is None else []

    def _take_over(self, facts: lifecycle.Request, *, reason: Reason | None, at: datetime) -> None:
        row = self.row(facts.id)
        if row is None:
            raise LookupError(f"request {facts.id} has no row in trade {self.trade.pk}")
        now = (str(facts.stage), facts.outcome and str(facts.outcome), facts.pending)
        if now == (row.stage, row.outcome, row.pending):
            return
        if facts.stage is not Stage(row.stage):
            row.tries = 0
            if facts.stage is Stage.SENT:
                row.sent_at = at
        if facts.outcome is Outcome.REJECTED and row.outcome is None:
            row.reason = (reason or TOO_LATE).as_json()
        if facts.outcome is not None or facts.stage is Stage.SENT:
            row.parked = None
        row.stage, row.outcome, row.pending = now
        self._touched.add(row.pk)


@transaction_required
def open_dockets(trade_ids: Collection[UUID]) -> dict[UUID, Docket]:
    """Lock the trades in the order of their ids and return each with its requests. Unknown ids are left out."""
    trades = {trade.pk: trade for trade in lock_many(Trade, trade_ids)}
    requests: dict[UUID, list[TradeRequest]] = {pk: [] for pk in trades}
    for row in fetch_many(TradeRequest, by="trade", values=requests, order=["trade", "seq"]):
        requests[row.trade_id].append(row)
    return {pk: Docket(trade, requests[pk]) for pk, trade in trades.items()}


@transaction_required
def open_claimed(claims: Sequence[tuple[str, int]], *, stage: Stage | None = None) -> list[tuple[Docket, TradeRequest]]:
    """Lock the trades of these requests and return what is still to be done, in the order of `claims`.

    Left out, because somebody else did it, has it now, or took it away: requests at another stage than `stage` (sent,
    if none is given), under another claim, with an outcome, or parked. This guard is what makes a step safe to run any
    number of times.
    """
    wanted = {UUID(request_id): claim for request_id, claim in claims}
    rows = open_rows(wanted)
    work = [rows[request_id] for request_id in wanted if request_id in rows]
    return [(docket, row) for docket, row in work if row.claim == wanted[row.pk] and _unfinished(row, stage)]


@transaction_required
def open_rows(request_ids: Collection[UUID]) -> dict[UUID, tuple[Docket, TradeRequest]]:
    """Lock the trades of these requests and return each request with its trade's docket."""
    trade_ids = TradeRequest.objects.filter(pk__in=request_ids).values_list("trade_id", flat=True)
    dockets = open_dockets(set(trade_ids))
    rows = ((docket, row) for docket in dockets.values() for row in docket.requests)
    return {row.pk: (docket, row) for docket, row in rows if row.pk in request_ids}


def _unfinished(row: TradeRequest, stage: Stage | None = None) -> bool:
    waits = row.stage != Stage.SENT if stage is None else row.stage == stage
    return waits and row.outcome is None and row.parked is None


@transaction_required
def write(dockets: Iterable[Docket], *, at: datetime) -> None:
    """Write every changed docket: trades, requests, what is due next, timeline, executions, reports."""
    changed = [docket for docket in dockets if docket.changed]
    if not changed:
        return
    update_many(
        Trade,
        key=["id"],
        columns=_TRADE_COLUMNS,
        rows=[(d.trade.pk, *(getattr(d.trade, name) for name in _TRADE_COLUMNS)) for d in changed],
    )
    due = [docket.due_changes() for docket in changed]
    # A row may not be finished and due at once, not even for one statement: clear first, set last.
    _set_due([row for cleared, _ in due for row in cleared], None)
    update_many(
        TradeRequest,
        key=["id"],
        columns=_REQUEST_COLUMNS,
        rows=[
            (row.pk, *(getattr(row, name) for name in _REQUEST_COLUMNS))
            for docket in changed
            for row in docket.changed_requests()
        ],
    )
    _set_due([row for _, following in due for row in following], at)
    insert_many([report for docket in changed for report in docket.reports])
    insert_many([execution for docket in changed for execution in docket.executions])
    insert_many([event for docket in changed for event in docket.events])


def _set_due(rows: Sequence[TradeRequest], due_at: datetime | None) -> None:
    update_many(TradeRequest, key=["id"], columns=["due_at"], rows=[(row.pk, due_at) for row in rows])


def park(docket: Docket, request: TradeRequest, reason: Reason, *, at: datetime) -> None:
    """Take a request out of the pipeline until a person looks at it. Its stage and its hold stay."""
    request.parked = {"since": at.isoformat(), "code": str(reason.code), "message": reason.message}
    docket.touch(request)
    docket.note("PARKED", at=at, request=request, data=request.parked)


def unpark(docket: Docket, request: TradeRequest, *, at: datetime) -> None:
    """Put a parked request back into the pipeline; its tries count from nothing again."""
    request.parked, request.tries = None, 0
    docket.touch(request)
    docket.note("UNPARKED", at=at, request=request)
