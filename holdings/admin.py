"""Holdings and their journal, to be read. Shares move through the ledger only."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from brokerage.admin.base import admin_link
from brokerage.admin.journal import (
    AccountAdmin,
    JournalEntryAdmin,
    LoanFilter,
    change_column,
    newest_entries,
    number_column,
)
from holdings import selectors
from holdings.models import Holding, HoldingEntry


class ShortFilter(LoanFilter):
    choice = ("shares", "Shares")
    field = "short"


@admin.register(Holding)
class HoldingAdmin(AccountAdmin):
    list_display = [
        *["trader", "symbol", "quantity_number", "blocked_number", "available_number", "short_number", "updated_at"],
    ]
    list_display_links = ["trader", "symbol"]
    list_filter = [ShortFilter]
    search_help_text = "The trader's number, name or phone, or the share's symbol"
    ordering = ["trader", "symbol"]
    fields = [
        *["trader_link", "symbol", "quantity_number", "blocked_number", "available_number", "short_number"],
        *["updated_at", "journal"],
    ]

    quantity_number = number_column("quantity", ordering="quantity")
    short_number = number_column("short")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        of_symbol = queryset.filter(symbol=search_term.strip().upper())
        if search_term.strip() and of_symbol.exists():
            return of_symbol, False
        return super().get_search_results(request, queryset, search_term)

    @admin.display(description="newest movements")
    def journal(self, holding: Holding) -> SafeString:
        entries = selectors.entries_of(holding.trader_id, symbol=holding.symbol)
        return newest_entries(
            entries, total="quantity", trader_id__exact=holding.trader_id, symbol__exact=holding.symbol
        )


@admin.register(HoldingEntry)
class HoldingEntryAdmin(JournalEntryAdmin):
    list_display = [
        *["time", "holdings", "symbol", "kind", "quantity_difference", "blocked_difference"],
        *["quantity_number", "blocked_number", "available_number", "trade"],
    ]
    fields = [
        *["id", "time", "holdings", "symbol", "kind", "contra"],
        *["quantity_difference", "blocked_difference", "short_change"],
        *["quantity_number", "blocked_number", "available_number", "short_after"],
        *["trade", "trade_revision", "execution", "key", "note"],
    ]

    quantity_difference = change_column("amount", "quantity change")
    quantity_number = number_column("quantity_after", "quantity after")

    @admin.display(description="trader")
    def holdings(self, entry: HoldingEntry) -> SafeString:
        return admin_link("holdings_holding_changelist", entry.trader_id, trader__id__exact=entry.trader_id)
