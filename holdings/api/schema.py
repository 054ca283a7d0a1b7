"""OpenAPI of the calls about shares."""

from drf_spectacular.utils import extend_schema, extend_schema_view

from brokerage.api.openapi import problem_responses, response_example, success_response
from brokerage.api.pagination import JournalQuery
from brokerage.api.responses import (
    INTEGER,
    STRING,
    TIMESTAMP,
    UUID,
    PageResponse,
    ResponseField,
    ResponseSerializer,
    enum_of,
)
from brokerage.api.serializers import TraderQuery
from holdings.models import Kind


class HoldingResponse(ResponseSerializer):
    """What a trader has of one share."""

    symbol = ResponseField(STRING)
    quantity = ResponseField(INTEGER, "All of it, what is blocked and what is lent included.")
    blocked = ResponseField(INTEGER, "The part of the quantity that open trades hold.")
    available = ResponseField(INTEGER, "The rest: what may be blocked or withdrawn.")
    short = ResponseField(INTEGER, "What the house has lent; part of the quantity.")


class HoldingsResponse(ResponseSerializer):
    """What a trader has, by symbol."""

    results = HoldingResponse(many=True)


class HoldingEntryResponse(ResponseSerializer):
    """One movement of one holding, and how it left it."""

    entry_id = ResponseField(INTEGER, "Rises with every movement of the holding.")
    symbol = ResponseField(STRING)
    kind = ResponseField(enum_of({kind.value: str(kind.label) for kind in Kind}))
    amount = ResponseField(INTEGER, "Change of the quantity.")
    blocked_change = ResponseField(INTEGER, "Change of what is blocked.")
    short_change = ResponseField(INTEGER, "Change of what is lent.")
    quantity_after = ResponseField(INTEGER)
    blocked_after = ResponseField(INTEGER)
    short_after = ResponseField(INTEGER)
    trade_id = ResponseField(UUID, "The trade it was for; null if for none.", null=True)
    execution = ResponseField(STRING, "The execution that it settles; null if none.", null=True)
    note = ResponseField(STRING, "What staff wrote beside it; often empty.")
    at = ResponseField(TIMESTAMP)


class HoldingEntryPageResponse(PageResponse):
    """A page of the journal of all holdings, newest first."""

    results = HoldingEntryResponse(many=True)


HOLDING = {"symbol": "INFY", "quantity": 1000, "blocked": 6, "available": 994, "short": 0}
ENTRY = {
    "entry_id": 12,
    "symbol": "INFY",
    "kind": "SETTLE",
    "amount": 4,
    "blocked_change": 0,
    "short_change": 0,
    "quantity_after": 4,
    "blocked_after": 0,
    "short_after": 0,
    "trade_id": "01a2053d-f221-72aa-9ff9-de0acd6111f1",
    "execution": "E2",
    "note": "",
    "at": "2026-11-22T21:51:15.541063Z",
}
_PAGE = {"results": [ENTRY], "next": None, "previous": None}
_PROBLEMS = problem_responses("INVALID", "NOT_AUTHENTICATED", "NOT_ALLOWED")

holdings = extend_schema_view(
    get=extend_schema(
        operation_id="listHoldings",
        tags=["Shares"],
        summary="The holdings",
        description="What the trader has in shares, by symbol. Staff name the trader.",
        parameters=[TraderQuery],
        responses={
            200: success_response(
                HoldingsResponse,
                "The holdings as they are now.",
                response_example("While a sell is open", {"results": [HOLDING]}),
            ),
            **_PROBLEMS,
        },
    )
)

entries = extend_schema_view(
    get=extend_schema(
        operation_id="listHoldingEntries",
        tags=["Shares"],
        summary="The journal of the holdings",
        description="Every movement of the shares, newest first. Staff name the trader.",
        parameters=[JournalQuery],
        responses={
            200: success_response(
                HoldingEntryPageResponse, "A page of the journal.", response_example("A fill that arrived", _PAGE)
            ),
            **_PROBLEMS,
        },
    )
)
