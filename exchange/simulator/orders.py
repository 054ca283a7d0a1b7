"""An order as the exchange stores it, and the bodies of the reports about it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from brokerage.money import plain
from exchange.fix.codes import CxlRejReason, CxlRejResponseTo, ExecType, OrdRejReason, OrdStatus, Side
from exchange.fix.wire import timestamp
from exchange.simulator.matching import GTC, Order
from exchange.simulator.requests import Request

OPEN = ""
"""`ClientOrder.ended` of an order that works."""


@dataclass(slots=True, eq=False, kw_only=True)
class ClientOrder(Order):
    """A client's order. `key` names its chain of requests: SecondaryClOrdID, or the first ClOrdID without one."""

    order_id: str
    cl_ord_id: str
    """The last request of the chain that was accepted."""
    trade_ref: str | None
    account: str
    symbol: str
    ended: str = OPEN
    """OrdStatus of an order that does not work: it was cancelled, rejected …, or it sleeps."""
    ord_rej_reason: str = ""
    priority: int = 0
    """Rises with each order that goes to the back of its price: the book is rebuilt in this order."""

    @property
    def sleeps(self) -> bool:
        """Tell whether it is suspended or done for the day, and goes on when it is restated."""
        return self.ended == OrdStatus.SUSPENDED or (self.ended == OrdStatus.DONE_FOR_DAY and self.time_in_force == GTC)

    @property
    def is_over(self) -> bool:
        """Tell whether it ended for ever, with something left."""
        return bool(self.ended) and not self.sleeps

    def status(self, filled: int) -> str:
        """Return the OrdStatus when `filled` shares had been filled."""
        if self.ended:
            return self.ended
        if filled >= self.quantity:
            return OrdStatus.FILLED
        return OrdStatus.PARTIALLY_FILLED if filled else OrdStatus.NEW

    @property
    def ord_status(self) -> str:
        """Return the OrdStatus now."""
        return self.status(self.filled)

    @property
    def is_filled(self) -> bool:
        """Tell whether all of it is filled."""
        return not self.ended and not self.remaining


def execution_report(
    order: ClientOrder,
    exec_type: ExecType,
    *,
    exec_id: str,
    now: datetime,
    filled: int | None = None,
    **fields: str,
) -> dict[str, str]:
    """Return the body of an `8`. `filled`: the quantity filled at that moment; `fields`: further FIX fields by name."""
    filled = order.filled if filled is None else filled
    status = order.status(filled)
    leaves = 0 if order.is_over else max(0, order.quantity - filled)
    body = {
        "OrderID": order.order_id,
        "ExecID": exec_id,
        "ExecType": str(exec_type),
        "OrdStatus": status,
        "ClOrdID": order.cl_ord_id,
    }
    if order.trade_ref:
        body["SecondaryClOrdID"] = order.trade_ref
    return body | {
        "Account": order.account,
        "Symbol": order.symbol,
        "Side": Side[order.side] if order.side else "",
        "OrderQty": str(order.quantity),
        "Price": plain(order.price),
        **fields,
        "CumQty": str(filled),
        "LeavesQty": str(leaves),
        "TransactTime": timestamp(now),
    }


def trade_report(
    order: ClientOrder, quantity: int, price: Decimal, *, exec_id: str, now: datetime, filled: int
) -> dict[str, str]:
    """Return the body of an `8` about one fill of `order`."""
    numbers = {"LastQty": str(quantity), "LastPx": plain(price)}
    return execution_report(order, ExecType.TRADE, exec_id=exec_id, now=now, filled=filled, **numbers)


def cancel_reject(
    request: Request,
    order: ClientOrder | None,
    *,
    response_to: CxlRejResponseTo,
    reason: CxlRejReason,
    text: str,
    now: datetime,
) -> dict[str, str]:
    """Return the body of a `9`: the amendment or cancellation `request` is rejected."""
    body = {
        "OrderID": order.order_id if order else "NONE",
        "ClOrdID": request.cl_ord_id,
        "OrdStatus": order.ord_status if order else OrdStatus.REJECTED,
        "CxlRejResponseTo": response_to,
        "CxlRejReason": reason,
        "Text": text,
        "TransactTime": timestamp(now),
    }
    if request.orig_cl_ord_id:
        body["OrigClOrdID"] = request.orig_cl_ord_id
    if request.trade_ref:
        body["SecondaryClOrdID"] = request.trade_ref
    return body


def unknown_order(request: Request, *, now: datetime) -> dict[str, str]:
    """Return the body of the `8` that answers a status request about an order that never came here."""
    body = {
        "OrderID": "NONE",
        "ExecID": "0",
        "ExecType": str(ExecType.ORDER_STATUS),
        "OrdStatus": OrdStatus.REJECTED,
        "OrdRejReason": OrdRejReason.UNKNOWN_ORDER,
        "Symbol": request.symbol,
        "Side": Side[request.side] if request.side else "",
        "CumQty": "0",
        "LeavesQty": "0",
        "TransactTime": timestamp(now),
    }
    names = {"ClOrdID": request.cl_ord_id, "SecondaryClOrdID": request.trade_ref}
    names["OrdStatusReqID"] = request.ord_status_req_id
    return body | {name: value for name, value in names.items() if value}
