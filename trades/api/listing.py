"""Which trades a caller sees, and a page of them."""

from datetime import datetime
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.http import Http404
from django.utils import timezone
from rest_framework.request import Request

from brokerage.api.callers import trader_for
from brokerage.api.paging import page
from brokerage.models import User
from trades.core.representation import to_dict
from trades.models import Trade
from trades.models.fields import first_id
from trades.queries import selectors

_APART = 60.0
"""Seconds that the time in a trade's id may be from its `created_at`, which another line of the code took."""


def seen_by(user: User | AnonymousUser) -> int | None:
    """The only trader whose trades `user` sees; None for staff, who see everybody's."""
    return None if user.is_staff else trader_for(user, None)


def trade_for(user: User | AnonymousUser, spoken: str) -> Trade:
    """The trade that an address names, unlocked. Raises Http404 if it is none that `user` sees."""
    own = seen_by(user)
    trades = Trade.objects.all() if own is None else Trade.objects.filter(trader_id=own)
    trade = selectors.find(trades, spoken)
    if trade is None:
        raise Http404
    return trade


def trade_page(
    request: Request,
    *,
    limit: int,
    cursor: Any = None,
    trader_id: int | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
    **equal: str,
) -> dict[str, Any]:
    """A page of the trades that the caller sees and the filters meet, newest first: two queries."""
    trades = selectors.trades().filter(**equal)
    if trader_id is not None or not request.user.is_staff:
        trades = trades.filter(trader_id=trader_for(request.user, trader_id))
    if created_after is not None:
        trades = trades.filter(created_at__gt=created_after, pk__gte=first_id(created_after.timestamp() - _APART))
    if created_before is not None:
        trades = trades.filter(created_at__lt=created_before, pk__lt=first_id(created_before.timestamp() + _APART))
    now = timezone.now()
    return page(
        request,
        trades,
        lambda trade: to_dict(trade, trade.requests.all(), now=now),
        limit=limit,
        cursor=cursor,
    )
