"""Wallets and their journal, to be read. Money moves through the ledger only."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from wallets.models import Wallet, WalletEntry


class ReadOnlyAdmin(admin.ModelAdmin):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Wallet)
class WalletAdmin(ReadOnlyAdmin):
    list_display = ["trader", "currency", "balance", "blocked", "available", "debt", "updated_at"]
    list_select_related = ["trader"]
    search_fields = ["=trader__id", "trader__name"]
    ordering = ["trader"]
    show_full_result_count = False


@admin.register(WalletEntry)
class WalletEntryAdmin(ReadOnlyAdmin):
    list_display = [
        "id",
        "trader_id",
        "kind",
        "contra",
        "amount",
        "blocked_change",
        "balance_after",
        "blocked_after",
        "at",
    ]
    list_filter = ["kind"]
    search_fields = ["=trader_id", "=trade_id", "=execution", "=key"]
    ordering = ["-id"]
    show_full_result_count = False
