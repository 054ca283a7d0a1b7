"""Describe what happened to a trade in plain words, for staff on the phone and for readers of the API."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, cast

from brokerage.money import grouped
from trades.lifecycle import Kind, Side, TimeInForce
from trades.models import Channel, Trade, TradeEvent, TradeRequest

_CHANNEL_PHRASES = {
    Channel.MOBILE: "from the mobile app",
    Channel.WEB: "from the website",
    Channel.CALL: "by phone",
    Channel.PARTNER: "through a partner",
    Channel.API: "over the API",
}
_TIME_IN_FORCE_PHRASES = {
    TimeInForce.DAY: "good for the day",
    TimeInForce.GTC: "good till cancelled",
    TimeInForce.IOC: "immediate or cancel",
    TimeInForce.FOK: "fill or kill",
}
_KIND_NOUNS = {Kind.NEW: "order", Kind.AMEND: "change", Kind.CANCEL: "cancellation"}


def describe_event(trade: Trade, event: TradeEvent, request: TradeRequest | None) -> str:
    """Describe one entry of the timeline, which is about `request`. A kind that is not listed goes by its name."""
    describe = _DESCRIPTIONS.get(event.kind)
    return describe(trade, event.data, request) if describe else _describe_unlisted(event.kind, event.data)


def format_reason(reason: dict[str, Any] | None) -> str:
    """Format a stored reason: its code, its message, its details; a dash if there is none."""
    if not reason:
        return "-"
    details = dict(reason.get("details", {}))
    if other_codes := details.pop("also", []):
        details["also"] = ", ".join(other_codes)
    return _with_details(f"{reason['code']}: {reason['message']}", details)


def _describe_unlisted(kind: str, data: dict[str, Any]) -> str:
    """Describe an entry by its kind and data: "Pending cancel (exec id E1)"."""
    return _with_details(kind.replace("_", " ").capitalize(), data)


def _with_details(text: str, details: dict[str, Any]) -> str:
    listed = "; ".join(f"{name.replace('_', ' ')} {value}" for name, value in details.items() if value is not None)
    return f"{text} ({listed})" if listed else text


def describe_movement(kind: str, amount: Decimal | int, blocked_change: Decimal | int, *, unit: str) -> str:
    """Describe a ledger entry of money (`unit` INR) or shares (`unit` INFY): "INR 398.00 paid"."""
    if kind in ("BLOCK", "RELEASE"):
        return f"{_with_unit(blocked_change, unit)} {'blocked' if blocked_change > 0 else 'released'}"
    verbs = _MOVEMENT_VERBS[kind, "shares" if isinstance(amount, int) else "cash"]
    text = f"{_with_unit(amount, unit)} {verbs[amount > 0]}"
    if blocked_change:
        text += f", {_with_unit(blocked_change, unit)} {'more blocked' if blocked_change > 0 else 'of the hold freed'}"
    return text


_LENT, _REPAID = "lent by the house", "repaid to the house"
_MOVEMENT_VERBS = {  # when the total falls, when it rises
    ("SETTLE", "cash"): ("paid", "received"),
    ("SETTLE", "shares"): ("delivered", "received"),
    ("FEE", "cash"): ("charged as a fee", "of the fee given back"),
    ("LOAN", "cash"): (_LENT, _LENT),
    ("LOAN", "shares"): (_LENT, _LENT),
    ("REPAY", "cash"): (_REPAID, _REPAID),
    ("REPAY", "shares"): (_REPAID, _REPAID),
}


def _with_unit(amount: Decimal | int, unit: str) -> str:
    """Put the currency before an amount of money, the symbol behind a number of shares."""
    return f"{grouped(abs(amount))} {unit}" if isinstance(amount, int) else f"{unit} {grouped(abs(amount))}"


def format_duration(seconds: float) -> str:
    """Format a duration: "12 ms", "1.4 s", "3 min 4 s", "2 h 5 min", "3 d 4 h"."""
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

Describer = Callable[[Trade, dict[str, Any], TradeRequest | None], str]


def _new_received(trade: Trade, data: dict[str, Any], request: TradeRequest) -> str:
    terms = f"{trade.side.lower()} {grouped(request.quantity)} {trade.symbol} at {grouped(request.price)} or better"
    return (
        f"Order received {_placed_how(request)}: {terms}, {_TIME_IN_FORCE_PHRASES[TimeInForce(trade.time_in_force)]}."
    )


def _amend_received(trade: Trade, data: dict[str, Any], request: TradeRequest) -> str:
    return f"Change asked for {_placed_how(request)}: {grouped(request.quantity)} at {grouped(request.price)}."


def _cancel_received(trade: Trade, data: dict[str, Any], request: TradeRequest) -> str:
    return f"Cancellation asked for {_placed_how(request)}."


def _placed_how(request: TradeRequest) -> str:
    return f"{_CHANNEL_PHRASES[Channel(request.channel)]}, by {request.placed_by}"


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
    other_codes = ", ".join(reason["details"].get("also", []))
    return f"The {_noun(request)} was refused: {reason['message']}" + (f" (also {other_codes})" if other_codes else "")


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


def _terms(text: str) -> Describer:
    def describe(trade: Trade, data: dict[str, Any], request: TradeRequest | None) -> str:
        quantity = data.get("quantity") or (request and request.quantity)
        price = Decimal(data["price"]) if data.get("price") else request and request.price
        terms = [grouped(quantity)] if quantity else []
        terms += [f"at {grouped(price)}"] if price else []
        return f"{text}: {' '.join(terms)} now." if terms else f"{text}."

    return describe


def _fixed(text: str) -> Describer:
    """Describe by this text, with the exchange's own text behind it if it sent one."""

    def describe(trade: Trade, data: dict[str, Any], request: TradeRequest | None) -> str:
        return f"{text} ({data['text']})" if data.get("text") else text

    return describe


def _parked(trade: Trade, data: dict[str, Any], request: TradeRequest | None) -> str:
    return f"The {_noun(request)} was set aside for a person to look at: {data.get('message', '')}"


_ANOMALIES = {
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
    details = dict(data)
    code = details.pop("code", "")
    for name, difference in details.pop("differences", {}).items():
        details[name] = f"{difference['ours']}, the exchange says {difference['theirs']}"
    return _with_details(f"Odd: {_ANOMALIES.get(code) or code.replace('_', ' ').lower()}", details)


def _noun(request: TradeRequest | None) -> str:
    return _KIND_NOUNS[Kind(request.kind)] if request else "order"


_DESCRIPTIONS: dict[str, Describer] = {
    # An entry *_RECEIVED always has its request.
    "NEW_RECEIVED": cast("Describer", _new_received),
    "AMEND_RECEIVED": cast("Describer", _amend_received),
    "CANCEL_RECEIVED": cast("Describer", _cancel_received),
    "VALIDATED": _fixed("Checked: nothing speaks against it."),
    "BOOKED": _booked,
    "DENIED": _refused,
    "CANCELLED_LOCALLY": _fixed("Cancelled before it was sent to the exchange."),
    "AMEND_DROPPED": _fixed("The change was not sent to the exchange: what was asked for next took its place."),
    "SENT": _sent,
    "NOT_AT_EXCHANGE": _not_received,
    "EXCHANGE_PENDING_NEW": _fixed("The exchange has the order and has not decided yet."),
    "EXCHANGE_NEW": _fixed("The exchange accepted the order."),
    "EXCHANGE_REJECTED": _rejected,
    "EXCHANGE_FILL": _fill,
    "EXCHANGE_CORRECTED": _corrected,
    "EXCHANGE_BUSTED": _busted,
    "EXCHANGE_PENDING_REPLACE": _fixed("The exchange is working on the change."),
    "EXCHANGE_REPLACED": _terms("The exchange made the change"),
    "EXCHANGE_PENDING_CANCEL": _fixed("The exchange is working on the cancellation."),
    "EXCHANGE_CANCELED": _fixed("The exchange cancelled the order: nothing more will be executed."),
    "EXCHANGE_CANCEL_REJECTED": _rejected,
    "EXCHANGE_EXPIRED": _fixed("The order expired at the exchange."),
    "EXCHANGE_DONE_FOR_DAY": _fixed("The exchange is done with the order for today."),
    "EXCHANGE_SUSPENDED": _fixed("The exchange suspended the order."),
    "EXCHANGE_RESTATED": _terms("The exchange restated the order"),
    "EXCHANGE_STATUS": _fixed("The exchange was asked, and has it."),
    "ANOMALY": _anomaly,
    "PARKED": _parked,
    "UNPARKED": _fixed("Put back to work."),
    "RECONCILED": _fixed("The exchange was asked again, and agrees with what is written here."),
}

EVENT_KINDS = frozenset(_DESCRIPTIONS)
"""Every kind of entry that a timeline may have."""
