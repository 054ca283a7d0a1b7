"""The requests that a client sends to the exchange, read as far as an answer needs it."""

from dataclasses import dataclass
from decimal import Decimal

from exchange.fix.codes import SIDE_NAMES, TIME_IN_FORCE_NAMES, MsgType, OrdType, TimeInForce
from exchange.fix.wire import MalformedMessage, decode, identifier, price, quantity, required

_KNOWN = frozenset(
    {
        MsgType.NEW_ORDER_SINGLE,
        MsgType.ORDER_CANCEL_REPLACE_REQUEST,
        MsgType.ORDER_CANCEL_REQUEST,
        MsgType.ORDER_STATUS_REQUEST,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A `D`, `G`, `F` or `H`. Only the ids are sure to be there; a term that cannot be read is None."""

    msg_type: MsgType
    cl_ord_id: str
    """Of an `H` that names the order by SecondaryClOrdID alone: empty."""
    orig_cl_ord_id: str | None
    trade_ref: str | None
    account: str
    symbol: str
    side: str | None
    quantity: int | None
    price: Decimal | None
    is_limit: bool
    time_in_force: str | None
    ord_status_req_id: str | None


def parse_request(raw: bytes) -> Request:
    """Read one message of a client. Raises MalformedMessage when there is nothing an answer could refer to."""
    envelope = decode(raw)
    if envelope.msg_type not in _KNOWN:
        raise MalformedMessage(f"no message for the exchange: MsgType {envelope.msg_type[:20]!r}")
    body = envelope.body
    trade_ref = identifier(body.get("SecondaryClOrdID"))
    cl_ord_id = identifier(body.get("ClOrdID")) or ""
    if not (cl_ord_id or (trade_ref and envelope.msg_type == MsgType.ORDER_STATUS_REQUEST)):
        required(body, "ClOrdID", identifier)
    return Request(
        msg_type=MsgType(envelope.msg_type),
        cl_ord_id=cl_ord_id,
        orig_cl_ord_id=identifier(body.get("OrigClOrdID")),
        trade_ref=trade_ref,
        account=body.get("Account", ""),
        symbol=body.get("Symbol", ""),
        side=SIDE_NAMES.get(body.get("Side", "")),
        quantity=quantity(body.get("OrderQty")),
        price=price(body.get("Price")),
        is_limit=body.get("OrdType") == OrdType.LIMIT,
        time_in_force=TIME_IN_FORCE_NAMES.get(body.get("TimeInForce", TimeInForce.DAY)),
        ord_status_req_id=identifier(body.get("OrdStatusReqID")),
    )
