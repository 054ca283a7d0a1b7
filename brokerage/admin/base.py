"""What the pages of the back office share: bases that only show, paging with an end, filters, links, numbers."""

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

MOST_COUNTED = 10_000


class AtLeast(int):
    """A number of rows beyond which nobody counted."""

    def __str__(self) -> str:
        return f"{int(self):,}+"


class CappedPaginator(Paginator):
    """Pages of a big table: counts to ten thousand, and then says "10,000+". Nobody leafs further; they search."""

    @cached_property
    def count(self) -> int:
        rows = cast("QuerySet[Any]", self.object_list)
        counted = rows.order_by()[: MOST_COUNTED + 1].count()
        return counted if counted <= MOST_COUNTED else AtLeast(MOST_COUNTED)


class ReadOnly:
    """Nobody adds, changes or deletes here, not even a superuser: it is changed by what happens, never by hand."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ListOfAnySize(ChangeList):
    """A list that knows without counting that it shows everything, when nothing was asked for."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not self.query and not self.has_active_filters:
            self.full_result_count = self.result_count


class ListedAdmin(admin.ModelAdmin):
    """A list of any size: fifty to a page, never counted to its end."""

    list_per_page = 50
    list_max_show_all = 200
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # they count every value of every filter
    paginator = CappedPaginator

    class Media:
        css = {"all": ["brokerage/back_office.css"]}

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        return ListOfAnySize

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        plural = str(self.opts.verbose_name_plural)
        return super().changelist_view(request, {"title": plural.capitalize(), **(extra_context or {})})


class ReadOnlyAdmin(ReadOnly, ListedAdmin):
    """A list and its pages, to be read."""


class RecordedAdmin(ListedAdmin):
    """What is changed here is kept with the value before and the value after, in the log of who did what."""

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> list[dict[str, Any]]:
        told = super().construct_change_message(request, form, formsets, add)
        shown = [name for name in form.changed_data if name in form.fields and "password" not in name]
        if not add and shown:
            told[0]["changed"]["fields"] = [_change(form, name) for name in shown]
        return told


def _change(form: Any, name: str) -> str:
    label = form.fields[name].label or name
    before, after = (_words(values.get(name)) for values in (form.initial, form.cleaned_data))
    return f"{label} ({before} → {after})"


def _words(value: Any) -> str:
    """A value of a form as the log keeps it: yes and no, a list by its members, a dash for nothing."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | QuerySet):
        return ", ".join(sorted(map(str, value))) or "-"
    return "-" if value is None or value == "" else str(value)


class TypedFilter(admin.SimpleListFilter):
    """A few values to click, and a field for any other."""

    template = "admin/brokerage/typed_filter.html"
    input_type = "text"
    parameter_name: str

    def has_output(self) -> bool:
        return True

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return []

    def choices(self, changelist: ChangeList) -> Any:
        kept = changelist.get_query_string(remove=[self.parameter_name, "p"])
        self.kept = parse_qsl(kept.removeprefix("?"))  # the form carries the other filters along
        return super().choices(changelist)


class DayFilter(TypedFilter):
    """One day, in UTC, of the time in `field`."""

    title = "day (UTC)"
    parameter_name = "day"
    input_type = "date"
    field = "at"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        today = timezone.now().date()
        return [(today.isoformat(), "Today"), ((today - timedelta(days=1)).isoformat(), "Yesterday")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not (given := self.value()):
            return queryset
        try:
            day = date.fromisoformat(given)
            begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
            end = begin + timedelta(days=1)
        except (ValueError, OverflowError):
            return queryset.none()
        return self.between(queryset, begin, end)

    def between(self, queryset: QuerySet[Any], begin: datetime, end: datetime) -> QuerySet[Any]:
        """Those from `begin` until before `end`."""
        return queryset.filter(**{f"{self.field}__gte": begin, f"{self.field}__lt": end})


def day_of(field_name: str) -> type[DayFilter]:
    """A filter by the day of this field."""
    return type("DayFilter", (DayFilter,), {"field": field_name})


def link(page: str, text: Any, *args: Any, title: str = "", **query: Any) -> SafeString:
    """A link to a page of the admin by its name; the bare text where this installation has no such page.

    Pages are named, not imported: a journal may lead to its trade and yet know nothing of trades.
    """
    try:
        address = reverse(f"admin:{page}", args=args)
    except NoReverseMatch:
        return format_html("{}", text)
    if query:
        address += f"?{urlencode(query)}"
    return format_html('<a href="{}" title="{}">{}</a>', address, title, text)


def trade_link(trade_id: Any) -> SafeString:
    """A link to the trade of a movement; the ids of trades differ in their ends."""
    return link("trades_trade_change", f"…{str(trade_id)[-8:]}", trade_id, title=str(trade_id)) if trade_id else DASH


def number(amount: Decimal | int) -> SafeString:
    """A number for a column: thousands apart, and right-aligned with the others."""
    return format_html('<span class="number">{}</span>', grouped(amount))


def change(amount: Decimal | int) -> SafeString:
    """A change for a column: with its sign; nothing where nothing changed."""
    shown = f"{'+' if amount > 0 else ''}{grouped(amount)}" if amount else ""
    return format_html('<span class="number">{}</span>', shown)


def table(headings: list[str], rows: list[list[Any]]) -> SafeString:
    """A table within a page."""
    head = format_html_join("", "<th>{}</th>", ((heading,) for heading in headings))
    body = format_html_join(
        "", "<tr>{}</tr>", ((format_html_join("", "<td>{}</td>", ((cell,) for cell in row)),) for row in rows)
    )
    return format_html('<table class="journal"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>', head, body)


DASH = SafeString("-")
