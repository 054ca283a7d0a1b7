"""The doors to trades: read the call, ask the service, answer."""

from django.http import Http404, HttpResponse
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from brokerage.api.callers import trader_for
from brokerage.api.fields import Nothing
from trades.api.listing import seen_by, trade_for, trade_page
from trades.api.request_context import AcceptingView, accepted, caller_of, etag, must_match
from trades.api.serializers import Change, Filters, NewTrade
from trades.core.representation import to_dict
from trades.intake import accept, change
from trades.queries import selectors

PATH = "/api/v1/trades"


class TradesView(AcceptingView):
    """GET: a page of trades. POST: ask for a new one."""

    def get(self, request: Request) -> Response:
        return Response(trade_page(request, **Filters.read_query(request)))

    def post(self, request: Request) -> HttpResponse:
        wanted = NewTrade.read(request.data)
        trader_id = trader_for(request.user, wanted.pop("trader_id", None))
        wanted.pop("confirm_duplicate", None)
        order = accept.Order(**wanted)
        context = caller_of(request, trader_id=trader_id, path=PATH, client_reference=order.client_reference)
        answer = accept.place(order, context=context)
        return accepted(answer, Location=f"{PATH}/{answer.trade_id}")


class TradeView(AcceptingView):
    """GET: the trade as it is now. PATCH: ask for other terms. DELETE: ask for its end."""

    def get(self, request: Request, spoken: str) -> Response:
        found = selectors.find_with_requests(spoken, trader_id=seen_by(request.user))
        if found is None:
            raise Http404
        trade, requests = found
        picture = to_dict(trade, requests, now=timezone.now())
        return Response(picture, headers={"ETag": etag(trade.revision)})

    def patch(self, request: Request, spoken: str) -> HttpResponse:
        wanted = Change.read(request.data)
        trade = trade_for(request.user, spoken)
        context = caller_of(request, trader_id=trade.trader_id, path=f"{PATH}/{trade.pk}")
        answer = change.amend(trade.pk, context=context, check=must_match(request), **wanted)
        return accepted(answer)

    def delete(self, request: Request, spoken: str) -> HttpResponse:
        Nothing.read(request.data)
        trade = trade_for(request.user, spoken)
        context = caller_of(request, trader_id=trade.trader_id, path=f"{PATH}/{trade.pk}")
        answer = change.cancel(trade.pk, context=context, check=must_match(request))
        return accepted(answer)
