"""OpenAPI of the calls about cash."""

from drf_spectacular.utils import extend_schema, extend_schema_view

from brokerage.api.openapi import problem_responses, response_example, success_response
from brokerage.api.pagination import JournalQuery
from brokerage.api.responses import (
    AMOUNT,
    INTEGER,
    SIGNED_AMOUNT,
    STRING,
    TIMESTAMP,
    UUID,
    PageResponse,
    ResponseField,
    ResponseSerializer,
    enum_of,
)
from brokerage.api.serializers import TraderQuery
from wallets.models import Kind


class WalletResponse(ResponseSerializer):
    """What a trader has in cash."""

    trader_id = ResponseField(INTEGER)
    currency = ResponseField({"type": "string", "minLength": 3, "maxLength": 3}, "ISO 4217.")
    balance = ResponseField(AMOUNT, "All of it, what is blocked and what is lent included.")
    blocked = ResponseField(AMOUNT, "The part of the balance that open trades hold.")
    available = ResponseField(AMOUNT, "The rest: what may be blocked or withdrawn.")
    debt = ResponseField(AMOUNT, "What the house has lent; part of the balance.")


class WalletEntryResponse(ResponseSerializer):
    """One movement of the wallet, and how it left it."""

    entry_id = ResponseField(INTEGER, "Rises with every movement of the wallet.")
    kind = ResponseField(enum_of({kind.value: str(kind.label) for kind in Kind}))
    amount = ResponseField(SIGNED_AMOUNT, "Change of the balance.")
    blocked_change = ResponseField(SIGNED_AMOUNT, "Change of what is blocked.")
    debt_change = ResponseField(SIGNED_AMOUNT, "Change of the debt.")
    balance_after = ResponseField(AMOUNT)
    blocked_after = ResponseField(AMOUNT)
    debt_after = ResponseField(AMOUNT)
    trade_id = ResponseField(UUID, "The trade it was for; null if for none.", null=True)
    execution = ResponseField(STRING, "The execution that it settles; null if none.", null=True)
    note = ResponseField(STRING, "What staff wrote beside it; often empty.")
    at = ResponseField(TIMESTAMP)


class WalletEntryPageResponse(PageResponse):
    """A page of the wallet's journal, newest first."""

    results = WalletEntryResponse(many=True)


WALLET = {
    "trader_id": 1001,
    "currency": "INR",
    "balance": "93966.00",
    "blocked": "9060.00",
    "available": "84906.00",
    "debt": "0.00",
}
ENTRY = {
    "entry_id": 73,
    "kind": "SETTLE",
    "amount": "-6034.00",
    "blocked_change": "-6040.00",
    "debt_change": "0.00",
    "balance_after": "93966.00",
    "blocked_after": "9060.00",
    "debt_after": "0.00",
    "trade_id": "01a2053d-f221-72aa-9ff9-de0acd6111f1",
    "execution": "E2",
    "note": "",
    "at": "2026-11-22T21:51:15.541063Z",
}
_PAGE = {
    "results": [ENTRY],
    "next": "https://brokerage.example/api/v1/wallet/entries?cursor=Pjcz&limit=1",
    "previous": None,
}
_PROBLEMS = problem_responses("INVALID", "NOT_AUTHENTICATED", "NOT_ALLOWED")

wallet = extend_schema_view(
    get=extend_schema(
        operation_id="getWallet",
        tags=["Money"],
        summary="The wallet",
        description="What the trader has in cash; zeros if nothing was ever paid in. Staff name the trader.",
        parameters=[TraderQuery],
        responses={
            200: success_response(
                WalletResponse, "The wallet as it is now.", response_example("While a buy is open", WALLET)
            ),
            **_PROBLEMS,
        },
    )
)

entries = extend_schema_view(
    get=extend_schema(
        operation_id="listWalletEntries",
        tags=["Money"],
        summary="The journal of the wallet",
        description="Every movement of the cash, newest first. Staff name the trader.",
        parameters=[JournalQuery],
        responses={
            200: success_response(
                WalletEntryPageResponse, "A page of the journal.", response_example("A fill that was paid", _PAGE)
            ),
            **_PROBLEMS,
        },
    )
)
