"""What happened to a trade, in plain words: for people on the phone, and for those who read the API's answers."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, cast

from brokerage.money import grouped
from trades.lifecycle import Kind, Side, TimeInForce
from trades.models import Channel, Trade, TradeEvent, TradeRequest

_THROUGH = {
    Channel.MOBILE: "from the mobile app",
    Channel.WEB: "from the website",
    Channel.CALL: "by phone",
    Channel.PARTNER: "through a partner",
    Channel.API: "over the API",
}
_LASTS = {
    TimeInForce.DAY: "good for the day",
    TimeInForce.GTC: "good till cancelled",
    TimeInForce.IOC: "immediate or cancel",
    TimeInForce.FOK: "fill or kill",
}
_NOUN = {Kind.NEW: "order", Kind.AMEND: "change", Kind.CANCEL: "cancellation"}


def sentence(trade: Trade, event: TradeEvent, request: TradeRequest | None) -> str:
    """Tell one entry of the timeline. `request` is the one it is about; kinds unknown here are told by their name."""
    tell = _SENTENCES.get(event.kind)
    return tell(trade, event.data, request) if tell else in_words(event.kind, event.data)


def told(reason: dict[str, Any] | None) -> str:
    """A stored reason as a person reads it: the code, the sentence, the numbers; a dash if there is none."""
    if not reason:
        return "-"
    details = dict(reason.get("details", {}))
    also = details.pop("also", [])
    return _with_numbers(
        f"{reason['code']}: {reason['message']}", details | ({"also": ", ".join(also)} if also else {})
    )


def in_words(name: str, numbers: dict[str, Any]) -> str:
    """A name of the code and what belongs to it: "Pending cancel (exec id E1)"."""
    return _with_numbers(name.replace("_", " ").capitalize(), numbers)


def _with_numbers(text: str, numbers: dict[str, Any]) -> str:
    shown = "; ".join(f"{name.replace('_', ' ')} {value}" for name, value in numbers.items() if value is not None)
    return f"{text} ({shown})" if shown else text


def moved(kind: str, amount: Decimal | int, blocked_change: Decimal | int, *, unit: str) -> str:
    """Tell a movement of money (`unit` INR) or shares (`unit` INFY): "INR 398.00 paid"."""
    if kind in ("BLOCK", "RELEASE"):
        return f"{_of(blocked_change, unit)} {'blocked' if blocked_change > 0 else 'released'}"
    verbs = _VERBS[kind, "shares" if isinstance(amount, int) else "cash"]
    text = f"{_of(amount, unit)} {verbs[amount > 0]}"
    if blocked_change:
        text += f", {_of(blocked_change, unit)} {'more blocked' if blocked_change > 0 else 'of the hold freed'}"
    return text


_LENT, _REPAID = "lent by the house", "repaid to the house"
_VERBS = {  # where the total falls, where it rises
    ("SETTLE", "cash"): ("paid", "received"),
    ("SETTLE", "shares"): ("delivered", "received"),
    ("FEE", "cash"): ("charged as a fee", "of the fee given back"),
    ("LOAN", "cash"): (_LENT, _LENT),
    ("LOAN", "shares"): (_LENT, _LENT),
    ("REPAY", "cash"): (_REPAID, _REPAID),
    ("REPAY", "shares"): (_REPAID, _REPAID),
}


def _of(amount: Decimal | int, unit: str) -> str:
    """An amount of money has its unit in front, shares behind."""
    return f"{grouped(abs(amount))} {unit}" if isinstance(amount, int) else f"{unit} {grouped(abs(amount))}"


def lasting(seconds: float) -> str:
    """A duration for people: "12 ms", "1.4 s", "3 min 4 s", "2 h 5 min", "3 d 4 h"."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


# --- One function per kind of entry ----------------------------------------------------------------------------------

Telling = Callable[[Trade, dict[str, Any], TradeRequest | None], str]


def _new_received(trade: Trade, data: dict[str, Any], request: TradeRequest) -> str:
    terms = f"{trade.side.lower()} {grouped(request.quantity)} {trade.symbol} at {grouped(request.price)} or better"
    return f"Order received {_from_whom(request)}: {terms}, {_LASTS[TimeInForce(trade.time_in_force)]}."


def _amend_received(trade: Trade, data: dict[str, Any], request: TradeRequest) -> str:
    return f"Change asked for {_from_whom(request)}: {grouped(request.quantity)} at {grouped(request.price)}."


def _cancel_received(trade: Trade, data: dict[str, Any], request: TradeRequest) -> str:
    return f"Cancellation asked for {_from_whom(request)}."


def _from_whom(request: TradeRequest) -> str:
    return f"{_THROUGH[Channel(request.channel)]}, by {request.placed_by}"


def _booked(trade: Trade, data: dict[str, Any], request: TradeRequest | None) -> str:
    blocked = Decimal(data.get("blocked", "0"))
    if request and request.kind == Kind.CANCEL:
        return "The cancellation is ready to be sent."
    if blocked <= 0:
        return "Booked: nothing more has to be blocked."
    what = grouped(blocked) if trade.side == Side.BUY else f"{grouped(int(blocked))} {trade.symbol}"
    return f"Booked: {what} {'more ' if request and request.kind == Kind.AMEND else ''}blocked."


def _refused(trade: Trade, data: dict[str, Any], request: TradeRequest | None) -> str:
    reason = (request and request.reason) or {"message": data.get("code", ""), "details": {}}
    also = reason["details"].get("also", [])
    return f"The {_noun(request)} was refused: {reason['message']}" + (f" (also {', '.join(also)})" if also else "")


def _sent(trade: Trade, data: dict[str, Any], request: TradeRequest | None) -> str:
    return f"The {_noun(request)} was sent to the exchange."


def _not_received(trade: Trade, data: dict[str, Any], request: TradeRequest | None) -> str:
    return f"The exchange was asked, and has not got the {_noun(request)}: it is to be sent again."


def _rejected(trade: Trade, data: dict[str, Any], request: TradeRequest | None) -> str:
    reason = data.get("text") or (request and request.reason and request.reason["message"])
    return f"The exchange refused the {_noun(request)}" + (f": {reason}" if reason else ".")


def _fill(trade: Trade, data: dict[str, Any], request: TradeRequest | None) -> str:
    verb = "bought" if trade.side == Side.BUY else "sold"
    return f"Executed: {verb} {grouped(data['quantity'])} at {grouped(Decimal(data['price']))}."


def _corrected(trade: Trade, data: dict[str, Any], request: TradeRequest | None) -> str:
    return f"The exchange corrected an execution: {_executed(data)} instead of {_executed(data, 'was_')}."


def _busted(trade: Trade, data: dict[str, Any], request: TradeRequest | None) -> str:
    return f"The exchange took an execution back: {_executed(data, 'was_')} never happened."


def _executed(data: dict[str, Any], prefix: str = "") -> str:
    return f"{grouped(data[f'{prefix}quantity'])} at {grouped(Decimal(data[f'{prefix}price']))}"


def _terms(text: str) -> Telling:
    def tell(trade: Trade, data: dict[str, Any], request: TradeRequest | None) -> str:
        quantity = data.get("quantity") or (request and request.quantity)
        price = Decimal(data["price"]) if data.get("price") else request and request.price
        terms = [grouped(quantity)] if quantity else []
        terms += [f"at {grouped(price)}"] if price else []
        return f"{text}: {' '.join(terms)} now." if terms else f"{text}."

    return tell


def _says(text: str) -> Telling:
    """The same sentence each time, with the exchange's own words where it sent some."""

    def tell(trade: Trade, data: dict[str, Any], request: TradeRequest | None) -> str:
        return f"{text} ({data['text']})" if data.get("text") else text

    return tell


def _parked(trade: Trade, data: dict[str, Any], request: TradeRequest | None) -> str:
    return f"The {_noun(request)} was set aside for a person to look at: {data.get('message', '')}"


_ODD = {
    "FILL_AFTER_END": "executed after the trade had ended",
    "FILL_BEFORE_ACK": "executed before the exchange had accepted the order",
    "FILL_BEYOND_LIMIT": "executed at a worse price than the limit",
    "OVERFILL": "more was executed than was asked for",
    "REJECTED_AFTER_FILL": "the exchange refused the order after it had executed some of it",
    "REVISED_AFTER_FILLED": "the exchange revised an execution of an order that was filled",
    "EXECUTION_NOT_KNOWN": "the exchange revised an execution that is not known yet; it waits for it",
    "REVISES_AN_OLD_VERSION": "the exchange revised a version that did not count any more; the latest one was revised",
    "BUSTED_ALREADY": "the exchange took an execution back that had been taken back",
    "CUM_QTY_DIFFERS": "the exchange says that another quantity was executed; a person has to look at it",
    "ORDER_NOT_KNOWN": "the exchange says that it does not know the order; a person has to look at it",
    "UNEXPECTED_CANCEL_REJECT": "the exchange refused a change or a cancellation that nobody waits for",
    "DUPLICATE_EXECUTION": "the exchange reported an execution twice; it counts once",
    "REPORT_DIFFERS": "the exchange's last report has other figures than we have; ours count",
}


def _anomaly(trade: Trade, data: dict[str, Any], request: TradeRequest | None) -> str:
    numbers = dict(data)
    code = numbers.pop("code", "")
    for name, found in numbers.pop("differences", {}).items():
        numbers[name] = f"{found['ours']}, the exchange says {found['theirs']}"
    return _with_numbers(f"Odd: {_ODD.get(code) or code.replace('_', ' ').lower()}", numbers)


def _noun(request: TradeRequest | None) -> str:
    return _NOUN[Kind(request.kind)] if request else "order"


_SENTENCES: dict[str, Telling] = {
    # What was received is always there to be told of.
    "NEW_RECEIVED": cast("Telling", _new_received),
    "AMEND_RECEIVED": cast("Telling", _amend_received),
    "CANCEL_RECEIVED": cast("Telling", _cancel_received),
    "VALIDATED": _says("Checked: nothing speaks against it."),
    "BOOKED": _booked,
    "DENIED": _refused,
    "CANCELLED_LOCALLY": _says("Cancelled before it was sent to the exchange."),
    "AMEND_DROPPED": _says("The change was never sent to the exchange, and is given up for the cancellation."),
    "SENT": _sent,
    "NOT_AT_EXCHANGE": _not_received,
    "EXCHANGE_PENDING_NEW": _says("The exchange has the order and has not decided yet."),
    "EXCHANGE_NEW": _says("The exchange accepted the order."),
    "EXCHANGE_REJECTED": _rejected,
    "EXCHANGE_FILL": _fill,
    "EXCHANGE_CORRECTED": _corrected,
    "EXCHANGE_BUSTED": _busted,
    "EXCHANGE_PENDING_REPLACE": _says("The exchange is working on the change."),
    "EXCHANGE_REPLACED": _terms("The exchange made the change"),
    "EXCHANGE_PENDING_CANCEL": _says("The exchange is working on the cancellation."),
    "EXCHANGE_CANCELED": _says("The exchange cancelled the order: nothing more will be executed."),
    "EXCHANGE_CANCEL_REJECTED": _rejected,
    "EXCHANGE_EXPIRED": _says("The order expired at the exchange."),
    "EXCHANGE_DONE_FOR_DAY": _says("The exchange is done with the order for today."),
    "EXCHANGE_SUSPENDED": _says("The exchange suspended the order."),
    "EXCHANGE_RESTATED": _terms("The exchange restated the order"),
    "EXCHANGE_STATUS": _says("The exchange was asked, and has it."),
    "ANOMALY": _anomaly,
    "PARKED": _parked,
    "UNPARKED": _says("Put back to work."),
    "RECONCILED": _says("The exchange was asked again, and agrees with what is written here."),
}

KINDS = frozenset(_SENTENCES)
"""Every kind of entry that a timeline may have."""
