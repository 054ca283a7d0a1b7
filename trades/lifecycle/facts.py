"""The facts of a trade, and the events that change them."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from brokerage.money import ZERO


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """A share of the value, but at least `minimum`, and at most `cap` (None: no limit).

    It is charged on the whole trade and not on each of its fills: at a fill the difference of two totals falls due. So
    however a trade is cut into fills, busts and corrections, it costs the same.
    """

    rate: Decimal = ZERO
    """0.001 is a tenth of a per cent; never more than 1."""
    minimum: Decimal = ZERO
    cap: Decimal | None = None


FREE = FeeSchedule()


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"


class TimeInForce(StrEnum):
    DAY = "DAY"
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class Kind(StrEnum):
    NEW = "NEW"
    AMEND = "AMEND"
    CANCEL = "CANCEL"


class Stage(StrEnum):
    """How far a request has come. It is the pipeline's program counter. From BOOKED on it may already be outside."""

    RECEIVED = "RECEIVED"
    VALIDATED = "VALIDATED"
    BOOKED = "BOOKED"
    SENT = "SENT"


class Outcome(StrEnum):
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    CANCELED = "CANCELED"


class Status(StrEnum):
    RECEIVED = "RECEIVED"
    VALIDATED = "VALIDATED"
    BOOKED = "BOOKED"
    PENDING_NEW = "PENDING_NEW"
    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    PENDING_REPLACE = "PENDING_REPLACE"
    PENDING_CANCEL = "PENDING_CANCEL"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"
    DONE_FOR_DAY = "DONE_FOR_DAY"
    SUSPENDED = "SUSPENDED"


class Reported(StrEnum):
    """What a report of the exchange says happened."""

    PENDING_NEW = "PENDING_NEW"
    NEW = "NEW"
    REJECTED = "REJECTED"
    FILL = "FILL"
    CORRECTED = "CORRECTED"
    BUSTED = "BUSTED"
    PENDING_REPLACE = "PENDING_REPLACE"
    REPLACED = "REPLACED"
    PENDING_CANCEL = "PENDING_CANCEL"
    CANCELED = "CANCELED"
    CANCEL_REJECTED = "CANCEL_REJECTED"
    EXPIRED = "EXPIRED"
    DONE_FOR_DAY = "DONE_FOR_DAY"
    SUSPENDED = "SUSPENDED"
    RESTATED = "RESTATED"
    STATUS = "STATUS"
    """RequestAdded about the order, the exchange named the newest request that it has. Nothing else follows from it."""


@dataclass(frozen=True, slots=True)
class Request:
    """One instruction of the client about a trade. Its id is the ClOrdID; `seq` its place in the chain, from 1."""

    id: str
    seq: int
    kind: Kind
    quantity: int
    price: Decimal
    stage: Stage = Stage.RECEIVED
    outcome: Outcome | None = None
    pending: bool = False
    """The exchange has said that it is working on it."""

    @property
    def outstanding(self) -> bool:
        """It may be at the exchange, and has no answer."""
        return self.outcome is None and self.stage in (Stage.BOOKED, Stage.SENT)


@dataclass(frozen=True, slots=True)
class State:
    """The facts of a trade. `quantity` and `price` are the live terms; `terms_seq` is the request they came from."""

    side: Side
    time_in_force: TimeInForce
    quantity: int
    price: Decimal
    requests: tuple[Request, ...]
    fee_schedule: FeeSchedule = FREE
    """Frozen when the trade was accepted."""
    terms_seq: int = 1
    terms_quantity: int | None = None
    """The exchange's own quantity, where it was no more than what was filled: then `quantity` is what is filled, but
    not less than this."""
    quantity_restated_seq: int = 0
    """The newest request that there was when the exchange last restated the quantity; 0 if it never did."""
    price_restated_seq: int = 0
    """The same of the price."""
    filled_quantity: int = 0
    filled_value: Decimal = ZERO
    """The money that moved: each execution's value, rounded to the currency's scale."""
    filled_notional: Decimal = ZERO
    """The sum of quantity times price over the executions, exactly: what the average price is made of."""
    acked: bool = False
    rejected: bool = False
    cancelled: bool = False
    expired: bool = False
    done_for_day: bool = False
    suspended: bool = False
    declared_at: datetime | None = None
    """The exchange's time of the newest DONE_FOR_DAY, SUSPENDED or RESTATED that was applied."""

    @property
    def new(self) -> Request:
        return self.requests[0]

    def request(self, request_id: str | None) -> Request | None:
        return next((request for request in self.requests if request.id == request_id), None)


@dataclass(frozen=True, slots=True)
class RequestAdded:
    """The client asked for something: a request enters the chain."""

    request: Request


@dataclass(frozen=True, slots=True)
class StageCompleted:
    """The pipeline finished a step of a request."""

    request_id: str
    stage: Stage


@dataclass(frozen=True, slots=True)
class Denied:
    """The broker refused a request before it was sent."""

    request_id: str


@dataclass(frozen=True, slots=True)
class CancelledLocally:
    """The CANCEL `request_id` met a NEW that never was at the exchange: the trade ends here and now."""

    request_id: str


@dataclass(frozen=True, slots=True)
class AmendDropped:
    """The AMEND `request_id`, which never was at the exchange, is given up for a CANCEL behind it: it ends alone."""

    request_id: str


@dataclass(frozen=True, slots=True)
class NotReceived:
    """RequestAdded about the order, the exchange said that it has not got this request: it is still to be sent."""

    request_id: str


@dataclass(frozen=True, slots=True)
class Executed:
    """Shares and price of one version of an execution."""

    quantity: int = 0
    price: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Report:
    """What the exchange says. `request_id` is the request it names, if it names one of this trade.

    `quantity` and `price` are new terms (REPLACED, RESTATED) or what was executed (FILL, CORRECTED). `replaces` is the
    version of the execution that does not count any more (CORRECTED, BUSTED).
    """

    kind: Reported
    request_id: str | None = None
    quantity: int | None = None
    price: Decimal | None = None
    at: datetime | None = None
    replaces: Executed = Executed()


Event = RequestAdded | StageCompleted | Denied | CancelledLocally | AmendDropped | NotReceived | Report


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something that should not have happened, but did. Recorded with its numbers, never an exception."""

    code: str
    details: dict[str, Any] = field(default_factory=dict)
