"""Schemas of the responses about trades."""

from brokerage.api.codes import PARKED, REASONS
from brokerage.api.responses import (
    AMOUNT,
    INTEGER,
    PRICE,
    STRING,
    TIMESTAMP,
    URI,
    UUID,
    PageResponse,
    ResponseField,
    ResponseSerializer,
    enum,
    enum_of,
)
from holdings.api.schema import HoldingEntryResponse
from trades.lifecycle import Kind, Outcome, Side, Stage, Status, TimeInForce
from trades.models import Channel
from wallets.api.schema import WalletEntryResponse

REFERENCE = {"type": "string", "pattern": "^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$"}

STATUSES = {
    Status.RECEIVED: "Written down; not looked at yet.",
    Status.VALIDATED: "Nothing speaks against it so far.",
    Status.BOOKED: "The money or the shares are blocked. It may already be at the exchange.",
    Status.PENDING_NEW: "Sent to the exchange, which has not accepted it yet.",
    Status.NEW: "The exchange accepted it; nothing is filled.",
    Status.PARTIALLY_FILLED: "Some of it is filled, the rest is open.",
    Status.FILLED: "All of it is filled.",
    Status.PENDING_REPLACE: "The exchange is working on an amendment; the old terms count until it is done.",
    Status.PENDING_CANCEL: "The exchange is working on the cancellation; it may still be filled until it is done.",
    Status.CANCELED: "Ended by a cancellation. What is filled stays.",
    Status.EXPIRED: "Ended by its time in force. What is filled stays.",
    Status.REJECTED: "Refused, by us or by the exchange: see `reason`.",
    Status.DONE_FOR_DAY: "The exchange is done with it for today. A DAY order is over.",
    Status.SUSPENDED: "The exchange suspended it; what it holds stays blocked.",
}
STAGES = {
    Stage.RECEIVED: "Written down.",
    Stage.VALIDATED: "Looked at.",
    Stage.BOOKED: "What it needs is blocked. It may already be at the exchange.",
    Stage.SENT: "At the exchange.",
}
OUTCOMES = {
    Outcome.ACCEPTED: "Done.",
    Outcome.REJECTED: "Refused: see `reason`.",
    Outcome.CANCELED: "Given up before it was done.",
}
KINDS = {
    Kind.NEW: "The order itself.",
    Kind.AMEND: "Other terms for it.",
    Kind.CANCEL: "Its end.",
}
_DECIMAL = {"type": "string", "pattern": r"^-?[0-9]+\.[0-9]{2,}$"}
_DECIMAL_OR_INTEGER = {"oneOf": [_DECIMAL, INTEGER]}
_FIX_CODE = {"type": ["string", "null"]}
_DETAILS = {
    "type": "object",
    "properties": {
        **dict.fromkeys(("needed", "available", "short", "limit"), _DECIMAL_OR_INTEGER),
        **dict.fromkeys(("tick", "price", "value", "low", "high"), _DECIMAL),
        **dict.fromkeys(("lot", "quantity"), INTEGER),
        **dict.fromkeys(("OrdRejReason", "CxlRejReason"), _FIX_CODE),
        "symbol": STRING,
        "also": {"type": "array", "items": {"$ref": "#/components/schemas/ReasonCode"}},
    },
}


class ReasonResponse(ResponseSerializer):
    """Why the business said no."""

    code = ResponseField(enum_of(REASONS), component="ReasonCode")
    message = ResponseField(STRING, "The same in words.")
    details = ResponseField(_DETAILS, "The numbers that belong to the code. `also`: what else speaks against it.")


class ParkedResponse(ResponseSerializer):
    """Since when and why a request waits for a person. It keeps its stage and what it holds."""

    since = ResponseField(TIMESTAMP)
    code = ResponseField(enum_of(PARKED), component="ParkedCode")
    message = ResponseField(STRING, "The same in words.")


class ReservedResponse(ResponseSerializer):
    """What a trade keeps blocked now: money for a buy, shares for a sell."""

    cash = ResponseField(AMOUNT)
    shares = ResponseField(INTEGER)


class TradeRequestResponse(ResponseSerializer):
    """One instruction about a trade."""

    request_id = ResponseField(UUID, "Also its ClOrdID at the exchange.")
    seq = ResponseField(INTEGER, "1, 2, … within the trade.")
    kind = ResponseField(enum_of(KINDS), component="RequestKind")
    quantity = ResponseField(INTEGER, "The whole quantity wished, what is filled included.")
    price = ResponseField(PRICE, "The limit wished.")
    stage = ResponseField(enum_of(STAGES), component="Stage")
    outcome = ResponseField(enum_of(OUTCOMES), "How it ended; null while it has not.", null=True, component="Outcome")
    parked = ParkedResponse(allow_null=True)
    reason = ReasonResponse(allow_null=True, help_text="Why it was refused; null if it was not.")
    channel = ResponseField(enum(Channel), component="Channel")
    placed_by = ResponseField(STRING, "Whose log-in.")
    created_at = ResponseField(TIMESTAMP)


class TradeResponse(ResponseSerializer):
    """What a client wants, and its whole life."""

    trade_id = ResponseField(UUID, "Never changes.")
    reference = ResponseField(REFERENCE, "The same for the phone: case, hyphen, O for 0, I and L for 1 are forgiven.")
    trader_id = ResponseField(INTEGER, "Whose money and shares.")
    symbol = ResponseField(STRING)
    side = ResponseField(enum(Side), component="Side")
    quantity = ResponseField(INTEGER, "Of the terms that count now.")
    price = ResponseField(PRICE, "The limit of the terms that count now.")
    time_in_force = ResponseField(enum(TimeInForce), component="TimeInForce")
    status = ResponseField(enum_of(STATUSES), component="Status")
    filled_quantity = ResponseField(INTEGER)
    leaves_quantity = ResponseField(INTEGER, "What may still be filled; 0 when it is over.")
    average_price = ResponseField(
        {"type": "string", "pattern": r"^[0-9]+\.[0-9]{4}$"},
        "Of what is filled, to four decimals, half even; null while nothing is.",
        null=True,
    )
    fees = ResponseField(AMOUNT, "Charged for it so far, less what was given back.")
    reserved = ReservedResponse()
    revision = ResponseField(
        INTEGER, "Rises with every visible change: the number of entries of the timeline. Also the `ETag`."
    )
    channel = ResponseField(enum(Channel), "Where the order came from.", component="Channel")
    client_reference = ResponseField(STRING, "Your own name for it; null if you gave none.", null=True)
    unconfirmed_since = ResponseField(
        TIMESTAMP, "Since when the exchange owes an answer for longer than usual; null if it does not.", null=True
    )
    reason = ReasonResponse(allow_null=True, help_text="Why it is REJECTED; null if it is not.")
    requests = TradeRequestResponse(many=True, help_text="Every instruction about it, in order.")
    created_at = ResponseField(TIMESTAMP)
    updated_at = ResponseField(TIMESTAMP)


class TradePageResponse(PageResponse):
    """A page of trades, newest first."""

    results = TradeResponse(many=True)


class AboutRequestResponse(ResponseSerializer):
    """The request that an entry of the timeline is about."""

    request_id = ResponseField(UUID)
    seq = ResponseField(INTEGER, "1, 2, … within the trade.")
    kind = ResponseField(enum_of(KINDS), component="RequestKind")
    channel = ResponseField(enum(Channel), component="Channel")
    placed_by = ResponseField(STRING, "Whose log-in.")


class EventResponse(ResponseSerializer):
    """One thing that happened to a trade, and what it did to the books."""

    revision = ResponseField(INTEGER, "The trade's revision that it brought about.")
    at = ResponseField(TIMESTAMP)
    kind = ResponseField(
        {"type": "string", "pattern": "^[A-Z_]+$"}, "What it was. New kinds may come: `text` tells them too."
    )
    status = ResponseField(enum_of(STATUSES), "The trade's status after it.", component="Status")
    text = ResponseField(STRING, "The same in words.")
    request = AboutRequestResponse(allow_null=True, help_text="Null if it was about none of them.")
    seconds = ResponseField(
        {"type": "number", "minimum": 0},
        "Since the entry before about the same request; null for the first.",
        null=True,
    )
    data = ResponseField(  # type: ignore[assignment]  # a field; DRF keeps its own `data` beside it
        {"type": "object"}, "The numbers that belong to the kind, and the exchange's own ids."
    )
    cash = WalletEntryResponse(many=True, help_text="The movements of money that it caused.")
    shares = HoldingEntryResponse(many=True, help_text="The movements of shares that it caused.")


class TimelineResponse(ResponseSerializer):
    """What happened to a trade, oldest first."""

    trade_id = ResponseField(UUID)
    reference = ResponseField(REFERENCE)
    results = EventResponse(many=True)
    next = ResponseField(URI, "Where the following entries are; null if these were the last so far.", null=True)
