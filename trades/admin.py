"""Trades, to be read: found by what a caller can say, with requests, executions and timeline on one page."""

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from brokerage.money import average, plain
from trades import selectors
from trades.models import Execution, Trade, TradeRequest


def told(reason: dict[str, Any] | None) -> str:
    """A stored reason as a person reads it: the code, the sentence, the numbers; a dash if there is none."""
    if reason is None:
        return "-"
    head = f"{reason['code']}: {reason['message']}"
    details = dict(reason.get("details", {}))
    also = details.pop("also", [])
    numbers = [f"{name} {value}" for name, value in details.items()]
    numbers += [f"also {', '.join(also)}"] if also else []
    return f"{head} ({'; '.join(numbers)})" if numbers else head


class ReadOnly:
    """Nobody adds, changes or deletes here: what happens to a trade goes through the services."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class RequestInline(ReadOnly, admin.TabularInline):
    model = TradeRequest
    verbose_name_plural = "requests"
    fields = [
        "seq",
        "kind",
        "quantity",
        "limit_price",
        "stage",
        "outcome",
        "why_refused",
        "why_parked",
        "channel",
        "placed_by",
        "created_at",
        "sent_at",
    ]
    readonly_fields = ["limit_price", "why_refused", "why_parked"]
    ordering = ["seq"]

    @admin.display(description="price")
    def limit_price(self, request: TradeRequest) -> str:
        return plain(request.price)

    @admin.display(description="reason")
    def why_refused(self, request: TradeRequest) -> str:
        return told(request.reason)

    @admin.display(description="parked")
    def why_parked(self, request: TradeRequest) -> str:
        return told(request.parked)


class ExecutionInline(ReadOnly, admin.TabularInline):
    model = Execution
    fields = ["exec_id", "quantity", "fill_price", "value", "executed_at", "received_at"]
    readonly_fields = ["fill_price"]
    ordering = ["received_at", "exec_id"]

    @admin.display(description="price")
    def fill_price(self, execution: Execution) -> str:
        return plain(execution.price)


@admin.register(Trade)
class TradeAdmin(ReadOnly, admin.ModelAdmin):
    list_display = [
        "shown_reference",
        "trader",
        "side",
        "symbol",
        "quantity",
        "limit_price",
        "status",
        "filled_quantity",
        "average_price",
        "channel",
        "created_at",
    ]
    list_filter = ["status", "side", "channel", "time_in_force"]
    list_select_related = ["trader"]
    list_per_page = 50
    ordering = ["-pk"]
    show_full_result_count = False
    search_fields = ["reference"]  # what is searched is decided below; without it there is no box
    search_help_text = "Reference (7K3M-9QX2), trade id, client reference, symbol, or the trader's number or name"
    inlines = [RequestInline, ExecutionInline]
    readonly_fields = ["shown_reference", "why", "limit_price", "average_price", "timeline"]
    fieldsets = [
        (None, {"fields": ["shown_reference", "id", "status", "why", "trader", "channel", "client_reference"]}),
        ("Terms", {"fields": ["side", "symbol", "quantity", "limit_price", "time_in_force"]}),
        ("So far", {"fields": ["filled_quantity", "average_price", "hold_cash", "hold_shares", "revision"]}),
        ("When", {"fields": ["created_at", "updated_at"]}),
        ("Timeline", {"fields": ["timeline"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Trade]:
        return super().get_queryset(request).select_related("trader")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Trade], search_term: str
    ) -> tuple[QuerySet[Trade], bool]:
        return selectors.search(queryset, search_term), False

    @admin.display(description="reference", ordering="pk")
    def shown_reference(self, trade: Trade) -> str:
        return str(trade)

    @admin.display(description="price")
    def limit_price(self, trade: Trade) -> str:
        return plain(trade.price)

    @admin.display(description="reason")
    def why(self, trade: Trade) -> str:
        return told(trade.reason)

    @admin.display(description="average price")
    def average_price(self, trade: Trade) -> str:
        return str(average(trade.filled_notional, trade.filled_quantity)) if trade.filled_quantity else "-"

    @admin.display(description="timeline")
    def timeline(self, trade: Trade) -> SafeString:
        """Every entry: when, what, the status after it, and its numbers."""
        rows = format_html_join(
            "",
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            (
                (
                    event.seq,
                    f"{event.at:%Y-%m-%d %H:%M:%S.%f}"[:-3],
                    event.kind.replace("_", " ").capitalize(),
                    event.get_status_display(),
                    ", ".join(f"{name} {value}" for name, value in event.data.items()),
                )
                for event in trade.events.all()
            ),
        )
        head = "<tr><th>#</th><th>Time (UTC)</th><th>What</th><th>Status after it</th><th>Details</th></tr>"
        return format_html("<table><thead>{}</thead><tbody>{}</tbody></table>", SafeString(head), rows)
