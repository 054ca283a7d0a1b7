"""The firm's own data, for staff."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.http import HttpRequest

from brokerage.models import Instrument, Trader, TradingSession, User


@admin.register(User)
class UserAdmin(DjangoUserAdmin):
    list_display = ["username", "trader", "is_staff", "is_active", "last_login"]
    list_select_related = ["trader"]
    search_fields = ["username", "=trader__id", "trader__name"]
    autocomplete_fields = ["trader"]
    fieldsets = [*DjangoUserAdmin.fieldsets, ("Trader", {"fields": ["trader"]})]
    add_fieldsets = [*DjangoUserAdmin.add_fieldsets, ("Trader", {"fields": ["trader"]})]

    def get_exclude(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        """Who may only look has no use for what is known of the password."""
        return [] if self.has_change_permission(request, obj) else ["password"]

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> list[Any]:
        hidden = self.get_exclude(request, obj)
        return [
            (name, {**options, "fields": [field for field in options["fields"] if field not in hidden]})
            for name, options in super().get_fieldsets(request, obj)
        ]


@admin.register(Trader)
class TraderAdmin(admin.ModelAdmin):
    list_display = ["id", "name", "phone", "status", "created_at"]
    list_display_links = ["id", "name"]
    list_filter = ["status"]
    search_fields = ["=id", "name", "phone"]
    readonly_fields = ["created_at"]
    ordering = ["id"]
    show_full_result_count = False


@admin.register(Instrument)
class InstrumentAdmin(admin.ModelAdmin):
    list_display = ["symbol", "name", "reference_price", "band_percent", "tick", "lot", "max_quantity", "halted"]
    list_filter = ["halted"]
    search_fields = ["symbol", "name"]
    ordering = ["symbol"]


@admin.register(TradingSession)
class TradingSessionAdmin(admin.ModelAdmin):
    list_display = ["opens_at", "closes_at"]
    ordering = ["-opens_at"]
