"""Why the exchange refuses: a FIX code and a sentence, or None."""

from exchange.fix.messages import MsgType
from exchange.simulator.instruments import Share
from exchange.simulator.orders import ClientOrder
from exchange.simulator.requests import Request

# OrdRejReason (103)
UNKNOWN_SYMBOL = "1"
EXCHANGE_CLOSED = "2"
DUPLICATE_ORDER = "6"
UNSUPPORTED_ORDER = "11"
INCORRECT_QUANTITY = "13"
BAD_PRICE_INCREMENT = "18"
OTHER = "99"
# CxlRejReason (102); of the above 2, 18 and 99 mean the same there
TOO_LATE = "0"
UNKNOWN_ORDER = "1"


def refuse_order(request: Request, share: Share | None, known: ClientOrder | None) -> tuple[str, str] | None:
    """Why a new order is refused: OrdRejReason and a sentence. `known`: an order of the same SecondaryClOrdID."""
    if known is not None:
        return DUPLICATE_ORDER, f"SecondaryClOrdID names the order {known.order_id}"
    return _refuse_terms(request, share)


def refuse_change(request: Request, share: Share | None, order: ClientOrder) -> tuple[str, str] | None:
    """Why an amendment or a cancellation of `order` is refused: CxlRejReason and a sentence.

    A filled order may still be given a higher quantity; a halted share's orders may be cancelled.
    """
    is_cancel = request.msg_type == MsgType.ORDER_CANCEL_REQUEST
    raises = not is_cancel and (request.quantity or 0) > order.filled
    if order.is_over or (order.is_filled and not raises):
        return TOO_LATE, "the order is over"
    if is_cancel:
        return None
    if order.sleeps:
        return OTHER, "the order is suspended"
    if (order.symbol, order.side) != (request.symbol, request.side):
        return OTHER, "Symbol and Side are not the order's"
    if refused := _refuse_terms(request, share):
        code, text = refused
        return code if code in (EXCHANGE_CLOSED, BAD_PRICE_INCREMENT) else OTHER, text
    return None


def _refuse_terms(request: Request, share: Share | None) -> tuple[str, str] | None:
    """The first reason that applies."""
    if share is None:
        return UNKNOWN_SYMBOL, f"{request.symbol[:24]} is not listed here"
    if share.halted:
        return EXCHANGE_CLOSED, f"{share.symbol} is halted"
    if not request.is_limit or request.time_in_force is None:
        return UNSUPPORTED_ORDER, "only limit orders, DAY, GTC, IOC or FOK"
    if request.side is None:
        return OTHER, "Side is neither buy nor sell"
    if request.quantity is None or request.quantity % share.lot:
        return INCORRECT_QUANTITY, f"OrderQty is not a multiple of {share.lot}"
    if not request.price or request.price % share.tick:
        return BAD_PRICE_INCREMENT, f"Price is not a multiple of {share.tick.normalize():f}"
    return None
