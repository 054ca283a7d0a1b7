"""Reasons of refusals: a closed list of codes, each given with a message and its numbers.

A refusal that the business expects is a value, not an exception: it is stored on the trade or the request.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Code(StrEnum):
    """Codes of reasons. Clients rely on them: none is ever renamed."""

    # Decided by the broker, in the order of its checks.
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
    # Decided by the exchange, or by what it reported before.
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
    """Why a request was refused or parked: `message` for people, `details` the numbers behind it."""

    code: Code
    message: str
    details: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the reason as clients and the database have it."""
        return {"code": str(self.code), "message": self.message, "details": self.details}


def combine_reasons(reasons: list[Reason]) -> Reason:
    """Return the first reason, with the codes of the others in `details.also`."""
    first, *others = reasons
    if not others:
        return first
    return Reason(first.code, first.message, {**first.details, "also": [str(other.code) for other in others]})
