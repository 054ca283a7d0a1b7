"""Why something was refused: a closed list of codes, each with its sentence and its numbers.

A refusal that the business expects is a value, not an exception: it is stored on the trade or the request and shown.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Code(StrEnum):
    # Decided by the broker, in the order in which they are looked at.
    TRADER_SUSPENDED = "TRADER_SUSPENDED"
    UNKNOWN_SYMBOL = "UNKNOWN_SYMBOL"
    SYMBOL_HALTED = "SYMBOL_HALTED"
    MARKET_CLOSED = "MARKET_CLOSED"
    BAD_LOT = "BAD_LOT"
    BAD_TICK = "BAD_TICK"
    QUANTITY_LIMIT = "QUANTITY_LIMIT"
    VALUE_LIMIT = "VALUE_LIMIT"
    PRICE_OUT_OF_BAND = "PRICE_OUT_OF_BAND"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    INSUFFICIENT_SHARES = "INSUFFICIENT_SHARES"
    # Decided by the exchange, or by what it told us before.
    EXCHANGE_REJECTED = "EXCHANGE_REJECTED"
    TOO_LATE = "TOO_LATE"
    # Answered at once, as an error of the call.
    TRADE_FINISHED = "TRADE_FINISHED"
    NOTHING_TO_CHANGE = "NOTHING_TO_CHANGE"
    TOO_MANY_CHANGES = "TOO_MANY_CHANGES"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    # A request that waits for a person: a step failed on it again and again, or the exchange says nothing about it.
    STEP_FAILED = "STEP_FAILED"
    PARKED_BY_STAFF = "PARKED_BY_STAFF"
    UNCONFIRMED = "UNCONFIRMED"
    # A trade that waits for a person: the exchange says something else than what is written here.
    CUM_QTY_DIFFERS = "CUM_QTY_DIFFERS"
    ORDER_NOT_KNOWN = "ORDER_NOT_KNOWN"


@dataclass(frozen=True, slots=True)
class Reason:
    code: Code
    message: str
    details: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {"code": str(self.code), "message": self.message, "details": self.details}


def combine(reasons: list[Reason]) -> Reason:
    """The first reason that applies, with the codes of the others in `details.also`."""
    first, *others = reasons
    if not others:
        return first
    return Reason(first.code, first.message, {**first.details, "also": [str(other.code) for other in others]})
