"""Base classes of the admin, and the cells of its columns: read-only pages, capped paging, filters, links, numbers."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from brokerage.money import grouped

COUNT_LIMIT = 10_000
"""Rows that a list counts, at most."""

EMPTY_VALUE = SafeString("-")


class CappedCount(int):
    """A count that was broken off, shown as "10,000+"."""

    def __str__(self) -> str:
        return f"{int(self):,}+"


class CappedPaginator(Paginator):
    """Page through a table of any size: count to `COUNT_LIMIT` only. Beyond it people search."""

    @cached_property
    def count(self) -> int:
        rows = cast("QuerySet[Any]", self.object_list)
        counted = rows.order_by()[: COUNT_LIMIT + 1].count()
        return counted if counted <= COUNT_LIMIT else CappedCount(COUNT_LIMIT)


class ReadOnlyMixin:
    """Deny adding, changing and deleting to everybody, superusers included: only the system changes these rows."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class LargeTableChangeList(ChangeList):
    """A list that does not count the whole table again when it is neither searched nor filtered."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not self.query and not self.has_active_filters:
            self.full_result_count = self.result_count


class LargeTableAdmin(admin.ModelAdmin):
    """List a table of any size: fifty rows to a page, counted to `COUNT_LIMIT` only."""

    list_per_page = 50
    list_max_show_all = 200
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # facets count every value of every filter
    paginator = CappedPaginator

    class Media:
        css = {"all": ["brokerage/back_office.css"]}

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        return LargeTableChangeList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        plural = str(self.opts.verbose_name_plural)
        return super().changelist_view(request, {"title": plural.capitalize(), **(extra_context or {})})


class ReadOnlyAdmin(ReadOnlyMixin, LargeTableAdmin):
    """List rows and show each on a page, read-only."""


class ChangeLoggingAdmin(LargeTableAdmin):
    """Record each changed field in the admin's log with the value before and the value after."""

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> list[dict[str, Any]]:
        message = super().construct_change_message(request, form, formsets, add)
        changed = [name for name in form.changed_data if name in form.fields and "password" not in name]
        if not add and changed:
            message[0]["changed"]["fields"] = [_describe_change(form, name) for name in changed]
        return message


def _describe_change(form: Any, name: str) -> str:
    label = form.fields[name].label or name
    before, after = (_format_form_value(values.get(name)) for values in (form.initial, form.cleaned_data))
    return f"{label} ({before} → {after})"


def _format_form_value(value: Any) -> str:
    """Format a form's value for the log: yes or no, a list by its members, a dash for nothing."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | QuerySet):
        return ", ".join(sorted(map(str, value))) or "-"
    return "-" if value is None or value == "" else str(value)


class InputFilter(admin.SimpleListFilter):
    """Filter by a few values to click, or by any other typed into a field."""

    template = "admin/brokerage/input_filter.html"
    input_type = "text"
    parameter_name: str

    def has_output(self) -> bool:
        return True

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return []

    def choices(self, changelist: ChangeList) -> Any:
        other_filters = changelist.get_query_string(remove=[self.parameter_name, "p"])
        self.hidden_inputs = parse_qsl(other_filters.removeprefix("?"))  # the form carries them along
        return super().choices(changelist)


class DayFilter(InputFilter):
    """Filter by one day, in UTC, of the time in `field`."""

    title = "day (UTC)"
    parameter_name = "day"
    input_type = "date"
    field = "at"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        today = timezone.now().date()
        return [(today.isoformat(), "Today"), ((today - timedelta(days=1)).isoformat(), "Yesterday")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not (value := self.value()):
            return queryset
        try:
            day = date.fromisoformat(value)
            begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
            end = begin + timedelta(days=1)
        except (ValueError, OverflowError):
            return queryset.none()
        return self.between(queryset, begin, end)

    def between(self, queryset: QuerySet[Any], begin: datetime, end: datetime) -> QuerySet[Any]:
        """Return the rows from `begin` on and before `end`."""
        return queryset.filter(**{f"{self.field}__gte": begin, f"{self.field}__lt": end})


def day_filter(field_name: str) -> type[DayFilter]:
    """Return a filter by the day of this field."""
    return type("DayFilter", (DayFilter,), {"field": field_name})


def admin_link(page: str, text: Any, *args: Any, title: str = "", **query: Any) -> SafeString:
    """Return a link to a page of the admin by its name; the bare text if there is no such page.

    Pages are named, not imported: a journal may link to its trade and yet know nothing about trades.
    """
    try:
        url = reverse(f"admin:{page}", args=args)
    except NoReverseMatch:
        return format_html("{}", text)
    if query:
        url += f"?{urlencode(query)}"
    return format_html('<a href="{}" title="{}">{}</a>', url, title, text)


def trade_link(trade_id: Any) -> SafeString:
    """Return a link to a trade; its text is the end of the id, where ids differ."""
    if not trade_id:
        return EMPTY_VALUE
    return admin_link("trades_trade_change", f"…{str(trade_id)[-8:]}", trade_id, title=str(trade_id))


def format_number(amount: Decimal | int) -> SafeString:
    """Format a number for a column: thousands separated, right-aligned."""
    return format_html('<span class="number">{}</span>', grouped(amount))


def format_change(amount: Decimal | int) -> SafeString:
    """Format a change for a column: with its sign; empty if it is 0."""
    text = f"{'+' if amount > 0 else ''}{grouped(amount)}" if amount else ""
    return format_html('<span class="number">{}</span>', text)


def html_table(headings: list[str], rows: list[list[Any]]) -> SafeString:
    """Return a table to stand within a page."""
    head = format_html_join("", "<th>{}</th>", ((heading,) for heading in headings))
    body = format_html_join(
        "", "<tr>{}</tr>", ((format_html_join("", "<td>{}</td>", ((cell,) for cell in row)),) for row in rows)
    )
    return format_html('<table class="journal"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>', head, body)
