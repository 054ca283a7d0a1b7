"""The doors to trades: read the call, hand it to intake or to a query, return what came of it."""

from datetime import datetime
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.http import Http404, HttpResponse
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from brokerage.api.authentication import resolve_trader_id
from brokerage.api.pagination import Cursor, paginate
from brokerage.api.serializers import EmptyBodySerializer
from brokerage.models import User
from trades.api.request_context import IntakeView, accepted_response, etag, if_match, request_context
from trades.api.serializers import ChangeSerializer, NewTradeSerializer, TradeListQuery
from trades.core.representation import to_dict
from trades.intake import accept, change
from trades.models import Trade
from trades.models.fields import first_id
from trades.queries import selectors

PATH = "/api/v1/trades"

_CLOCK_SKEW_S = 60.0
"""How far the time in a trade's id may be from its `created_at`, which another line of the code took."""


class TradesView(IntakeView):
    """GET: a page of trades. POST: place a new one."""

    def get(self, request: Request) -> Response:
        return Response(list_trades(request, **TradeListQuery.read_query(request)))

    def post(self, request: Request) -> HttpResponse:
        terms = NewTradeSerializer.read(request.data)
        trader_id = resolve_trader_id(request.user, terms.pop("trader_id", None))
        terms.pop("confirm_duplicate", None)
        order = accept.Order(**terms)
        context = request_context(request, trader_id=trader_id, path=PATH, client_reference=order.client_reference)
        stored = accept.place(order, context=context)
        return accepted_response(stored, Location=f"{PATH}/{stored.trade_id}")


class TradeView(IntakeView):
    """GET: the trade as it is now. PATCH: ask for other terms. DELETE: ask for its end."""

    def get(self, request: Request, trade_ref: str) -> Response:
        found = selectors.find_with_requests(trade_ref, trader_id=visible_trader_id(request.user))
        if found is None:
            raise Http404
        trade, requests = found
        return Response(to_dict(trade, requests, now=timezone.now()), headers={"ETag": etag(trade.revision)})

    def patch(self, request: Request, trade_ref: str) -> HttpResponse:
        terms = ChangeSerializer.read(request.data)
        trade = get_trade_or_404(request.user, trade_ref)
        context = request_context(request, trader_id=trade.trader_id, path=f"{PATH}/{trade.pk}")
        stored = change.amend(trade.pk, context=context, check=if_match(request), **terms)
        return accepted_response(stored)

    def delete(self, request: Request, trade_ref: str) -> HttpResponse:
        EmptyBodySerializer.read(request.data)
        trade = get_trade_or_404(request.user, trade_ref)
        context = request_context(request, trader_id=trade.trader_id, path=f"{PATH}/{trade.pk}")
        stored = change.cancel(trade.pk, context=context, check=if_match(request))
        return accepted_response(stored)


def visible_trader_id(user: User | AnonymousUser) -> int | None:
    """Return the only trader whose trades `user` sees; None for staff, who see everybody's."""
    return None if user.is_staff else resolve_trader_id(user, None)


def get_trade_or_404(user: User | AnonymousUser, trade_ref: str) -> Trade:
    """Return the trade that an address names, unlocked. Raises Http404 if it is none that `user` sees."""
    own = visible_trader_id(user)
    trades = Trade.objects.all() if own is None else Trade.objects.filter(trader_id=own)
    trade = selectors.find(trades, trade_ref)
    if trade is None:
        raise Http404
    return trade


def list_trades(
    request: Request,
    *,
    limit: int,
    cursor: Cursor | None = None,
    trader_id: int | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
    **equal: str,
) -> dict[str, Any]:
    """Return a page of the trades that the user sees and the filters match, newest first: two queries."""
    trades = selectors.trades().filter(**equal)
    if trader_id is not None or not request.user.is_staff:
        trades = trades.filter(trader_id=resolve_trader_id(request.user, trader_id))
    if created_after is not None:
        trades = trades.filter(
            created_at__gt=created_after, pk__gte=first_id(created_after.timestamp() - _CLOCK_SKEW_S)
        )
    if created_before is not None:
        trades = trades.filter(
            created_at__lt=created_before, pk__lt=first_id(created_before.timestamp() + _CLOCK_SKEW_S)
        )
    now = timezone.now()
    return paginate(
        request,
        trades,
        lambda trade: to_dict(trade, trade.requests.all(), now=now),
        limit=limit,
        cursor=cursor,
    )
