"""Examples of the OpenAPI document: a buy that is partly filled and being amended, and one that was refused."""

from typing import Any

from holdings.api.schema import ENTRY as HOLDING_ENTRY
from wallets.api.schema import ENTRY as WALLET_ENTRY

ORDER = {"symbol": "INFY", "side": "BUY", "quantity": 10, "price": "1510.00"}
NAMED_ORDER = ORDER | {"time_in_force": "DAY", "client_reference": "my-order-1"}

_NEW: dict[str, Any] = {
    "request_id": "01a2053d-f21f-7437-8052-da9b7ca8d3dd",
    "seq": 1,
    "kind": "NEW",
    "quantity": 10,
    "price": "1510.00",
    "stage": "RECEIVED",
    "outcome": None,
    "parked": None,
    "reason": None,
    "channel": "MOBILE",
    "placed_by": "alice",
    "created_at": "2026-11-22T21:51:15.487389Z",
}
_AMEND = _NEW | {
    "request_id": "01a2053d-f26e-722d-a0aa-29c9e4313942",
    "seq": 2,
    "kind": "AMEND",
    "price": "1515.00",
    "channel": "API",
    "created_at": "2026-11-22T21:51:15.566467Z",
}
ACCEPTED: dict[str, Any] = {
    "trade_id": "01a2053d-f221-72aa-9ff9-de0acd6111f1",
    "reference": "PW67-YW51",
    "trader_id": 1001,
    "symbol": "INFY",
    "side": "BUY",
    "quantity": 10,
    "price": "1510.00",
    "time_in_force": "DAY",
    "status": "RECEIVED",
    "filled_quantity": 0,
    "leaves_quantity": 10,
    "average_price": None,
    "fees": "0.00",
    "reserved": {"cash": "0.00", "shares": 0},
    "revision": 1,
    "channel": "MOBILE",
    "client_reference": "my-order-1",
    "unconfirmed_since": None,
    "reason": None,
    "requests": [_NEW],
    "created_at": "2026-11-22T21:51:15.487389Z",
    "updated_at": "2026-11-22T21:51:15.487389Z",
}
AMENDED = ACCEPTED | {
    "status": "PARTIALLY_FILLED",
    "filled_quantity": 4,
    "leaves_quantity": 6,
    "average_price": "1508.5000",
    "reserved": {"cash": "9060.00", "shares": 0},
    "revision": 7,
    "requests": [_NEW | {"stage": "SENT", "outcome": "ACCEPTED"}, _AMEND],
    "updated_at": "2026-11-22T21:51:15.566467Z",
}
CANCELED = ACCEPTED | {
    "status": "CANCELED",
    "leaves_quantity": 0,
    "revision": 3,
    "requests": [
        _NEW | {"outcome": "CANCELED"},
        _AMEND | {"kind": "CANCEL", "price": "1510.00", "outcome": "ACCEPTED"},
    ],
    "updated_at": "2026-11-22T21:51:15.566467Z",
}
_REASON = {
    "code": "INSUFFICIENT_FUNDS",
    "message": "Needs 1510000.00, but only 84906.00 is available.",
    "details": {"needed": "1510000.00", "available": "84906.00", "short": "1425094.00"},
}
REJECTED = ACCEPTED | {
    "quantity": 1000,
    "status": "REJECTED",
    "leaves_quantity": 0,
    "revision": 2,
    "reason": _REASON,
    "requests": [_NEW | {"quantity": 1000, "outcome": "REJECTED", "reason": _REASON}],
    "updated_at": "2026-11-22T21:51:15.628162Z",
}
PAGE = {"results": [AMENDED], "next": None, "previous": None}

_REQUEST_OF_EVENT = {name: _NEW[name] for name in ("request_id", "seq", "kind", "channel", "placed_by")}
TIMELINE = {
    "trade_id": ACCEPTED["trade_id"],
    "reference": ACCEPTED["reference"],
    "results": [
        {
            "revision": 5,
            "at": "2026-11-22T21:51:15.529534Z",
            "kind": "EXCHANGE_NEW",
            "status": "NEW",
            "text": "The exchange accepted the order.",
            "request": _REQUEST_OF_EVENT,
            "seconds": 0.007937,
            "data": {"exec_id": "E1"},
            "cash": [],
            "shares": [],
        },
        {
            "revision": 6,
            "at": "2026-11-22T21:51:15.541063Z",
            "kind": "EXCHANGE_FILL",
            "status": "PARTIALLY_FILLED",
            "text": "Executed: bought 4 at 1,508.50.",
            "request": _REQUEST_OF_EVENT,
            "seconds": 0.011529,
            "data": {"exec_id": "E2", "quantity": 4, "price": "1508.50"},
            "cash": [WALLET_ENTRY],
            "shares": [HOLDING_ENTRY],
        },
    ],
    "next": None,
}
