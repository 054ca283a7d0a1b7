"""The script of `make demo`, as data: who does what, and the state every trade it touches must then have.

At the start alice has 100000.00 in cash, bob has 1000 shares each of INFY, TCS and RELIANCE, carol has nothing. The
simulator matches them with each other: nobody else trades.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Expected:
    """The state a trade must have. Average prices have four decimals; a refusal has the code of its reason."""

    status: str
    filled: int = 0
    average: str | None = None
    reason: str | None = None

    @classmethod
    def of(cls, trade: Mapping[str, Any]) -> Expected:
        """Return the state of a trade that the API returned."""
        reason = trade["reason"]
        return cls(
            trade["status"], trade["filled_quantity"], trade["average_price"], reason["code"] if reason else None
        )

    def __str__(self) -> str:
        parts = [self.status, f"{self.filled} filled"]
        if self.average is not None:
            parts.append(f"at {self.average} on average")
        if self.reason is not None:
            parts.append(f"because of {self.reason}")
        return ", ".join(parts)


@dataclass(frozen=True)
class Step:
    """One action of a trader; `then` has the state that trades, by their names in this script, must have after it."""

    who: str
    trade: str
    then: Mapping[str, Expected]
    place: Mapping[str, Any] | None = None
    amend: Mapping[str, Any] | None = None
    cancel: bool = False


@dataclass(frozen=True)
class Balance:
    """The cash and shares a trader must own in the end, each with the part that a working trade blocks."""

    balance: str
    blocked: str
    shares: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def buy(quantity: int, symbol: str, price: str) -> dict[str, Any]:
    """Return the body of a buy."""
    return {"symbol": symbol, "side": "BUY", "quantity": quantity, "price": price}


def sell(quantity: int, symbol: str, price: str) -> dict[str, Any]:
    """Return the body of a sell."""
    return {"symbol": symbol, "side": "SELL", "quantity": quantity, "price": price}


def refused(who: str, trade: str, body: Mapping[str, Any], code: str) -> Step:
    """Return a step whose trade the brokerage refuses."""
    return Step(who, trade, {trade: Expected("REJECTED", reason=code)}, place=body)


SCRIPT = (
    # An offer waits; a buyer who would pay more gets its price, in part of it.
    Step("bob", "offer", {"offer": Expected("NEW")}, place=sell(20, "INFY", "1500.00")),
    Step(
        "alice",
        "improved",
        {"improved": Expected("FILLED", 10, "1500.0000"), "offer": Expected("PARTIALLY_FILLED", 10, "1500.0000")},
        place=buy(10, "INFY", "1510.00"),
    ),
    # A buy that finds too few shares keeps waiting for the rest.
    Step("bob", "four", {"four": Expected("NEW")}, place=sell(4, "TCS", "3500.00")),
    Step(
        "alice",
        "partial",
        {"partial": Expected("PARTIALLY_FILLED", 4, "3500.0000"), "four": Expected("FILLED", 4, "3500.0000")},
        place=buy(10, "TCS", "3500.00"),
    ),
    # Amended to fewer shares at a better price; a seller who would take less gets that price.
    Step(
        "alice",
        "partial",
        {"partial": Expected("PARTIALLY_FILLED", 4, "3500.0000")},
        amend={"quantity": 6, "price": "3510.00"},
    ),
    Step(
        "bob",
        "two",
        {"two": Expected("FILLED", 2, "3510.0000"), "partial": Expected("FILLED", 6, "3503.3333")},
        place=sell(2, "TCS", "3500.00"),
    ),
    # Second thoughts: before anything was filled, and after a part was.
    Step("alice", "regretted", {"regretted": Expected("NEW")}, place=buy(5, "RELIANCE", "2400.00")),
    Step("alice", "regretted", {"regretted": Expected("CANCELED")}, cancel=True),
    Step(
        "alice",
        "more",
        {"more": Expected("FILLED", 4, "1500.0000"), "offer": Expected("PARTIALLY_FILLED", 14, "1500.0000")},
        place=buy(4, "INFY", "1500.00"),
    ),
    Step("bob", "offer", {"offer": Expected("CANCELED", 14, "1500.0000")}, cancel=True),
    # What the brokerage does not send to the exchange.
    refused("alice", "too-dear", buy(100, "TCS", "3500.00"), "INSUFFICIENT_FUNDS"),
    refused("bob", "too-many", sell(1001, "RELIANCE", "2500.00"), "INSUFFICIENT_SHARES"),
    refused("carol", "no-cash", buy(1, "TEST", "100.00"), "INSUFFICIENT_FUNDS"),
    refused("alice", "off-tick", buy(1, "INFY", "1500.03"), "BAD_TICK"),
    refused("alice", "halted", buy(1, "HALTED", "100.00"), "SYMBOL_HALTED"),
    # Still waiting in the end: its money stays blocked.
    Step("alice", "waiting", {"waiting": Expected("NEW")}, place=buy(2, "HDFCBANK", "1590.00")),
)

FINAL_BALANCES = {
    "alice": Balance("57980.00", "3180.00", {"INFY": (14, 0), "TCS": (6, 0)}),
    "bob": Balance("42020.00", "0.00", {"INFY": (986, 0), "TCS": (994, 0), "RELIANCE": (1000, 0)}),
    "carol": Balance("0.00", "0.00"),
}
