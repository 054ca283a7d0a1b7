"""One trade with its requests, opened for change: what happens to it, and what has to be written afterwards."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from brokerage.reasons import Code, Reason, combine
from trades import lifecycle
from trades.lifecycle import FeeSchedule, Outcome, Side, Stage, State
from trades.models import ExchangeReport, Execution, Trade, TradeEvent, TradeRequest

FACTS = (
    "quantity",
    "price",
    "terms_seq",
    "terms_quantity",
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


@dataclass(frozen=True, slots=True)
class Progress:
    """A request came to a stage, or got its outcome; `since` is when it had come to the stage before."""

    request: TradeRequest
    stage: Stage | None
    outcome: Outcome | None
    since: datetime
    at: datetime


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
        fee_schedule=fee_schedule_of(trade),
        **{name: getattr(trade, name) for name in FACTS},
    )


def fee_schedule_of(trade: Trade) -> FeeSchedule:
    """Return the schedule that was frozen on the trade."""
    return FeeSchedule(trade.fee_rate, trade.fee_minimum, trade.fee_cap)


def next_due(requests: Iterable[TradeRequest]) -> TradeRequest | None:
    """Return the request of a trade that has the next step: the first unfinished one; `requests` in order of `seq`.

    Behind a parked one only a CANCEL goes on: an amendment that overtook its order would be refused by the exchange.
    """
    behind_parked = False
    for row in requests:
        if not is_unfinished(row):
            behind_parked = behind_parked or (row.parked is not None and row.outcome is None)
        elif not behind_parked or row.kind == lifecycle.Kind.CANCEL:
            return row
    return None


def is_unfinished(row: TradeRequest, stage: Stage | None = None) -> bool:
    """Tell whether the pipeline still has a step to do for a request; at `stage`, if one is given."""
    waits = row.stage != Stage.SENT if stage is None else row.stage == stage
    return waits and row.outcome is None and row.parked is None


class Docket:
    """One trade with its requests, opened for change under its lock. Written by `write` in the same transaction."""

    def __init__(self, trade: Trade, requests: list[TradeRequest]) -> None:
        self.trade = trade
        self.requests = requests
        self.state = state_of(trade, requests)
        self.events: list[TradeEvent] = []
        self.executions: list[Execution] = []
        self.reports: list[ExchangeReport] = []
        self.progress: list[Progress] = []
        self.filled_at: datetime | None = None
        """When the trade became filled, if it did while it was open for change."""
        self._touched: set[UUID] = set()

    def row(self, request_id: UUID | str) -> TradeRequest | None:
        """The request's row, if it is one of this trade's."""
        return next((row for row in self.requests if str(row.pk) == str(request_id)), None)

    @property
    def next_revision(self) -> int:
        """The revision that the next entry of the timeline will bring about."""
        return self.trade.revision + 1

    def hold_change(self) -> Decimal:
        """By how much what is blocked must change to fit the facts as they are now."""
        return lifecycle.hold(self.state) - self.held

    @property
    def is_filled(self) -> bool:
        return self.state.filled_quantity >= self.state.quantity

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
    ) -> int:
        """Let `event` happen: change the facts and the rows, and enter it in the timeline as `kind`.

        Returns the revision of that entry; anomalies follow with entries of their own. `reason` goes to `request` if
        the event refused it, and to the trade if it ended the trade without an order.
        """
        was_filled = self.is_filled
        self.state, anomalies = lifecycle.apply(self.state, event)
        if was_filled is not self.is_filled:
            self.filled_at = None if was_filled else at
        for facts in self.state.requests:
            self._take_over(facts, reason=reason if request and facts.id == str(request.pk) else None, at=at)
        if self.state.rejected and self.trade.reason is None and reason:
            self.trade.reason = reason.as_json()
        for name in FACTS:
            setattr(self.trade, name, getattr(self.state, name))
        self.trade.status = str(lifecycle.status(self.state))
        revision = self.note(kind, at=at, request=request, data=data)
        for anomaly in anomalies:
            self.note("ANOMALY", at=at, request=request, data={"code": anomaly.code, **anomaly.details})
        return revision

    def note(
        self, kind: str, *, at: datetime, request: TradeRequest | None = None, data: dict[str, Any] | None = None
    ) -> int:
        """Enter something in the timeline; returns the revision that it brought about.

        The clock may have been read before the lock was had: no entry is earlier than the one before it.
        """
        at = max(at, self.trade.updated_at)
        self.trade.revision = self.next_revision
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
        return self.trade.revision

    def refuse(self, request: TradeRequest, reasons: list[Reason], *, at: datetime) -> None:
        """Let the broker refuse a request, with the first of the reasons and the codes of the others."""
        reason = combine(reasons)
        event, data = lifecycle.Refused(str(request.pk)), {"code": str(reason.code)}
        self.apply(event, kind="REFUSED", at=at, request=request, data=data, reason=reason)

    def park(self, request: TradeRequest, reason: Reason, *, at: datetime) -> None:
        """Take a request out of the pipeline until a person looks at it. Its stage and its hold stay."""
        request.parked = {"since": at.isoformat(), "code": str(reason.code), "message": reason.message}
        self.touch(request)
        self.note("PARKED", at=at, request=request, data=request.parked)

    def unpark(self, request: TradeRequest, *, at: datetime) -> None:
        """Put a parked request back into the pipeline; its tries count from nothing again."""
        request.parked, request.tries = None, 0
        self.touch(request)
        self.note("UNPARKED", at=at, request=request)

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
        further = facts.stage is not Stage(row.stage)
        outcome = facts.outcome if row.outcome is None else None
        if further or outcome:
            stage = facts.stage if further else None
            self.progress.append(Progress(row, stage, outcome, row.reached_at or row.created_at, at))
        if further:
            row.tries, row.reached_at = 0, at
            if facts.stage is Stage.SENT:
                row.sent_at = at
        if facts.outcome != row.outcome:
            row.reason = (reason or TOO_LATE).as_json() if facts.outcome is Outcome.REJECTED else None
        if facts.outcome is not None or facts.stage is Stage.SENT:
            row.parked = None
        row.stage, row.outcome, row.pending = now
        self._touched.add(row.pk)
