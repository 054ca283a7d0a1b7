"""Filters of the trade list that are more than the values of a column."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from brokerage.admin.base import DayFilter as ByDay
from brokerage.admin.base import TypedFilter
from trades.lifecycle import Stage
from trades.models import PendingRevision, Trade, TradeRequest
from trades.models.fields import first_id


class SymbolFilter(TypedFilter):
    title = "symbol"
    parameter_name = "symbol"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Trade]) -> QuerySet[Trade]:
        given = self.value()
        return queryset.filter(symbol=given.strip().upper()) if given else queryset


class DayFilter(ByDay):
    """The day on which a trade was received: a stretch of the primary key, so it needs no index."""

    def between(self, queryset: QuerySet[Trade], begin: datetime, end: datetime) -> QuerySet[Trade]:
        return queryset.filter(pk__gte=first_id(begin.timestamp()), pk__lt=first_id(end.timestamp()))


# What waits, and whose trades they are; requests and trades are found by their partial indexes.
_WAITING: dict[str, tuple[str, QuerySet[Any, Any]]] = {
    "unprocessed": (
        "On their way",
        TradeRequest.objects.filter(~Q(stage=Stage.SENT), outcome__isnull=True, parked__isnull=True).values("trade"),
    ),
    "unanswered": (
        "Unanswered",
        TradeRequest.objects.filter(stage=Stage.SENT, outcome__isnull=True).values("trade"),
    ),
    "parked": ("Parked", TradeRequest.objects.filter(parked__isnull=False).values("trade")),
    "desk": ("On the desk", Trade.objects.filter(recon_break__isnull=False).values("pk")),
    "execution": ("Early corrections", PendingRevision.objects.values("trade_id")),
}


class WaitsFilter(admin.SimpleListFilter):
    """Trades that wait for a person, or of which a request waits, or a bust or correction for its execution."""

    title = "what waits"
    parameter_name = "waits"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value, name) for value, (name, _) in _WAITING.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Trade]) -> QuerySet[Trade]:
        if (value := self.value()) not in _WAITING:
            return queryset
        _, trades = _WAITING[value]
        return queryset.filter(pk__in=trades)
