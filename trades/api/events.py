"""The timeline of a trade as data: what happened, in words and numbers, and the money and shares that moved."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from brokerage.api.times import rfc3339
from holdings.api.views import entry_picture as share_picture
from trades.api.listing import trade_for
from trades.api.serializers import Since
from trades.models import Trade, TradeRequest
from trades.models.reference import shown
from trades.queries import descriptions, timeline
from wallets.api.views import entry_picture as cash_picture


class EventsView(APIView):
    """GET: what happened to the trade, oldest first; behind a revision, if one is given."""

    def get(self, request: Request, spoken: str) -> Response:
        wanted = Since.read_query(request)
        trade = trade_for(request.user, spoken)
        entries = timeline.read(trade.pk, after=wanted["after"], limit=wanted["limit"]).entries
        last = entries[-1].event.seq if len(entries) == wanted["limit"] else None
        following = last and replace_query_param(request.build_absolute_uri(), "after", last)
        return Response(
            {
                "trade_id": str(trade.pk),
                "reference": shown(trade.reference),
                "results": [entry_picture(trade, entry) for entry in entries],
                "next": following,
            }
        )


def entry_picture(trade: Trade, entry: timeline.TimelineEntry) -> dict[str, Any]:
    event = entry.event
    return {
        "revision": event.seq,
        "at": rfc3339(event.at),
        "kind": event.kind,
        "status": event.status,
        "text": descriptions.describe_event(trade, event, entry.request),
        "request": entry.request and _request_picture(entry.request),
        "seconds": entry.elapsed.total_seconds() if entry.elapsed is not None else None,
        "data": event.data,
        "cash": [cash_picture(movement) for movement in entry.cash],
        "shares": [share_picture(movement) for movement in entry.shares],
    }


def _request_picture(request: TradeRequest) -> dict[str, Any]:
    return {
        "request_id": str(request.pk),
        "seq": request.seq,
        "kind": request.kind,
        "channel": request.channel,
        "placed_by": request.placed_by,
    }
