"""Whose report it is: the trade that a message of the exchange names, by any of its requests or by itself."""

from collections.abc import Sequence
from uuid import UUID

from exchange.fix.messages import CancelReject, ExecutionReport
from trades.models import Trade, TradeRequest
from trades.models.fields import uuid_or_none


def route(messages: Sequence[ExecutionReport | CancelReject]) -> list[UUID | None]:
    """Return the trade that each message is about; None if it names no request and no trade of ours. Two queries."""
    named = [[found for text in (m.cl_ord_id, m.trade_ref) if (found := uuid_or_none(text))] for m in messages]
    names = {name for several in named for name in several}
    trade_of = dict(TradeRequest.objects.filter(pk__in=names).values_list("pk", "trade_id"))
    trade_of |= {pk: pk for pk in Trade.objects.filter(pk__in=names).values_list("pk", flat=True)}
    return [next((trade_of[name] for name in several if name in trade_of), None) for several in named]
