"""The messages between broker and exchange, FIX 5.0 SP2 in JSON: bodies to send, and reports strictly parsed.

Pure Python. `exchange.fix.codes` has the codes of their fields, `exchange.fix.wire` is how they travel.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar, TypedDict, Unpack

from brokerage.money import plain
from exchange.fix.codes import SIDE_NAMES, ExecType, MsgType, OrdType, Side, TimeInForce
from exchange.fix.wire import (
    Envelope,
    MalformedMessage,
    decode,
    encode,
    identifier,
    price,
    quantity,
    required,
    timestamp,
    utc_time,
    whole,
)

__all__ = [
    "CancelReject",
    "ExecutionReport",
    "MalformedMessage",
    "Terms",
    "encode",
    "new_order_single",
    "order_cancel_replace_request",
    "order_cancel_request",
    "order_status_request",
    "parse",
]


class Terms(TypedDict):
    """An order: side and time in force by name, the quantity in whole shares, ids as `str` writes them."""

    cl_ord_id: object
    account: object
    symbol: str
    side: str
    quantity: int
    price: Decimal
    time_in_force: str
    transact_time: datetime
    trade_id: object


def new_order_single(**terms: Unpack[Terms]) -> dict[str, str]:
    """Return the body of a `D`."""
    return {
        "ClOrdID": str(terms["cl_ord_id"]),
        "Account": str(terms["account"]),
        "Symbol": terms["symbol"],
        "Side": Side[terms["side"]],
        "OrderQty": str(terms["quantity"]),
        "OrdType": OrdType.LIMIT,
        "Price": plain(terms["price"]),
        "TimeInForce": TimeInForce[terms["time_in_force"]],
        "TransactTime": timestamp(terms["transact_time"]),
        "SecondaryClOrdID": str(terms["trade_id"]),
    }


def order_cancel_replace_request(*, orig_cl_ord_id: object, **terms: Unpack[Terms]) -> dict[str, str]:
    """Return the body of a `G`: the full terms asked for, and which request of the chain they replace."""
    return {"OrigClOrdID": str(orig_cl_ord_id)} | new_order_single(**terms)


def order_cancel_request(
    *,
    cl_ord_id: object,
    orig_cl_ord_id: object,
    symbol: str,
    side: str,
    quantity: int,
    transact_time: datetime,
    trade_id: object,
) -> dict[str, str]:
    """Return the body of an `F`, which cancels what is left of an order."""
    return {
        "ClOrdID": str(cl_ord_id),
        "OrigClOrdID": str(orig_cl_ord_id),
        "Symbol": symbol,
        "Side": Side[side],
        "OrderQty": str(quantity),
        "TransactTime": timestamp(transact_time),
        "SecondaryClOrdID": str(trade_id),
    }


def order_status_request(
    *, ord_status_req_id: object, cl_ord_id: object, symbol: str, side: str, trade_id: object
) -> dict[str, str]:
    """Return the body of an `H`, which asks how an order stands. `ord_status_req_id` is fresh for each request."""
    return {
        "OrdStatusReqID": str(ord_status_req_id),
        "ClOrdID": str(cl_ord_id),
        "Symbol": symbol,
        "Side": Side[side],
        "SecondaryClOrdID": str(trade_id),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionReport:
    """An `8`. Quantities are whole shares; `trade_ref` is SecondaryClOrdID; `body` is everything that was sent."""

    msg_type: ClassVar[MsgType] = MsgType.EXECUTION_REPORT

    exec_id: str
    exec_type: ExecType
    ord_status: str | None
    cl_ord_id: str | None
    trade_ref: str | None
    orig_cl_ord_id: str | None
    order_id: str | None
    symbol: str | None
    side: str | None
    """BUY or SELL."""
    order_qty: int | None
    price: Decimal | None
    last_qty: int | None
    last_px: Decimal | None
    cum_qty: int | None
    leaves_qty: int | None
    exec_ref_id: str | None
    ord_rej_reason: str | None
    ord_status_req_id: str | None
    text: str | None
    transact_time: datetime | None
    poss_resend: bool
    body: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelReject:
    """A `9`: a cancel or an amendment was refused."""

    msg_type: ClassVar[MsgType] = MsgType.ORDER_CANCEL_REJECT

    cl_ord_id: str
    orig_cl_ord_id: str | None
    trade_ref: str | None
    order_id: str | None
    ord_status: str | None
    cxl_rej_reason: str | None
    cxl_rej_response_to: str | None
    text: str | None
    transact_time: datetime | None
    poss_resend: bool
    body: dict[str, str]


def parse(raw: bytes) -> ExecutionReport | CancelReject:
    """Read one message of the exchange. Raises MalformedMessage, and nothing else, whatever the bytes are."""
    envelope = decode(raw)
    try:
        if envelope.msg_type == MsgType.EXECUTION_REPORT:
            return _execution_report(envelope)
        if envelope.msg_type == MsgType.ORDER_CANCEL_REJECT:
            return _cancel_reject(envelope)
        if envelope.msg_type in _MSG_TYPES:
            raise MalformedMessage("a message for the exchange, not from it", code="UNSUPPORTED")
        raise MalformedMessage(f"unknown MsgType {envelope.msg_type[:20]!r}")
    except MalformedMessage as error:
        error.msg_type = envelope.msg_type
        raise


_MSG_TYPES = frozenset(MsgType)
_EXEC_TYPES = {exec_type.value: exec_type for exec_type in ExecType}
_FILLS = (ExecType.TRADE, ExecType.TRADE_CORRECT)
_REVISIONS = (ExecType.TRADE_CORRECT, ExecType.TRADE_CANCEL)


def _execution_report(envelope: Envelope) -> ExecutionReport:
    body = envelope.body
    exec_type = _EXEC_TYPES.get(required(body, "ExecType", identifier))
    if exec_type is None:
        raise MalformedMessage(f"ExecType cannot be read: {body['ExecType'][:60]!r}")
    report = ExecutionReport(
        exec_id=required(body, "ExecID", identifier),
        exec_type=exec_type,
        ord_status=identifier(body.get("OrdStatus")),
        cl_ord_id=identifier(body.get("ClOrdID")),
        trade_ref=identifier(body.get("SecondaryClOrdID")),
        orig_cl_ord_id=identifier(body.get("OrigClOrdID")),
        order_id=identifier(body.get("OrderID")),
        symbol=identifier(body.get("Symbol")),
        side=SIDE_NAMES.get(body.get("Side", "")),
        order_qty=whole(body.get("OrderQty")),
        price=price(body.get("Price")),
        last_qty=required(body, "LastQty", quantity) if exec_type in _FILLS else whole(body.get("LastQty")),
        last_px=required(body, "LastPx", price) if exec_type in _FILLS else price(body.get("LastPx")),
        cum_qty=whole(body.get("CumQty")),
        leaves_qty=whole(body.get("LeavesQty")),
        exec_ref_id=(
            required(body, "ExecRefID", identifier) if exec_type in _REVISIONS else identifier(body.get("ExecRefID"))
        ),
        ord_rej_reason=identifier(body.get("OrdRejReason")),
        ord_status_req_id=identifier(body.get("OrdStatusReqID")),
        text=body.get("Text"),
        transact_time=utc_time(body.get("TransactTime")),
        poss_resend=envelope.poss_resend,
        body=body,
    )
    if report.cl_ord_id is None and report.trade_ref is None:
        raise MalformedMessage("neither ClOrdID nor SecondaryClOrdID names an order")
    return report


def _cancel_reject(envelope: Envelope) -> CancelReject:
    body = envelope.body
    return CancelReject(
        cl_ord_id=required(body, "ClOrdID", identifier),
        orig_cl_ord_id=identifier(body.get("OrigClOrdID")),
        trade_ref=identifier(body.get("SecondaryClOrdID")),
        order_id=identifier(body.get("OrderID")),
        ord_status=identifier(body.get("OrdStatus")),
        cxl_rej_reason=identifier(body.get("CxlRejReason")),
        cxl_rej_response_to=identifier(body.get("CxlRejResponseTo")),
        text=body.get("Text"),
        transact_time=utc_time(body.get("TransactTime")),
        poss_resend=envelope.poss_resend,
        body=body,
    )
