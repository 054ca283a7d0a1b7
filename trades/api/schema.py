"""OpenAPI of the calls about trades."""

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view

from brokerage.api.openapi import (
    WITH_BODY,
    problem_responses,
    request_example,
    request_header,
    response_example,
    response_header,
    success_response,
)
from trades.api import examples
from trades.api.responses import TimelineResponse, TradePageResponse, TradeResponse
from trades.api.serializers import CHANNEL, KEY, ChangeSerializer, NewTradeSerializer, TimelineQuery, TradeListQuery

_TRADE_REF = OpenApiParameter(
    "trade_ref",
    str,
    OpenApiParameter.PATH,
    description="The trade's id, or its reference as people write and say it: `7K3M-9QX2`, `7k3m 9qx2`.",
)
_CHANNEL = request_header("X-Channel", CHANNEL, "Where it came from; `API` if it is not said. `CALL` is for staff.")
_KEY = request_header(
    "Idempotency-Key",
    KEY,
    "Your own name for this call: the same call under the same key is done once, and answered with the same bytes.",
)
_IF_MATCH = OpenApiParameter(
    "If-Match",
    {"type": "string", "example": '"7"'},
    OpenApiParameter.HEADER,
    description="The `ETag` that you saw last, in its quotes: 412 if the trade has changed since. Not needed.",
)
_ETAG = {"type": "string", "pattern": '^"[0-9]+"$'}
_REPLAYED = response_header(
    "Idempotent-Replayed",
    {"const": "true"},
    "Only there if the call was accepted before: these are the bytes of that answer.",
    on=[202],
    required=False,
)
_ACCEPTED = [response_header("ETag", _ETAG, "The trade's revision at acceptance.", on=[202]), _REPLAYED]
_SEEN = ("NOT_AUTHENTICATED", "NOT_ALLOWED", "NOT_FOUND")
_KEYED = ("IDEMPOTENCY_KEY_BUSY", "IDEMPOTENCY_KEY_REUSED")
_CHANGED = (*WITH_BODY, *_SEEN, *_KEYED, "TRADE_FINISHED", "REVISION_CHANGED", "TRADE_BUSY")

trades = extend_schema_view(
    get=extend_schema(
        operation_id="listTrades",
        tags=["Trades"],
        summary="List trades",
        description="A page, newest first. Traders see their own; staff see everybody's, or those of whom they name.",
        parameters=[TradeListQuery],
        responses={
            200: success_response(
                TradePageResponse, "A page of trades.", response_example("A page of one", examples.PAGE)
            ),
            **problem_responses("INVALID", "NOT_AUTHENTICATED", "NOT_ALLOWED"),
        },
    ),
    post=extend_schema(
        operation_id="placeTrade",
        tags=["Trades"],
        summary="Place a trade",
        description=(
            "202: it is written down and will be dealt with. What the business refuses becomes a REJECTED trade with a "
            "`reason`, not an error of this call. `client_reference` is the idempotency key too; if the header is sent "
            "beside it, they must be equal."
        ),
        parameters=[
            _KEY,
            _CHANNEL,
            response_header(
                "Location", {"type": "string", "format": "uri-reference"}, "Where the trade stands.", on=[202]
            ),
            *_ACCEPTED,
        ],
        request=NewTradeSerializer,
        examples=[
            request_example("Buy ten", examples.ORDER),
            request_example("Under a name of your own", examples.NAMED_ORDER),
        ],
        responses={
            202: success_response(TradeResponse, "Accepted.", response_example("Received", examples.ACCEPTED)),
            **problem_responses(*WITH_BODY, *_KEYED, "NOT_AUTHENTICATED", "NOT_ALLOWED"),
        },
    ),
)

trade = extend_schema_view(
    get=extend_schema(
        operation_id="getTrade",
        tags=["Trades"],
        summary="One trade",
        description="As it is now, with its requests. At any time, for ever.",
        parameters=[_TRADE_REF, response_header("ETag", _ETAG, "The trade's revision.", on=[200])],
        responses={
            200: success_response(
                TradeResponse,
                "The trade.",
                response_example("Partly filled and being amended", examples.AMENDED),
                response_example("Refused", examples.REJECTED),
            ),
            **problem_responses(*_SEEN),
        },
    ),
    patch=extend_schema(
        operation_id="amendTrade",
        tags=["Trades"],
        summary="Amend a trade",
        description=(
            "Asks for other terms; the old ones count until the exchange has taken the new. A trade that is over "
            "cannot be changed, but the quantity of a FILLED one may be raised."
        ),
        parameters=[_TRADE_REF, _KEY, _IF_MATCH, _CHANNEL, *_ACCEPTED],
        request=ChangeSerializer,
        examples=[
            request_example("Another limit", {"price": "1515.00"}),
            request_example("Twenty more", {"remaining_quantity": 20}),
        ],
        responses={
            202: success_response(TradeResponse, "Accepted.", response_example("Asked for", examples.AMENDED)),
            **problem_responses(*_CHANGED, "NOTHING_TO_CHANGE", "TOO_MANY_CHANGES"),
        },
    ),
    delete=extend_schema(
        operation_id="cancelTrade",
        tags=["Trades"],
        summary="Cancel a trade",
        description=(
            "Asks for its end. One that was never sent ends at once; otherwise the exchange is asked, and may be "
            "faster. Again while one is outstanding: 202, and nothing more is sent. The call has no "
            "body, or an empty object."
        ),
        parameters=[_TRADE_REF, _KEY, _IF_MATCH, _CHANNEL, *_ACCEPTED],
        responses={
            202: success_response(TradeResponse, "Accepted.", response_example("It was never sent", examples.CANCELED)),
            **problem_responses(*_CHANGED),
        },
    ),
)

events = extend_schema_view(
    get=extend_schema(
        operation_id="getTimeline",
        tags=["Trades"],
        summary="The timeline of a trade",
        description="Every stage, request, report and movement of money or shares, oldest first, in words and numbers.",
        parameters=[_TRADE_REF, TimelineQuery],
        responses={
            200: success_response(
                TimelineResponse, "The timeline.", response_example("Accepted and partly filled", examples.TIMELINE)
            ),
            **problem_responses("INVALID", *_SEEN),
        },
    )
)
