"""How the calls about cash are described."""

from drf_spectacular.utils import extend_schema, extend_schema_view

from brokerage.api.callers import OfTrader
from brokerage.api.openapi import example, refused, shown
from brokerage.api.responses import AMOUNT, CHANGE, MOMENT, TEXT, UUID, WHOLE, Answer, PageAnswer, Shown, coded
from wallets.api.views import EntryFilters
from wallets.models import Kind


class WalletAnswer(Answer):
    """What a trader has in cash."""

    trader_id = Shown(WHOLE)
    currency = Shown({"type": "string", "minLength": 3, "maxLength": 3}, "ISO 4217.")
    balance = Shown(AMOUNT, "All of it, what is blocked and what is lent included.")
    blocked = Shown(AMOUNT, "The part of the balance that open trades hold.")
    available = Shown(AMOUNT, "The rest: what may be blocked or withdrawn.")
    debt = Shown(AMOUNT, "What the house has lent; part of the balance.")


class WalletEntryAnswer(Answer):
    """One movement of the wallet, and how it left it."""

    entry_id = Shown(WHOLE, "Rises with every movement of the wallet.")
    kind = Shown(coded({kind.value: str(kind.label) for kind in Kind}))
    amount = Shown(CHANGE, "Change of the balance.")
    blocked_change = Shown(CHANGE, "Change of what is blocked.")
    debt_change = Shown(CHANGE, "Change of the debt.")
    balance_after = Shown(AMOUNT)
    blocked_after = Shown(AMOUNT)
    debt_after = Shown(AMOUNT)
    trade_id = Shown(UUID, "The trade it was for; null if for none.", null=True)
    execution = Shown(TEXT, "The execution that it settles; null if none.", null=True)
    note = Shown(TEXT, "What staff wrote beside it; often empty.")
    at = Shown(MOMENT)


class WalletEntryPageAnswer(PageAnswer):
    """A page of the wallet's journal, newest first."""

    results = WalletEntryAnswer(many=True)


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
_REFUSED = refused("INVALID", "NOT_AUTHENTICATED", "NOT_ALLOWED")

wallet = extend_schema_view(
    get=extend_schema(
        operation_id="getWallet",
        tags=["Money"],
        summary="The wallet",
        description="What the trader has in cash; zeros if nothing was ever paid in. Staff name the trader.",
        parameters=[OfTrader],
        responses={
            200: shown(WalletAnswer, "The wallet as it is now.", example("While a buy is open", WALLET)),
            **_REFUSED,
        },
    )
)

entries = extend_schema_view(
    get=extend_schema(
        operation_id="listWalletEntries",
        tags=["Money"],
        summary="The journal of the wallet",
        description="Every movement of the cash, newest first. Staff name the trader.",
        parameters=[EntryFilters],
        responses={
            200: shown(WalletEntryPageAnswer, "A page of the journal.", example("A fill that was paid", _PAGE)),
            **_REFUSED,
        },
    )
)
