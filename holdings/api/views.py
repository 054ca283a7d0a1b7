"""The doors to a trader's shares: what they are now, and how they came about."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from brokerage.api.authentication import resolve_trader_id
from brokerage.api.pagination import JournalQuery, paginate
from brokerage.api.serializers import TraderQuery, rfc3339
from holdings import selectors
from holdings.models import Holding, HoldingEntry


class HoldingsView(APIView):
    """GET: all holdings, by symbol."""

    def get(self, request: Request) -> Response:
        query = TraderQuery.read_query(request)
        holdings = selectors.holdings_of(resolve_trader_id(request.user, query.get("trader_id")))
        return Response({"results": [serialize_holding(holding) for holding in holdings]})


class HoldingEntriesView(APIView):
    """GET: a page of their journal, newest first."""

    def get(self, request: Request) -> Response:
        query = JournalQuery.read_query(request)
        entries = selectors.entries_of(resolve_trader_id(request.user, query.pop("trader_id", None)))
        return Response(paginate(request, entries, serialize_entry, **query))


def serialize_holding(holding: Holding) -> dict[str, Any]:
    return {
        "symbol": holding.symbol,
        "quantity": holding.quantity,
        "blocked": holding.blocked,
        "available": holding.available,
        "short": holding.short,
    }


def serialize_entry(entry: HoldingEntry) -> dict[str, Any]:
    return {
        "entry_id": entry.pk,
        "symbol": entry.symbol,
        "kind": entry.kind,
        "amount": entry.amount,
        "blocked_change": entry.blocked_change,
        "short_change": entry.short_change,
        "quantity_after": entry.quantity_after,
        "blocked_after": entry.blocked_after,
        "short_after": entry.short_after,
        "trade_id": entry.trade_id and str(entry.trade_id),
        "execution": entry.execution,
        "note": entry.note,
        "at": rfc3339(entry.at),
    }
