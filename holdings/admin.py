"""Holdings and their journal, to be read. Shares move through the ledger only."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from holdings.models import Holding, HoldingEntry


class ReadOnlyAdmin(admin.ModelAdmin):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Holding)
class HoldingAdmin(ReadOnlyAdmin):
    list_display = ["trader", "symbol", "quantity", "blocked", "available", "short", "updated_at"]
    list_display_links = ["symbol"]
    list_select_related = ["trader"]
    search_fields = ["=trader__id", "trader__name", "=symbol"]
    ordering = ["trader", "symbol"]
    show_full_result_count = False


@admin.register(HoldingEntry)
class HoldingEntryAdmin(ReadOnlyAdmin):
    list_display = [
        "id",
        "trader_id",
        "symbol",
        "kind",
        "contra",
        "amount",
        "blocked_change",
        "quantity_after",
        "blocked_after",
        "at",
    ]
    list_filter = ["kind"]
    search_fields = ["=trader_id", "=symbol", "=trade_id", "=execution", "=key"]
    ordering = ["-id"]
    show_full_result_count = False
