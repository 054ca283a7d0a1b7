"""The exchange's checks of new orders, amendments and cancellations, each with the FIX code of its rejection."""

from typing import Generic, NamedTuple, TypeVar

from exchange.fix.codes import CxlRejReason, MsgType, OrdRejReason
from exchange.simulator.instruments import Instrument
from exchange.simulator.orders import ClientOrder
from exchange.simulator.requests import Request

R = TypeVar("R", OrdRejReason, CxlRejReason)


class Rejection(NamedTuple, Generic[R]):
    """Why a request is rejected: OrdRejReason of a new order, CxlRejReason of a change; `text` is for people."""

    reason: R
    text: str


_OF_A_CHANGE = {
    OrdRejReason.EXCHANGE_CLOSED: CxlRejReason.EXCHANGE_OPTION,
    OrdRejReason.INVALID_PRICE_INCREMENT: CxlRejReason.INVALID_PRICE_INCREMENT,
}
"""CxlRejReason of an amendment to terms that a new order would be rejected for; any other is OTHER."""


def check_new_order(
    request: Request, instrument: Instrument | None, known: ClientOrder | None
) -> Rejection[OrdRejReason] | None:
    """Return why a new order is rejected, or None. `known` is an order of the same SecondaryClOrdID."""
    if known is not None:
        return Rejection(OrdRejReason.DUPLICATE_ORDER, f"SecondaryClOrdID names the order {known.order_id}")
    return _check_terms(request, instrument)


def check_change(request: Request, instrument: Instrument | None, order: ClientOrder) -> Rejection[CxlRejReason] | None:
    """Return why an amendment or a cancellation of `order` is rejected, or None.

    A filled order may still be given a higher quantity; the orders of a halted instrument may be cancelled.
    """
    is_cancel = request.msg_type == MsgType.ORDER_CANCEL_REQUEST
    raises = not is_cancel and (request.quantity or 0) > order.filled
    if order.is_over or (order.is_filled and not raises):
        return Rejection(CxlRejReason.TOO_LATE_TO_CANCEL, "the order is over")
    if is_cancel:
        return None
    if order.sleeps:
        return Rejection(CxlRejReason.OTHER, "the order is suspended")
    if (order.symbol, order.side) != (request.symbol, request.side):
        return Rejection(CxlRejReason.OTHER, "Symbol and Side are not the order's")
    if rejection := _check_terms(request, instrument):
        return Rejection(_OF_A_CHANGE.get(rejection.reason, CxlRejReason.OTHER), rejection.text)
    return None


def _check_terms(request: Request, instrument: Instrument | None) -> Rejection[OrdRejReason] | None:
    """Return the first reason that applies."""
    if instrument is None:
        return Rejection(OrdRejReason.UNKNOWN_SYMBOL, f"{request.symbol[:24]} is not listed here")
    if instrument.halted:
        return Rejection(OrdRejReason.EXCHANGE_CLOSED, f"{instrument.symbol} is halted")
    if not request.is_limit or request.time_in_force is None:
        return Rejection(OrdRejReason.UNSUPPORTED_ORDER_CHARACTERISTIC, "only limit orders, DAY, GTC, IOC or FOK")
    if request.side is None:
        return Rejection(OrdRejReason.OTHER, "Side is neither buy nor sell")
    if request.quantity is None or request.quantity % instrument.lot:
        return Rejection(OrdRejReason.INCORRECT_QUANTITY, f"OrderQty is not a multiple of {instrument.lot}")
    if not request.price or request.price % instrument.tick:
        tick = f"{instrument.tick.normalize():f}"
        return Rejection(OrdRejReason.INVALID_PRICE_INCREMENT, f"Price is not a multiple of {tick}")
    return None
