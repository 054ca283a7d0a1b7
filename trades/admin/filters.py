"""Filters of the trade list that are more than the values of a column."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from brokerage.back_office import DayFilter as ByDay
from brokerage.back_office import TypedFilter
from trades.lifecycle import Stage
from trades.models import Trade, TradeRequest
from trades.selectors import first_id


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


class WaitsFilter(admin.SimpleListFilter):
    """Trades of which a request waits, or which wait themselves: each value is a partial index."""

    title = "what waits"
    parameter_name = "waits"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("unprocessed", "On their way"),
            ("unanswered", "Unanswered"),
            ("parked", "Parked"),
            ("desk", "On the desk"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Trade]) -> QuerySet[Trade]:
        if self.value() == "desk":
            return queryset.filter(desk__isnull=False)
        waiting = _WAITING.get(self.value() or "")
        if waiting is None:
            return queryset
        return queryset.filter(pk__in=TradeRequest.objects.filter(waiting).values("trade"))


_WAITING = {
    "unprocessed": ~Q(stage=Stage.SENT) & Q(outcome__isnull=True, parked__isnull=True),
    "unanswered": Q(stage=Stage.SENT, outcome__isnull=True),
    "parked": Q(parked__isnull=False),
}
