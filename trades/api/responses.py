"""What the answers about trades look like."""

from brokerage.api.codes import PARKED, REASONS
from brokerage.api.responses import (
    ADDRESS,
    AMOUNT,
    MOMENT,
    PRICE,
    TEXT,
    UUID,
    WHOLE,
    Answer,
    PageAnswer,
    Shown,
    coded,
    one_of,
)
from holdings.api.schema import HoldingEntryAnswer
from trades.lifecycle import Kind, Outcome, Side, Stage, Status, TimeInForce
from trades.models import Channel
from wallets.api.schema import WalletEntryAnswer

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
_NUMBER = {"type": "string", "pattern": r"^-?[0-9]+\.[0-9]{2,}$"}
_EITHER = {"oneOf": [_NUMBER, WHOLE]}
_FIX = {"type": ["string", "null"]}
_DETAILS = {
    "type": "object",
    "properties": {
        **dict.fromkeys(("needed", "available", "short", "limit"), _EITHER),
        **dict.fromkeys(("tick", "price", "value", "low", "high"), _NUMBER),
        **dict.fromkeys(("lot", "quantity"), WHOLE),
        **dict.fromkeys(("OrdRejReason", "CxlRejReason"), _FIX),
        "symbol": TEXT,
        "also": {"type": "array", "items": {"$ref": "#/components/schemas/ReasonCode"}},
    },
}


class ReasonAnswer(Answer):
    """Why the business said no."""

    code = Shown(coded(REASONS), component="ReasonCode")
    message = Shown(TEXT, "The same in words.")
    details = Shown(_DETAILS, "The numbers that belong to the code. `also`: what else speaks against it.")


class ParkedAnswer(Answer):
    """Since when and why a request waits for a person. It keeps its stage and what it holds."""

    since = Shown(MOMENT)
    code = Shown(coded(PARKED), component="ParkedCode")
    message = Shown(TEXT, "The same in words.")


class ReservedAnswer(Answer):
    """What a trade keeps blocked now: money for a buy, shares for a sell."""

    cash = Shown(AMOUNT)
    shares = Shown(WHOLE)


class TradeRequestAnswer(Answer):
    """One instruction about a trade."""

    request_id = Shown(UUID, "Also its ClOrdID at the exchange.")
    seq = Shown(WHOLE, "1, 2, … within the trade.")
    kind = Shown(coded(KINDS), component="RequestKind")
    quantity = Shown(WHOLE, "The whole quantity wished, what is filled included.")
    price = Shown(PRICE, "The limit wished.")
    stage = Shown(coded(STAGES), component="Stage")
    outcome = Shown(coded(OUTCOMES), "How it ended; null while it has not.", null=True, component="Outcome")
    parked = ParkedAnswer(allow_null=True)
    reason = ReasonAnswer(allow_null=True, help_text="Why it was refused; null if it was not.")
    channel = Shown(one_of(Channel), component="Channel")
    placed_by = Shown(TEXT, "Whose log-in.")
    created_at = Shown(MOMENT)


class TradeAnswer(Answer):
    """What a client wants, and its whole life."""

    trade_id = Shown(UUID, "Never changes.")
    reference = Shown(REFERENCE, "The same for the phone: case, hyphen, O for 0, I and L for 1 are forgiven.")
    trader_id = Shown(WHOLE, "Whose money and shares.")
    symbol = Shown(TEXT)
    side = Shown(one_of(Side), component="Side")
    quantity = Shown(WHOLE, "Of the terms that count now.")
    price = Shown(PRICE, "The limit of the terms that count now.")
    time_in_force = Shown(one_of(TimeInForce), component="TimeInForce")
    status = Shown(coded(STATUSES), component="Status")
    filled_quantity = Shown(WHOLE)
    leaves_quantity = Shown(WHOLE, "What may still be filled; 0 when it is over.")
    average_price = Shown(
        {"type": "string", "pattern": r"^[0-9]+\.[0-9]{4}$"},
        "Of what is filled, to four decimals, half even; null while nothing is.",
        null=True,
    )
    fees = Shown(AMOUNT, "Charged for it so far, less what was given back.")
    reserved = ReservedAnswer()
    revision = Shown(WHOLE, "Rises with every visible change: the number of entries of the timeline. Also the `ETag`.")
    channel = Shown(one_of(Channel), "Where the order came from.", component="Channel")
    client_reference = Shown(TEXT, "Your own name for it; null if you gave none.", null=True)
    unconfirmed_since = Shown(
        MOMENT, "Since when the exchange owes an answer for longer than usual; null if it does not.", null=True
    )
    reason = ReasonAnswer(allow_null=True, help_text="Why it is REJECTED; null if it is not.")
    requests = TradeRequestAnswer(many=True, help_text="Every instruction about it, in order.")
    created_at = Shown(MOMENT)
    updated_at = Shown(MOMENT)


class TradePageAnswer(PageAnswer):
    """A page of trades, newest first."""

    results = TradeAnswer(many=True)


class AboutRequestAnswer(Answer):
    """The request that an entry of the timeline is about."""

    request_id = Shown(UUID)
    seq = Shown(WHOLE, "1, 2, … within the trade.")
    kind = Shown(coded(KINDS), component="RequestKind")
    channel = Shown(one_of(Channel), component="Channel")
    placed_by = Shown(TEXT, "Whose log-in.")


class EventAnswer(Answer):
    """One thing that happened to a trade, and what it did to the books."""

    revision = Shown(WHOLE, "The trade's revision that it brought about.")
    at = Shown(MOMENT)
    kind = Shown({"type": "string", "pattern": "^[A-Z_]+$"}, "What it was. New kinds may come: `text` tells them too.")
    status = Shown(coded(STATUSES), "The trade's status after it.", component="Status")
    text = Shown(TEXT, "The same in words.")
    request = AboutRequestAnswer(allow_null=True, help_text="Null if it was about none of them.")
    seconds = Shown(
        {"type": "number", "minimum": 0},
        "Since the entry before about the same request; null for the first.",
        null=True,
    )
    data = Shown(  # type: ignore[assignment]  # a field; DRF keeps its own `data` beside it
        {"type": "object"}, "The numbers that belong to the kind, and the exchange's own ids."
    )
    cash = WalletEntryAnswer(many=True, help_text="The movements of money that it caused.")
    shares = HoldingEntryAnswer(many=True, help_text="The movements of shares that it caused.")


class TimelineAnswer(Answer):
    """What happened to a trade, oldest first."""

    trade_id = Shown(UUID)
    reference = Shown(REFERENCE)
    results = EventAnswer(many=True)
    next = Shown(ADDRESS, "Where the following entries are; null if these were the last so far.", null=True)
