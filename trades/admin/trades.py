"""The admin's list of trades, searched by whatever a caller can say, and the page of one trade."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from brokerage.admin.base import EMPTY_VALUE, ReadOnlyAdmin, format_number
from brokerage.money import average_price, grouped
from trades.admin.badges import badge
from trades.admin.filters import ReceivedDayFilter, SymbolFilter, WaitsFilter
from trades.admin.trade_page import trade_page_context
from trades.lifecycle import Side
from trades.models import Trade
from trades.queries import selectors


@admin.register(Trade)
class TradeAdmin(ReadOnlyAdmin):
    list_display = [
        "reference_code",
        "status_badge",
        "side_and_symbol",
        "filled_of_quantity",
        "limit_price",
        "average_price",
        "trader",
        "channel",
        "received",
    ]
    list_filter = ["status", "side", SymbolFilter, "channel", ReceivedDayFilter, WaitsFilter]
    list_select_related = ["trader"]
    ordering = ["-pk"]
    sortable_by = ()  # newest first is the order of the key; any other would sort the whole table
    search_fields = ["reference"]  # get_search_results decides; without it there is no search box
    search_help_text = (
        "Reference (7K3M-9QX2, however it is written), trade id, client reference, symbol; trader's number, name, phone"
    )
    fields = ()
    change_form_template = "admin/trades/trade/page.html"

    class Media:
        css = {"all": ["trades/back_office.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Trade]:
        return super().get_queryset(request).select_related("trader")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"title": "Trades", **(extra_context or {})})

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Trade], search_term: str
    ) -> tuple[QuerySet[Trade], bool]:
        return selectors.search(queryset, search_term), False

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Trade | None = None,
    ) -> HttpResponse:
        """Show the trade's page in place of a form. `?from=7` shows the timeline behind entry 7."""
        given = request.GET.get("from", "")
        after = int(given) if given.isascii() and given.isdecimal() and len(given) < 10 else None
        if obj is not None:
            context |= trade_page_context(obj, after=after)
        return super().render_change_form(request, context, add, change, form_url, obj)

    @admin.display(description="reference")
    def reference_code(self, trade: Trade) -> str:
        return str(trade)

    @admin.display(description="status")
    def status_badge(self, trade: Trade) -> SafeString:
        return badge(trade.status)

    @admin.display(description="what")
    def side_and_symbol(self, trade: Trade) -> str:
        return f"{'▲ Buy' if trade.side == Side.BUY else '▼ Sell'} {trade.symbol}"

    @admin.display(description="received (UTC)")
    def received(self, trade: Trade) -> str:
        return f"{trade.created_at:%Y-%m-%d %H:%M}"

    @admin.display(description="filled / quantity")
    def filled_of_quantity(self, trade: Trade) -> SafeString:
        return format_html(
            '<span class="number">{} / {}</span>', grouped(trade.filled_quantity), grouped(trade.quantity)
        )

    @admin.display(description="price")
    def limit_price(self, trade: Trade) -> SafeString:
        return format_number(trade.price)

    @admin.display(description="average")
    def average_price(self, trade: Trade) -> SafeString:
        filled = trade.filled_quantity
        return (
            format_number(average_price(trade.filled_notional, filled))
            if filled
            else format_html('<span class="number">{}</span>', EMPTY_VALUE)
        )
