"""Filters of the trade list whose values are typed, because there are too many to list."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from trades.models import Trade
from trades.selectors import first_id


class TypedFilter(admin.SimpleListFilter):
    """A few values to click, and a field for any other."""

    template = "admin/trades/trade/typed_filter.html"
    input_type = "text"

    def has_output(self) -> bool:
        return True

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return []

    def choices(self, changelist: ChangeList) -> Any:
        kept = changelist.get_query_string(remove=[self.parameter_name, "p"])
        self.kept = parse_qsl(kept.removeprefix("?"))  # the form carries the other filters along
        return super().choices(changelist)


class SymbolFilter(TypedFilter):
    title = "symbol"
    parameter_name = "symbol"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Trade]) -> QuerySet[Trade]:
        return queryset.filter(symbol=self.value().strip().upper()) if self.value() else queryset


class DayFilter(TypedFilter):
    """The day on which a trade was received, in UTC: a stretch of the primary key, so it needs no index."""

    title = "day (UTC)"
    parameter_name = "day"
    input_type = "date"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        today = timezone.now().date()
        return [(today.isoformat(), "Today"), ((today - timedelta(days=1)).isoformat(), "Yesterday")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Trade]) -> QuerySet[Trade]:
        if not self.value():
            return queryset
        try:
            day = date.fromisoformat(self.value())
            begin = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
        except ValueError:
            return queryset.none()
        return queryset.filter(pk__gte=first_id(begin), pk__lt=first_id(begin + timedelta(days=1).total_seconds()))
