"""Admin pages of accounts (wallets, holdings) and of their journals: to be read, and searched by trader or entry."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from brokerage import traders
from brokerage.admin.base import (
    EMPTY_VALUE,
    DayFilter,
    ReadOnlyAdmin,
    admin_link,
    format_change,
    format_number,
    html_table,
    trade_link,
)
from brokerage.journal.entries import search_entries
from brokerage.models import Trader

Column = Callable[[Any, Any], SafeString]

NEWEST = 50
"""Entries on the page of an account; the journal's own list has all of them."""


def number_column(field: str, heading: str | None = None, *, ordering: str | None = None) -> Column:
    """Return a column for an admin class that shows the number in `field`, right-aligned."""

    @admin.display(description=heading or field, ordering=ordering)
    def column(_: Any, row: Any) -> SafeString:
        return format_number(getattr(row, field))

    return column


def change_column(field: str, heading: str) -> Column:
    """Return a column for an admin class that shows the change in `field`, signed; blank where it is 0."""

    @admin.display(description=heading)
    def column(_: Any, row: Any) -> SafeString:
        return format_change(getattr(row, field))

    return column


class LoanFilter(admin.SimpleListFilter):
    """Accounts with a loan of the house, from their partial index."""

    title = "owes the house"
    parameter_name = "owes"
    choice: tuple[str, str]
    field: str

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [self.choice]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**{f"{self.field}__gt": 0}) if self.value() == self.choice[0] else queryset


class AccountAdmin(ReadOnlyAdmin):
    """A wallet or a holding. Subclasses name its total and its loan."""

    list_select_related = ["trader"]
    search_fields = ["trader__name"]  # shows the search box; get_search_results decides what is searched

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term.strip():
            return queryset, False
        found = traders.search(Trader.objects.all(), search_term)
        return queryset.filter(trader__in=found.order_by().values("pk")), False

    @admin.display(description="trader")
    def trader_link(self, account: Any) -> SafeString:
        return admin_link("brokerage_trader_change", account.trader, account.trader_id)

    blocked_number = number_column("blocked")
    available_number = number_column("available")


def newest_entries(entries: QuerySet[Any], *, total: str, **account: Any) -> SafeString:
    """Return a table of the newest entries with the figures after each, and a link to all entries of the account.

    `total` is the figure that `amount` changes, "balance" say; `account` the parameters that select the account in the
    journal's list.
    """
    page = f"{entries.model._meta.app_label}_{entries.model._meta.model_name}"
    rows: list[list[Any]] = [
        [
            f"{entry.at:%Y-%m-%d %H:%M:%S}",
            admin_link(f"{page}_change", entry.get_kind_display(), entry.pk),
            format_change(entry.amount),
            format_change(entry.blocked_change),
            format_number(getattr(entry, f"{total}_after")),
            format_number(entry.blocked_after),
            format_number(entry.available_after),
            trade_link(entry.trade_id),
        ]
        for entry in entries[:NEWEST]
    ]
    if not rows:
        return EMPTY_VALUE
    headings = [
        *("Time (UTC)", "What", total.capitalize(), "Blocked"),
        *(f"{total.capitalize()} after", "Blocked after", "Available", "Trade"),
    ]
    every = admin_link(f"{page}_changelist", "All movements", **account)
    return format_html("{}<p>{}</p>", html_table(headings, rows), every)


class JournalEntryAdmin(ReadOnlyAdmin):
    """A journal. Subclasses name the total that its entries change."""

    list_filter = ["kind", DayFilter]
    search_fields = ["=trader_id", "=trade_id", "=execution", "=key"]
    search_help_text = "The trader's number, trade id, execution, or the key of a deposit or withdrawal"
    ordering = ["-id"]
    sortable_by = ()  # newest first is the order of the key; any other would sort the whole journal

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return search_entries(queryset, search_term), False

    @admin.display(description="time (UTC)")
    def time(self, entry: Any) -> str:
        return f"{entry.at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="trade")
    def trade(self, entry: Any) -> SafeString:
        return trade_link(entry.trade_id)

    blocked_difference = change_column("blocked_change", "blocked change")
    blocked_number = number_column("blocked_after", "blocked after")
    available_number = number_column("available_after", "available after")
