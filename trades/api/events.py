"""The timeline of a trade as data: what happened, in words and numbers, and the money and shares that moved."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from brokerage.api.serializers import rfc3339
from holdings.api.views import serialize_entry as serialize_holding_entry
from trades.api.serializers import TimelineQuery
from trades.api.views import get_trade_or_404
from trades.models import Trade, TradeRequest
from trades.models.reference import format_reference
from trades.queries import descriptions, timeline
from wallets.api.views import serialize_entry as serialize_wallet_entry


class EventsView(APIView):
    """GET: what happened to the trade, oldest first; behind a revision, if one is given."""

    def get(self, request: Request, trade_ref: str) -> Response:
        query = TimelineQuery.read_query(request)
        trade = get_trade_or_404(request.user, trade_ref)
        entries = timeline.read(trade.pk, after=query["after"], limit=query["limit"]).entries
        last = entries[-1].event.seq if len(entries) == query["limit"] else None
        return Response(
            {
                "trade_id": str(trade.pk),
                "reference": format_reference(trade.reference),
                "results": [serialize_event(trade, entry) for entry in entries],
                "next": last and replace_query_param(request.build_absolute_uri(), "after", last),
            }
        )


def serialize_event(trade: Trade, entry: timeline.TimelineEntry) -> dict[str, Any]:
    event = entry.event
    return {
        "revision": event.seq,
        "at": rfc3339(event.at),
        "kind": event.kind,
        "status": event.status,
        "text": descriptions.describe_event(trade, event, entry.request),
        "request": entry.request and _serialize_request(entry.request),
        "seconds": entry.elapsed.total_seconds() if entry.elapsed is not None else None,
        "data": event.data,
        "cash": [serialize_wallet_entry(movement) for movement in entry.cash],
        "shares": [serialize_holding_entry(movement) for movement in entry.shares],
    }


def _serialize_request(request: TradeRequest) -> dict[str, Any]:
    return {
        "request_id": str(request.pk),
        "seq": request.seq,
        "kind": request.kind,
        "channel": request.channel,
        "placed_by": request.placed_by,
    }
