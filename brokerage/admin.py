"""The firm's own data, for staff."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin

from brokerage.models import Instrument, Trader, TradingSession, User


@admin.register(User)
class UserAdmin(DjangoUserAdmin):
    list_display = ["username", "trader", "is_staff", "is_active", "last_login"]
    list_select_related = ["trader"]
    search_fields = ["username", "=trader__id", "trader__name"]
    autocomplete_fields = ["trader"]
    fieldsets = [*DjangoUserAdmin.fieldsets, ("Trader", {"fields": ["trader"]})]
    add_fieldsets = [*DjangoUserAdmin.add_fieldsets, ("Trader", {"fields": ["trader"]})]


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
