"""Holdings and their journal, to be read. Shares move through the ledger only."""

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
from brokerage.models import Trader
from holdings import selectors
from holdings.models import Holding, HoldingEntry

NEWEST = 50


class OwesFilter(admin.SimpleListFilter):
    """Holdings with a loan of the house, from their partial index."""

    title = "owes the house"
    parameter_name = "owes"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("shares", "Shares")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Holding]) -> QuerySet[Holding]:
        return queryset.filter(short__gt=0) if self.value() == "shares" else queryset


@admin.register(Holding)
class HoldingAdmin(ReadOnlyAdmin):
    list_display = ["trader", "symbol", "in_all", "held", "free", "owed", "updated_at"]
    list_display_links = ["trader", "symbol"]
    list_select_related = ["trader"]
    list_filter = [OwesFilter]
    search_fields = ["trader__name"]  # what is searched is decided below; without it there is no box
    search_help_text = "The trader's number, name or phone, or the share's symbol"
    ordering = ["trader", "symbol"]
    fields = ["owner", "symbol", "in_all", "held", "free", "owed", "updated_at", "journal"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Holding], search_term: str
    ) -> tuple[QuerySet[Holding], bool]:
        if not search_term.strip():
            return queryset, False
        of_symbol = queryset.filter(symbol=search_term.strip().upper())
        if of_symbol.exists():
            return of_symbol, False
        found = traders.search(Trader.objects.all(), search_term)
        return queryset.filter(trader__in=found.order_by().values("pk")), False

    @admin.display(description="trader")
    def owner(self, holding: Holding) -> SafeString:
        return admin_link("brokerage_trader_change", holding.trader, holding.trader_id)

    @admin.display(description="quantity", ordering="quantity")
    def in_all(self, holding: Holding) -> SafeString:
        return format_number(holding.quantity)

    @admin.display(description="blocked")
    def held(self, holding: Holding) -> SafeString:
        return format_number(holding.blocked)

    @admin.display(description="available")
    def free(self, holding: Holding) -> SafeString:
        return format_number(holding.available)

    @admin.display(description="short")
    def owed(self, holding: Holding) -> SafeString:
        return format_number(holding.short)

    @admin.display(description="newest movements")
    def journal(self, holding: Holding) -> SafeString:
        """The newest entries, each with what it left, and the way to all of them."""
        entries = selectors.entries_of(holding.trader_id, symbol=holding.symbol)[: NEWEST + 1]
        rows: list[list[Any]] = [
            [
                f"{entry.at:%Y-%m-%d %H:%M:%S}",
                admin_link("holdings_holdingentry_change", entry.get_kind_display(), entry.pk),
                format_change(entry.amount),
                format_change(entry.blocked_change),
                format_number(entry.quantity_after),
                format_number(entry.blocked_after),
                format_number(entry.quantity_after - entry.blocked_after),
                trade_link(entry.trade_id),
            ]
            for entry in entries
        ]
        if not rows:
            return EMPTY_VALUE
        headings = [
            "Time (UTC)",
            "What",
            "Quantity",
            "Blocked",
            "Quantity after",
            "Blocked after",
            "Available",
            "Trade",
        ]
        of_holding: dict[str, Any] = {"trader_id__exact": holding.trader_id, "symbol__exact": holding.symbol}
        every = admin_link("holdings_holdingentry_changelist", "All movements", **of_holding)
        return format_html("{}<p>{}</p>", html_table(headings, rows[:NEWEST]), every)


@admin.register(HoldingEntry)
class HoldingEntryAdmin(ReadOnlyAdmin):
    list_display = [
        *["when", "whose", "symbol", "kind", "moved", "held", "quantity", "blocked", "available", "trade"],
    ]
    list_filter = ["kind", DayFilter]
    search_fields = ["=trader_id", "=trade_id", "=execution", "=key"]
    search_help_text = "The trader's number, trade id, execution, or the key of a deposit or withdrawal"
    ordering = ["-id"]
    sortable_by = ()  # newest first is the order of the key; any other would sort the whole journal
    fields = [
        *["id", "when", "whose", "symbol", "kind", "contra", "moved", "held", "short_change"],
        *["quantity", "blocked", "available", "short_after", "trade", "trade_revision", "execution", "key", "note"],
    ]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[HoldingEntry], search_term: str
    ) -> tuple[QuerySet[HoldingEntry], bool]:
        return selectors.search_entries(queryset, search_term), False

    @admin.display(description="time (UTC)")
    def when(self, entry: HoldingEntry) -> str:
        return f"{entry.at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="trader")
    def whose(self, entry: HoldingEntry) -> SafeString:
        return admin_link("holdings_holding_changelist", entry.trader_id, trader__id__exact=entry.trader_id)

    @admin.display(description="quantity change")
    def moved(self, entry: HoldingEntry) -> SafeString:
        return format_change(entry.amount)

    @admin.display(description="blocked change")
    def held(self, entry: HoldingEntry) -> SafeString:
        return format_change(entry.blocked_change)

    @admin.display(description="quantity after")
    def quantity(self, entry: HoldingEntry) -> SafeString:
        return format_number(entry.quantity_after)

    @admin.display(description="blocked after")
    def blocked(self, entry: HoldingEntry) -> SafeString:
        return format_number(entry.blocked_after)

    @admin.display(description="available after")
    def available(self, entry: HoldingEntry) -> SafeString:
        return format_number(entry.quantity_after - entry.blocked_after)

    @admin.display(description="trade")
    def trade(self, entry: HoldingEntry) -> SafeString:
        return trade_link(entry.trade_id)
