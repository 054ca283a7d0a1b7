"""Filters of the trade list that are more than the values of a column."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from brokerage.admin.base import DayFilter, InputFilter
from trades.lifecycle import Stage
from trades.models import PendingRevision, Trade, TradeRequest
from trades.models.fields import first_id


class SymbolFilter(InputFilter):
    title = "symbol"
    parameter_name = "symbol"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Trade]) -> QuerySet[Trade]:
        symbol = self.value()
        return queryset.filter(symbol=symbol.strip().upper()) if symbol else queryset


class ReceivedDayFilter(DayFilter):
    """Filter by the day on which a trade was received: a range of the primary key, so it needs no index of its own."""

    def between(self, queryset: QuerySet[Trade], begin: datetime, end: datetime) -> QuerySet[Trade]:
        return queryset.filter(pk__gte=first_id(begin.timestamp()), pk__lt=first_id(end.timestamp()))


# By the filter's value: its label, and the ids of the trades, found by partial indexes.
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
    "break": ("Reconciliation breaks", Trade.objects.filter(recon_break__isnull=False).values("pk")),
    "execution": ("Early corrections", PendingRevision.objects.values("trade_id")),
}


class WaitsFilter(admin.SimpleListFilter):
    """Filter trades by what waits: the trade for a person, a request for a step, a revision for its execution."""

    title = "what waits"
    parameter_name = "waits"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value, label) for value, (label, _) in _WAITING.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Trade]) -> QuerySet[Trade]:
        if (value := self.value()) not in _WAITING:
            return queryset
        _, trade_ids = _WAITING[value]
        return queryset.filter(pk__in=trade_ids)
