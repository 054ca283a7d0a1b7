"""The shares the exchange lists, and why it refuses terms for one."""

from dataclasses import dataclass
from decimal import Decimal

from exchange.simulator.orders import MemberOrder
from exchange.simulator.requests import Request

# OrdRejReason (103)
UNKNOWN_SYMBOL = "1"
EXCHANGE_CLOSED = "2"
UNSUPPORTED_ORDER = "11"
INCORRECT_QUANTITY = "13"
BAD_PRICE_INCREMENT = "18"
OTHER = "99"


@dataclass(frozen=True, slots=True)
class Share:
    symbol: str
    tick: Decimal
    lot: int
    reference_price: Decimal
    band_percent: Decimal
    halted: bool = False


def refusal(request: Request, share: Share | None, *, order: MemberOrder | None = None) -> tuple[str, str] | None:
    """Why the terms of a new order, or of an amendment of `order`, are refused: OrdRejReason and a sentence.

    The first that applies; None if the terms are good.
    """
    if share is None:
        return UNKNOWN_SYMBOL, f"{request.symbol[:24]} is not listed here"
    if share.halted:
        return EXCHANGE_CLOSED, f"{share.symbol} is halted"
    if not request.is_limit or request.time_in_force is None:
        return UNSUPPORTED_ORDER, "only limit orders, DAY, GTC, IOC or FOK"
    if request.side is None:
        return OTHER, "Side is neither buy nor sell"
    if order is not None and (order.symbol, order.side) != (request.symbol, request.side):
        return OTHER, "Symbol and Side are not the order's"
    if request.quantity is None or request.quantity % share.lot:
        return INCORRECT_QUANTITY, f"OrderQty is not a multiple of {share.lot}"
    if not request.price or request.price % share.tick:
        return BAD_PRICE_INCREMENT, f"Price is not a multiple of {share.tick.normalize():f}"
    return None
