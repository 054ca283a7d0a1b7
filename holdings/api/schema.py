"""How the calls about shares are described."""

from drf_spectacular.utils import extend_schema, extend_schema_view

from brokerage.api.callers import OfTrader
from brokerage.api.openapi import example, refused, shown
from brokerage.api.responses import MOMENT, TEXT, UUID, WHOLE, Answer, PageAnswer, Shown, coded
from holdings.api.views import EntryFilters
from holdings.models import Kind


class HoldingAnswer(Answer):
    """What a trader has of one share."""

    symbol = Shown(TEXT)
    quantity = Shown(WHOLE, "All of it, what is blocked and what is lent included.")
    blocked = Shown(WHOLE, "The part of the quantity that open trades hold.")
    available = Shown(WHOLE, "The rest: what may be blocked or withdrawn.")
    short = Shown(WHOLE, "What the house has lent; part of the quantity.")


class HoldingsAnswer(Answer):
    """What a trader has, by symbol."""

    results = HoldingAnswer(many=True)


class HoldingEntryAnswer(Answer):
    """One movement of one holding, and how it left it."""

    entry_id = Shown(WHOLE, "Rises with every movement of the holding.")
    symbol = Shown(TEXT)
    kind = Shown(coded({kind.value: str(kind.label) for kind in Kind}))
    amount = Shown(WHOLE, "Change of the quantity.")
    blocked_change = Shown(WHOLE, "Change of what is blocked.")
    short_change = Shown(WHOLE, "Change of what is lent.")
    quantity_after = Shown(WHOLE)
    blocked_after = Shown(WHOLE)
    short_after = Shown(WHOLE)
    trade_id = Shown(UUID, "The trade it was for; null if for none.", null=True)
    execution = Shown(TEXT, "The execution that it settles; null if none.", null=True)
    note = Shown(TEXT, "What staff wrote beside it; often empty.")
    at = Shown(MOMENT)


class HoldingEntryPageAnswer(PageAnswer):
    """A page of the journal of all holdings, newest first."""

    results = HoldingEntryAnswer(many=True)


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
_REFUSED = refused("INVALID", "NOT_AUTHENTICATED", "NOT_ALLOWED")

holdings = extend_schema_view(
    get=extend_schema(
        operation_id="listHoldings",
        tags=["Shares"],
        summary="The holdings",
        description="What the trader has in shares, by symbol. Staff name the trader.",
        parameters=[OfTrader],
        responses={
            200: shown(
                HoldingsAnswer, "The holdings as they are now.", example("While a sell is open", {"results": [HOLDING]})
            ),
            **_REFUSED,
        },
    )
)

entries = extend_schema_view(
    get=extend_schema(
        operation_id="listHoldingEntries",
        tags=["Shares"],
        summary="The journal of the holdings",
        description="Every movement of the shares, newest first. Staff name the trader.",
        parameters=[EntryFilters],
        responses={
            200: shown(HoldingEntryPageAnswer, "A page of the journal.", example("A fill that arrived", _PAGE)),
            **_REFUSED,
        },
    )
)
