"""What the exchange answers: FIX execution reports in JSON, made of the order's own message and nothing of ours."""

import json
from datetime import UTC, datetime

NEW, REPLACED, TRADE = "0", "5", "F"
"""ExecType (150)."""

_FILLED = "2"  # OrdStatus (39)


def report(order: dict[str, str], exec_type: str, exec_id: str) -> bytes:
    """Report on an order, or on the amendment that now is the order. A trade fills all of it, at its price."""
    now = datetime.now(UTC)
    done = exec_type == TRADE
    body = {
        "ExecID": exec_id,
        "ExecType": exec_type,
        "OrdStatus": _FILLED if done else NEW,
        "OrderID": f"X{order['SecondaryClOrdID']}",
        **{name: order[name] for name in ("ClOrdID", "SecondaryClOrdID", "Symbol", "Side", "OrderQty", "Price")},
        "CumQty": order["OrderQty"] if done else "0",
        "LeavesQty": "0" if done else order["OrderQty"],
        "TransactTime": f"{now:%Y%m%d-%H:%M:%S.%f}",
    }
    if exec_type == REPLACED:
        body["OrigClOrdID"] = order["OrigClOrdID"]
    if done:
        body |= {"LastQty": order["OrderQty"], "LastPx": order["Price"]}
    header = {
        "MsgType": "8",
        "SenderCompID": "EXCHANGE",
        "TargetCompID": "BROKER",
        "SendingTime": f"{now:%Y%m%d-%H:%M:%S}.{now.microsecond // 1000:03}",
    }
    return json.dumps({"Header": header, "Body": body}).encode()
