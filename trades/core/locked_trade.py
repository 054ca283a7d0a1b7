"""One trade with its requests, opened for change: what happens to it, and what has to be written afterwards."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from brokerage.reasons import Code, Reason, combine
from trades import lifecycle
from trades.core import schedule
from trades.core.facts import FACTS, state_of
from trades.lifecycle import Kind, Outcome, Side, Stage
from trades.models import ExchangeReport, Execution, Trade, TradeEvent, TradeRequest


@dataclass(frozen=True, slots=True)
class Progress:
    """A request came to a stage, or got its outcome; `since` is when it had come to the stage before."""

    request: TradeRequest
    stage: Stage | None
    outcome: Outcome | None
    since: datetime
    at: datetime


TOO_LATE = Reason(Code.TOO_LATE, "The trade was over before this could be done.")


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
        self._hurried: set[UUID] = set()
        self._replanned = False

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
        was_filled, was_open = self.is_filled, schedule.is_open_outside(self.state)
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
        self._plan_sweep(was_open, at=at)
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
        """Take a request out of the pipeline until a person looks at it. Its stage and its hold stay.

        One that may be outside is asked about, too.
        """
        request.parked = {"since": at.isoformat(), "code": str(reason.code), "message": reason.message}
        if request.stage == Stage.BOOKED:
            request.check_at = schedule.nobody_sends_from(request)
        self.touch(request)
        self.note("PARKED", at=at, request=request, data=request.parked)
        self.make_way(at=at)

    def unpark(self, request: TradeRequest, *, at: datetime) -> None:
        """Put a parked request back to work; its tries count from nothing again, and so do askings about it."""
        request.parked, request.attempts, request.checks = None, 0, 0
        request.check_at = at if request.stage == Stage.SENT else None
        self.touch(request)
        self.note("UNPARKED", at=at, request=request)

    def make_way(self, *, at: datetime) -> None:
        """A CANCEL does not wait behind a parked AMEND that was never sent: that one ends alone."""
        for number, row in enumerate(self.requests):
            never_sent = row.stage in (Stage.RECEIVED, Stage.VALIDATED)
            if row.kind == Kind.AMEND and never_sent and schedule.is_held_up(row) and self._cancel_behind(number):
                self.apply(lifecycle.Abandoned(str(row.pk)), kind="ABANDONED", at=at, request=row)

    def _cancel_behind(self, number: int) -> bool:
        return any(row.kind == Kind.CANCEL and row.outcome is None for row in self.requests[number + 1 :])

    def hurry(self, request: TradeRequest) -> None:
        """Make a request due now, if its turn has come: what it waited for is decided."""
        self._hurried.add(request.pk)
        self.touch(request)

    def ask_soon(self, wait: timedelta, *, at: datetime) -> None:
        """Have the exchange asked about the trade after `wait`, or when it is planned if that is earlier."""
        planned = self.trade.check_at
        self.trade.check_at = at + wait if planned is None else min(planned, at + wait)
        self._replanned = True

    def stop_asking_about(self, request: TradeRequest) -> None:
        """Nothing of a request is outside: until it is sent there is nothing to be learned about it."""
        request.check_at = None
        self.touch(request)

    def stop_asking(self) -> None:
        """Nothing more is to be learned about the trade."""
        self.trade.check_at, self._replanned = None, True

    def _plan_sweep(self, was_open: bool, *, at: datetime) -> None:
        """Open trades are asked about from time to time; one that ends, only if more is to be learned soon."""
        is_open, planned = schedule.is_open_outside(self.state), self.trade.check_at
        if is_open and planned is None:
            self.trade.check_at = at + schedule.sweep()
        elif was_open and not is_open and planned and planned > at + schedule.patience() and not self.trade.recon_break:
            self.trade.check_at = None

    def open_break(self, reason: Reason, *, at: datetime) -> None:
        """Let a person look at the trade: the exchange's word and ours do not agree."""
        self.trade.recon_break = reason.as_json() | {"since": at.isoformat()}
        self.note("ANOMALY", at=at, data={"code": str(reason.code), **reason.details})

    def clear_break(self, *, at: datetime) -> None:
        """Both agree again."""
        self.trade.recon_break = None
        self.note("RECONCILED", at=at)

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
        return bool(self.events or self._touched or self._replanned)

    def changed_requests(self) -> list[TradeRequest]:
        return [row for row in self.requests if row.pk in self._touched]

    def plan_steps(self, *, at: datetime) -> tuple[list[TradeRequest], list[tuple[TradeRequest, datetime]]]:
        """Say whose `due_at` is to be cleared, and who is due next and when: the first unfinished request of the trade.

        A request that is due already, or leased to a batch, keeps its time, unless it is hurried. A CANCEL behind a
        request that may be outside, or not, has to wait until the exchange has said what it knows, but not for ever.
        """
        first = schedule.next_due(self.requests)
        cleared = [row for row in self.requests if row.due_at is not None and row is not first]
        if first is None:
            return cleared, []
        waits_for = schedule.in_doubt(self.requests[: first.seq - 1])
        waited = first.due_at is not None and first.lease == 0 and first.due_at > at
        if not waits_for and (first.due_at is None or waited or first.pk in self._hurried):
            return cleared, [(first, at)]
        if first.due_at is not None:
            return cleared, []
        asked_at = max(at, *(schedule.nobody_sends_from(row) for row in waits_for))
        for row in waits_for:
            row.check_at, row.checks = asked_at, 0
            self.touch(row)
        return cleared, [(first, asked_at + schedule.patience_of_a_cancel())]

    def _take_over(self, facts: lifecycle.Request, *, reason: Reason | None, at: datetime) -> None:
        row = self.row(facts.id)
        if row is None:
            raise LookupError(f"request {facts.id} has no row in trade {self.trade.pk}")
        now = (str(facts.stage), facts.outcome and str(facts.outcome), facts.pending)
        if now == (row.stage, row.outcome, row.pending):
            return
        further = facts.stage is not Stage(row.stage)
        outcome = facts.outcome if row.outcome is None else None
        never_arrived = further and row.stage == Stage.SENT
        if (further and not never_arrived) or outcome:
            stage = facts.stage if further else None
            self.progress.append(Progress(row, stage, outcome, row.reached_at or row.created_at, at))
        if further:
            row.attempts, row.reached_at, row.checks = 0, at, 0
            row.sent_at = at if facts.stage is Stage.SENT else None
            row.check_at = at + schedule.patience() if facts.stage is Stage.SENT else None
        if never_arrived:
            row.unsent_lease = row.lease
        if facts.outcome != row.outcome:
            row.reason = (reason or TOO_LATE).as_json() if facts.outcome is Outcome.REJECTED else None
        if facts.outcome is not None:
            row.check_at = None
        if facts.outcome is not None or facts.stage is Stage.SENT or never_arrived:
            row.parked = None
        row.stage, row.outcome, row.pending = now
        self._touched.add(row.pk)
