"""What the exchange executed and what it costs, worked out without the system: the other side, to compare with."""

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from exchange.fix.codes import ExecType
from exchange.fix.messages import ExecutionReport

REVISIONS = (ExecType.TRADE_CORRECT, ExecType.TRADE_CANCEL)


@dataclass(frozen=True)
class Terms:
    """What a fee schedule says."""

    rate: Decimal
    minimum: Decimal
    cap: Decimal | None

    def due(self, worth: Decimal, *, sold: bool) -> Decimal:
        """Worked out afresh, without the reducer."""
        if not worth:
            return Decimal(0)
        due = max(self.minimum, round(self.rate * worth, 2))
        due = due if self.cap is None else min(self.cap, due)
        return min(due, worth) if sold else due


NO_FEES = Terms(Decimal(0), Decimal(0), None)


@dataclass(frozen=True)
class Lot:
    """An execution of a trade as it counts now; no shares if it was taken back."""

    trade: str
    quantity: int
    price: Decimal


class Journal:
    """The executions of which the broker heard, after all that corrected them or took them back."""

    def __init__(self) -> None:
        self._heard: set[str] = set()
        self._first: dict[str, str] = {}
        """By the ExecID of each version: that of the execution it is a version of."""
        self._lots: dict[str, Lot] = {}
        self._waiting: dict[tuple[str, str], list[ExecutionReport]] = defaultdict(list)

    def hear(self, report: ExecutionReport) -> None:
        """Take in a report as it arrives. What is known does nothing; what revises something unknown waits for it."""
        if report.exec_id in self._heard or report.exec_type not in (ExecType.TRADE, *REVISIONS):
            return
        revised = self._first.get(report.exec_ref_id) if report.exec_type in REVISIONS else report.exec_id
        if revised in self._lots and self._lots[revised].trade != report.trade_ref:
            return
        self._heard.add(report.exec_id)
        if revised is None:
            self._waiting[report.trade_ref, report.exec_ref_id].append(report)
        else:
            self._enter(report, revised)

    def _enter(self, report: ExecutionReport, first: str) -> None:
        bust = report.exec_type is ExecType.TRADE_CANCEL
        if bust and not self._lots[first].quantity:
            return
        self._first[report.exec_id] = first
        self._lots[first] = Lot(report.trade_ref, *((0, Decimal(0)) if bust else (report.last_qty, report.last_px)))
        for waiting in self._waiting.pop((report.trade_ref, report.exec_id), []):
            self._enter(waiting, first)

    def filled(self, trade: UUID) -> int:
        return sum(lot.quantity for lot in self._of(trade))

    def worth(self, trade: UUID) -> Decimal:
        return sum((lot.quantity * lot.price for lot in self._of(trade)), Decimal(0))

    def _of(self, trade: UUID) -> list[Lot]:
        return [lot for lot in self._lots.values() if lot.trade == str(trade)]
