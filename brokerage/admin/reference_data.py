"""Admin pages of the firm's own data: users, traders, fee schedules, instruments, sessions, and the log of changes."""

import re
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from brokerage import traders
from brokerage.admin.base import (
    EMPTY_VALUE,
    ChangeLoggingAdmin,
    ReadOnlyAdmin,
    admin_link,
    day_filter,
    format_number,
)
from brokerage.models import FeeSchedule, Instrument, Trader, TradingSession, User


@admin.register(User)
class UserAdmin(ChangeLoggingAdmin, DjangoUserAdmin):
    list_display = ["username", "trader", "roles", "is_active", "last_login"]
    list_select_related = ["trader"]
    list_filter = ["is_staff", "is_active", "groups"]
    search_fields = ["username", "=trader__id", "trader__name"]
    search_help_text = "User name, trader's number or name"
    autocomplete_fields = ["trader"]
    fieldsets = [*(DjangoUserAdmin.fieldsets or ()), ("Trader", {"fields": ["trader"]})]
    add_fieldsets = [*DjangoUserAdmin.add_fieldsets, ("Trader", {"fields": ["trader"]})]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Deny: deleting a user would delete the log of what they did. Who left is made inactive."""
        return False

    def get_exclude(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        """Hide the password's hash from those who may only view."""
        return [] if self.has_change_permission(request, obj) else ["password"]

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> list[Any]:
        hidden = self.get_exclude(request, obj)
        return [
            (name, {**options, "fields": [field for field in options["fields"] if field not in hidden]})
            for name, options in super().get_fieldsets(request, obj)
        ]

    @admin.display(description="roles")
    def roles(self, user: User) -> str:
        names = ["superuser"] if user.is_superuser else []
        names += [group.name for group in user.groups.all()] if user.is_staff else []
        return ", ".join(names) or ("staff without a role" if user.is_staff else "-")


@admin.register(Trader)
class TraderAdmin(ChangeLoggingAdmin):
    list_display = ["id", "name", "phone", "status", "related_pages", "created_at"]
    list_display_links = ["id", "name"]
    list_filter = ["status", "fee_schedule"]
    search_fields = ["id"]  # get_search_results decides; without it there is no search box
    search_help_text = "Number, name, or phone (four digits of it or more, however they are spaced)"
    fields = ["id", "name", "phone", "status", "fee_schedule", "created_at", "related_pages"]
    ordering = ["id"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Trader], search_term: str
    ) -> tuple[QuerySet[Trader], bool]:
        return traders.search(queryset, search_term), False

    def get_fields(self, request: HttpRequest, obj: Trader | None = None) -> tuple[str, ...]:
        return tuple(map(str, self.fields)) if obj else ("name", "phone", "status", "fee_schedule")

    def get_readonly_fields(self, request: HttpRequest, obj: Trader | None = None) -> list[str]:
        """Guard status and fees by permissions of their own: correcting a name must not lift a suspension."""
        always = ["id", "created_at", "related_pages"]
        guarded = {"status": "brokerage.restrict_trader", "fee_schedule": "brokerage.change_feeschedule"}
        return always + [field for field, needed in guarded.items() if not request.user.has_perm(needed)]

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Deny: traders are suspended, never deleted. Their trades and journals stay."""
        return False

    @admin.display(description="see also")
    def related_pages(self, trader: Trader) -> SafeString:
        """Return links to what belongs to the trader."""
        of_trader: dict[str, Any] = {"trader__id__exact": trader.pk}
        pages = [
            admin_link("trades_trade_changelist", "trades", **of_trader),
            admin_link("wallets_wallet_change", "wallet", trader.pk),
            admin_link("holdings_holding_changelist", "holdings", **of_trader),
            admin_link("brokerage_user_changelist", "log-in", trader__id__exact=trader.pk),
        ]
        return format_html_join(" · ", "{}", ((page,) for page in pages))


@admin.register(FeeSchedule)
class FeeScheduleAdmin(ChangeLoggingAdmin):
    list_display = ["name", "rate_percent", "minimum_fee", "fee_cap", "payers"]
    fields = ["name", "rate", "minimum", "cap"]
    search_fields = ["name"]
    search_help_text = "Name"
    ordering = ["name"]

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Deny: the log of changes names it, and one that nobody pays harms nobody."""
        return False

    @admin.display(description="of the value", ordering="rate")
    def rate_percent(self, schedule: FeeSchedule) -> str:
        return f"{(schedule.rate * 100).normalize():f} %"

    @admin.display(description="at least", ordering="minimum")
    def minimum_fee(self, schedule: FeeSchedule) -> SafeString:
        return format_number(schedule.minimum)

    @admin.display(description="at most", ordering="cap")
    def fee_cap(self, schedule: FeeSchedule) -> SafeString:
        return EMPTY_VALUE if schedule.cap is None else format_number(schedule.cap)

    @admin.display(description="who pays it")
    def payers(self, schedule: FeeSchedule) -> SafeString:
        return admin_link("brokerage_trader_changelist", "traders", fee_schedule__id__exact=schedule.pk)


class InstrumentForm(forms.ModelForm):
    def clean_symbol(self) -> str:
        """Refuse a symbol that no order could name."""
        symbol: str = self.cleaned_data["symbol"]
        if not re.fullmatch(r"[A-Z0-9._&-]{1,24}", symbol):
            raise forms.ValidationError("A symbol has 1 to 24 capital letters, digits, or . _ & -")
        return symbol


@admin.register(Instrument)
class InstrumentAdmin(ChangeLoggingAdmin):
    form = InstrumentForm
    list_display = ["symbol", "name", "trading_state", "reference", "band", "tick_size", "lot_size", "largest_order"]
    list_filter = ["halted"]
    search_fields = ["symbol", "name"]
    search_help_text = "Symbol or name"
    ordering = ["symbol"]
    fieldsets = [
        (None, {"fields": ["symbol", "name", "currency", "halted"]}),
        ("Price", {"fields": ["reference_price", "band_percent", "tick"]}),
        ("Size", {"fields": ["lot", "max_quantity", "max_value"]}),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Instrument | None = None) -> list[str]:
        """Fix the symbol once it is saved: it is the primary key, and a changed one would be a second share."""
        return ["symbol", "currency"] if obj else ["currency"]

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Deny: trades and journals name a share for ever. One that is no longer traded is halted."""
        return False

    @admin.display(description="trading", ordering="halted")
    def trading_state(self, instrument: Instrument) -> SafeString:
        """Say it in words: a green tick for a halted share would be misread."""
        return (
            format_html('<strong class="warning">{}</strong>', "▮▮ halted") if instrument.halted else SafeString("open")
        )

    @admin.display(description="lot", ordering="lot")
    def lot_size(self, instrument: Instrument) -> SafeString:
        return format_number(instrument.lot)

    @admin.display(description="reference price", ordering="reference_price")
    def reference(self, instrument: Instrument) -> SafeString:
        return format_number(instrument.reference_price)

    @admin.display(description="band")
    def band(self, instrument: Instrument) -> str:
        return f"± {instrument.band_percent.normalize():f} %"

    @admin.display(description="tick")
    def tick_size(self, instrument: Instrument) -> SafeString:
        return format_number(instrument.tick)

    @admin.display(description="largest order")
    def largest_order(self, instrument: Instrument) -> SafeString:
        limits = [
            format_number(limit) for limit in (instrument.max_quantity, instrument.max_value) if limit is not None
        ]
        return format_html_join("", "{}", ((limit,) for limit in limits)) or EMPTY_VALUE


@admin.register(TradingSession)
class TradingSessionAdmin(ChangeLoggingAdmin):
    list_display = ["opens_at", "closes_at", "duration"]
    list_filter = [day_filter("opens_at")]
    ordering = ["-opens_at"]

    @admin.display(description="duration")
    def duration(self, session: TradingSession) -> str:
        minutes = round((session.closes_at - session.opens_at).total_seconds() / 60)
        return f"{minutes // 60} h {minutes % 60:02} min"


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnlyAdmin):
    """List who changed what in the back office, with the values before."""

    list_display = ["action_time", "user", "action", "content_type", "changed_object", "changes"]
    list_display_links = ["action_time"]
    list_select_related = ["user", "content_type"]
    list_filter = ["action_flag", day_filter("action_time")]
    search_fields = ["=user__username", "object_repr", "=object_id"]
    search_help_text = "Who (user name), or what (name or number)"
    fields = ["action_time", "user", "action", "content_type", "changed_object", "changes"]
    readonly_fields = ["action", "changed_object", "changes"]
    ordering = ["-action_time", "-pk"]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"title": "Who did what", **(extra_context or {})})

    @admin.display(description="action")
    def action(self, entry: LogEntry) -> str:
        return entry.get_action_flag_display().lower()

    @admin.display(description="what")
    def changed_object(self, entry: LogEntry) -> SafeString:
        url = None if entry.is_deletion() else entry.get_admin_url()
        if url is None:
            return format_html("{}", entry.object_repr)
        return format_html('<a href="{}">{}</a>', url, entry.object_repr)

    @admin.display(description="how")
    def changes(self, entry: LogEntry) -> str:
        return entry.get_change_message() or "-"
