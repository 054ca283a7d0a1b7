"""What goes to the exchange, over the one connection that this process has for it.

A connection that nobody uses is cut off by the broker after some seconds, on purpose (exchange/amqp/publisher.py). So
orders and askings share one, and it is the sending loop that keeps it alive.
"""

from datetime import datetime
from typing import Any

from django.conf import settings

from exchange.amqp import OutboundMessage, Publisher
from exchange.fix.codes import MsgType
from exchange.fix.messages import encode, order_status_request
from trades.models import Trade, TradeRequest
from trades.reconciliation.due import Asking, ask_about_all

publisher = Publisher(settings.EXCHANGE_URL, queue_was_missing=ask_about_all)


def instruction(row: TradeRequest, *, at: datetime) -> OutboundMessage:
    """The frozen body of a booked request in a fresh envelope; if it may be outside already, that says so."""
    message: dict[str, Any] = row.message or {}
    resend = row.lease > 1 or row.attempts > 0
    body = encode(message["MsgType"], message["Body"], sending_time=at, poss_resend=resend)
    return OutboundMessage(str(row.pk), body)


def question(trade: Trade, latest: TradeRequest, asking: Asking, *, at: datetime) -> OutboundMessage:
    """The asking what became of a trade's order, by the latest of its requests that may be outside."""
    body = order_status_request(
        ord_status_req_id=asking, cl_ord_id=latest.pk, symbol=trade.symbol, side=trade.side, trade_id=trade.pk
    )
    return OutboundMessage(str(asking), encode(MsgType.ORDER_STATUS_REQUEST, body, sending_time=at))
