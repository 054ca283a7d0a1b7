"""Every code of the API and what it means, for those who call it. Which of them a call can return, its schema says."""

from dataclasses import dataclass

from brokerage.reasons import Code


@dataclass(frozen=True, slots=True)
class ErrorSpec:
    """A code of a problem: its status, what it means, an example's detail, its headers, and the path of the example."""

    status: int
    meaning: str
    detail: str
    headers: tuple[str, ...] = ()
    instance: str = "/api/v1/trades"


PROBLEMS = {
    "INVALID": ErrorSpec(
        400,
        "Correct what `errors` points at: one entry per finding, all at once.",
        "Some fields are missing, unknown or malformed.",
    ),
    "BAD_REQUEST": ErrorSpec(
        400,
        "The body is not JSON (UTF-8, no NaN, no name twice in an object), or the host is not ours.",
        "The body is not JSON: Expecting value, line 1, column 1.",
    ),
    "NOT_AUTHENTICATED": ErrorSpec(
        401,
        "Log in: there is no token, or it is not valid any more.",
        "Authentication credentials were not provided.",
        headers=("WWW-Authenticate",),
    ),
    "BAD_CREDENTIALS": ErrorSpec(
        401,
        "The username or the password is wrong.",
        "The username or the password is wrong.",
        instance="/api/v1/auth/login",
    ),
    "NOT_ALLOWED": ErrorSpec(
        403,
        "This is for staff, for staff who take orders, or about another trader.",
        "Only staff may act for another trader.",
    ),
    "NOT_FOUND": ErrorSpec(
        404, "There is no such thing, or it is not yours.", "Not found.", instance="/api/v1/trades/PW67-YW51"
    ),
    "METHOD_NOT_ALLOWED": ErrorSpec(
        405,
        "The address has no such method: see the header `Allow`.",
        'Method "PUT" not allowed.',
        headers=("Allow",),
    ),
    "TRADE_FINISHED": ErrorSpec(
        409,
        "The trade is over. A filled one takes a larger quantity, nothing else.",
        "The trade is filled: this cannot be done any more.",
        instance="/api/v1/trades/PW67-YW51",
    ),
    "NOTHING_TO_CHANGE": ErrorSpec(
        409,
        "These are the terms last asked for.",
        "These are the terms last asked for already.",
        instance="/api/v1/trades/PW67-YW51",
    ),
    "TOO_MANY_CHANGES": ErrorSpec(
        409,
        "The trade has 20 requests without an outcome, or 500 in all: only a cancellation is taken.",
        "A trade may have 20 changes on their way and 500 instructions in all.",
        instance="/api/v1/trades/PW67-YW51",
    ),
    "IDEMPOTENCY_KEY_BUSY": ErrorSpec(
        409,
        "Another call with this key is under way: repeat this one after `Retry-After` seconds.",
        "Another call with this idempotency key has not finished. Repeat this one.",
        headers=("Retry-After",),
    ),
    "LENGTH_REQUIRED": ErrorSpec(
        411,
        "Send a `Content-Length`, no chunks.",
        "Send the body with a Content-Length, not in chunks.",
    ),
    "REVISION_CHANGED": ErrorSpec(
        412,
        "The trade is not what `If-Match` names any more: read it again, then decide.",
        "The trade is at revision 7 now.",
        instance="/api/v1/trades/PW67-YW51",
    ),
    "TOO_LARGE": ErrorSpec(413, "A body has 64 KiB at most.", "The body may have 65536 bytes at most."),
    "UNSUPPORTED_MEDIA_TYPE": ErrorSpec(
        415, "Send `Content-Type: application/json`.", 'Unsupported media type "text/plain" in request.'
    ),
    "IDEMPOTENCY_KEY_REUSED": ErrorSpec(
        422,
        "The key stands for another call: take a new one.",
        "The idempotency key stands for another call: method, path or body differ.",
    ),
    "UNAVAILABLE": ErrorSpec(
        503,
        "Repeat the call after `Retry-After` seconds, with the same key. There is no 5xx but 503.",
        "The service is busy or restarting. Try again.",
        headers=("Retry-After",),
    ),
    "TRADE_BUSY": ErrorSpec(
        503,
        "Another call, or a report of the exchange, is changing this trade: repeat the call after `Retry-After` "
        "seconds, with the same key.",
        "The trade is being changed by somebody else. Repeat this call.",
        headers=("Retry-After",),
        instance="/api/v1/trades/PW67-YW51",
    ),
}
"""Every code of a problem."""

FINDINGS = {
    "REQUIRED": "It is missing.",
    "NULL": "It may not be null.",
    "UNKNOWN_FIELD": "There is no such field, or no such query parameter.",
    "GIVEN_TWICE": "A query parameter stands twice in the address.",
    "NOT_AN_OBJECT": "The body is JSON, but no object.",
    "NOT_AN_INTEGER": "It is no JSON integer (in a query: no whole number).",
    "OUT_OF_RANGE": "It is less than the least or more than the most.",
    "NOT_A_STRING": "It is no JSON string.",
    "NOT_A_BOOLEAN": "It is neither true nor false.",
    "NOT_A_TIME": "It is no time with an offset, such as 2026-11-22T10:15:30Z.",
    "NOT_LISTED": "It is none of the values listed.",
    "NOT_PRINTABLE": "It has control characters.",
    "BLANK": "It is empty, or only space.",
    "TOO_LONG": "It has too many characters.",
    "MALFORMED": "It does not look as it must.",
    "UNSTORABLE": "It has a NUL or half a surrogate pair.",
    "ZERO": "A price is more than 0.",
    "DIFFERS": "The client reference and the header Idempotency-Key are not equal.",
    "ONE_OF_TWO": "Both of two were given, of which only one may be.",
    "NOTHING_GIVEN": "Nothing is to be changed.",
    "BAD_CURSOR": "It is no cursor of this list.",
    "UNKNOWN_TRADER": "There is no trader with this number.",
}
"""Every code of an entry of a problem's `errors`."""

REASONS = {
    Code.TRADER_SUSPENDED: "The trader may not trade, or may only sell and cancel.",
    Code.UNKNOWN_SYMBOL: "There is no such share. `details`: symbol.",
    Code.SYMBOL_HALTED: "Trading in the share is halted. `details`: symbol.",
    Code.MARKET_CLOSED: "The market is closed.",
    Code.BAD_LOT: "The quantity is no multiple of the lot. `details`: lot, quantity.",
    Code.BAD_TICK: "The price is no multiple of the tick. `details`: tick, price.",
    Code.QUANTITY_LIMIT: "More shares than one order may be for. `details`: limit, quantity.",
    Code.VALUE_LIMIT: "Worth more than one order may be. `details`: limit, value.",
    Code.PRICE_OUT_OF_BAND: "The price is too far from the reference price. `details`: low, high, price.",
    Code.INSUFFICIENT_FUNDS: "The money is not there. `details`: needed, available, short, as decimal strings.",
    Code.INSUFFICIENT_SHARES: "The shares are not there. `details`: needed, available, short, as integers.",
    Code.EXCHANGE_REJECTED: "The exchange refused it; `message` is its word. `details`: its own code, as in FIX.",
    Code.TOO_LATE: "The trade was over, or the exchange was faster.",
}
"""Every code of a `reason`, in the order in which the broker looks; the first that applies is the reason."""

PARKED = {
    Code.STEP_FAILED: "A step failed again and again on this request alone.",
    Code.PARKED_BY_STAFF: "Somebody of the staff took it out.",
    Code.UNCONFIRMED: "It was sent, and the exchange does not say what became of it, however often it is asked.",
}
"""Every code of a request that is parked: it waits for a person, and keeps what it holds."""
