"""What goes to the exchange, over the one connection that this process has for it.

A connection that nobody uses is cut off by the broker after some seconds, on purpose (exchange/amqp/publisher.py). So
orders and status queries share one, and it is the sending loop that keeps it alive.
"""

from datetime import datetime
from typing import Any

from django.conf import settings

from exchange.amqp import OutboundMessage, Publisher
from exchange.fix import messages
from exchange.fix.codes import MsgType
from exchange.fix.messages import encode
from trades import lifecycle
from trades.core.link_gaps import check_everything
from trades.core.locked_trade import LockedTrade
from trades.core.status_query import StatusQuery
from trades.lifecycle import Kind
from trades.models import Trade, TradeRequest

publisher = Publisher(settings.EXCHANGE_URL, queue_was_missing=check_everything)


def order_body(trade: LockedTrade, request: TradeRequest, *, at: datetime) -> dict[str, Any]:
    """Return the message for the exchange, complete but for its envelope: every resend carries the same body."""
    row = trade.row
    if request.kind == Kind.CANCEL:
        body = messages.order_cancel_request(
            cl_ord_id=request.pk,
            orig_cl_ord_id=lifecycle.orig_cl_ord_id(trade.state, request.seq),
            symbol=row.symbol,
            side=row.side,
            quantity=trade.state.quantity,
            transact_time=at,
            trade_id=row.pk,
        )
        return {"MsgType": MsgType.ORDER_CANCEL_REQUEST, "Body": body}
    terms: messages.Terms = {
        "cl_ord_id": request.pk,
        "account": row.trader_id,
        "symbol": row.symbol,
        "side": row.side,
        "quantity": request.quantity,
        "price": request.price,
        "time_in_force": row.time_in_force,
        "transact_time": at,
        "trade_id": row.pk,
    }
    if request.kind == Kind.NEW:
        return {"MsgType": MsgType.NEW_ORDER_SINGLE, "Body": messages.new_order_single(**terms)}
    original = lifecycle.orig_cl_ord_id(trade.state, request.seq)
    body = messages.order_cancel_replace_request(orig_cl_ord_id=original, **terms)
    return {"MsgType": MsgType.ORDER_CANCEL_REPLACE_REQUEST, "Body": body}


def order_message(request: TradeRequest, *, at: datetime) -> OutboundMessage:
    """Return the frozen body of a booked request in a fresh envelope; if it may be outside already, that says so."""
    message: dict[str, Any] = request.message or {}
    resend = request.lease > 1 or request.attempts > 0
    body = encode(message["MsgType"], message["Body"], sending_time=at, poss_resend=resend)
    return OutboundMessage(str(request.pk), body)


def status_request(trade: Trade, latest: TradeRequest, query: StatusQuery, *, at: datetime) -> OutboundMessage:
    """Return the question what became of a trade's order, by the latest of its requests that may be outside."""
    body = messages.order_status_request(
        ord_status_req_id=query, cl_ord_id=latest.pk, symbol=trade.symbol, side=trade.side, trade_id=trade.pk
    )
    return OutboundMessage(str(query), encode(MsgType.ORDER_STATUS_REQUEST, body, sending_time=at))
