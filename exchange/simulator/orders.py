"""An order as the exchange keeps it, and the bodies of the reports about it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from brokerage.money import plain
from exchange.fix.messages import SIDES, ExecType
from exchange.fix.wire import timestamp
from exchange.simulator.matching import GTC, Order
from exchange.simulator.requests import Request

# OrdStatus (39), of an order that does not work
OPEN = ""
DONE_FOR_DAY = "3"
CANCELED = "4"
REJECTED = "8"
SUSPENDED = "9"
EXPIRED = "C"


@dataclass(slots=True, eq=False, kw_only=True)
class ClientOrder(Order):
    """A member's order. `key` names its chain of requests: SecondaryClOrdID, or the first ClOrdID without one."""

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
        """It keeps what is left of it, until it is restated."""
        return self.ended == SUSPENDED or (self.ended == DONE_FOR_DAY and self.time_in_force == GTC)

    @property
    def is_over(self) -> bool:
        """It ended with something left, for ever."""
        return bool(self.ended) and not self.sleeps

    def status(self, filled: int) -> str:
        """OrdStatus when `filled` shares had been filled."""
        if self.ended:
            return self.ended
        return "2" if filled >= self.quantity else "1" if filled else "0"

    @property
    def ord_status(self) -> str:
        return self.status(self.filled)

    @property
    def is_filled(self) -> bool:
        return not self.ended and not self.remaining


def execution_report(
    order: ClientOrder,
    exec_type: ExecType,
    *,
    exec_id: str,
    now: datetime,
    filled: int | None = None,
    **more: str,
) -> dict[str, str]:
    """The body of an `8`. `filled` says what was filled at that moment; `more` are further FIX fields by name."""
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
        "Side": SIDES.get(order.side, ""),
        "OrderQty": str(order.quantity),
        "Price": plain(order.price),
        **more,
        "CumQty": str(filled),
        "LeavesQty": str(leaves),
        "TransactTime": timestamp(now),
    }


def trade_report(
    order: ClientOrder, quantity: int, price: Decimal, *, exec_id: str, now: datetime, filled: int
) -> dict[str, str]:
    """The body of an `8` about one fill of `order`."""
    numbers = {"LastQty": str(quantity), "LastPx": plain(price)}
    return execution_report(order, ExecType.TRADE, exec_id=exec_id, now=now, filled=filled, **numbers)


def cancel_reject(
    request: Request, order: ClientOrder | None, *, response_to: str, reason: str, text: str, now: datetime
) -> dict[str, str]:
    """The body of a `9`: the amendment or cancellation `request` is refused."""
    body = {
        "OrderID": order.order_id if order else "NONE",
        "ClOrdID": request.cl_ord_id,
        "OrdStatus": order.ord_status if order else REJECTED,
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
    """The body of the `8` that answers a status request about an order that never came here."""
    body = {
        "OrderID": "NONE",
        "ExecID": "0",
        "ExecType": str(ExecType.ORDER_STATUS),
        "OrdStatus": REJECTED,
        "OrdRejReason": "5",
        "Symbol": request.symbol,
        "Side": SIDES.get(request.side or "", ""),
        "CumQty": "0",
        "LeavesQty": "0",
        "TransactTime": timestamp(now),
    }
    names = {"ClOrdID": request.cl_ord_id, "SecondaryClOrdID": request.trade_ref}
    names["OrdStatusReqID"] = request.ord_status_req_id
    return body | {name: value for name, value in names.items() if value}
