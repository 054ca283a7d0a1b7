"""Wallets and their journal, to be read. Money moves through the ledger only."""

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
from wallets import selectors
from wallets.models import Wallet, WalletEntry

NEWEST = 50


class OwesFilter(admin.SimpleListFilter):
    """Wallets with a loan of the house, from their partial index."""

    title = "owes the house"
    parameter_name = "owes"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("cash", "Cash")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Wallet]) -> QuerySet[Wallet]:
        return queryset.filter(debt__gt=0) if self.value() == "cash" else queryset


@admin.register(Wallet)
class WalletAdmin(ReadOnlyAdmin):
    list_display = ["trader", "currency", "in_all", "held", "free", "owed", "updated_at"]
    list_select_related = ["trader"]
    list_filter = [OwesFilter]
    search_fields = ["trader__name"]  # what is searched is decided below; without it there is no box
    search_help_text = "The trader's number, name or phone"
    ordering = ["trader"]
    fields = ["owner", "currency", "in_all", "held", "free", "owed", "updated_at", "journal"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Wallet], search_term: str
    ) -> tuple[QuerySet[Wallet], bool]:
        if not search_term.strip():
            return queryset, False
        found = traders.search(Trader.objects.all(), search_term)
        return queryset.filter(trader__in=found.order_by().values("pk")), False

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Wallet | None:
        """A trader to whom nothing was ever paid in has a wallet with nothing in it."""
        found = super().get_object(request, object_id, from_field)
        if found or not (object_id.isascii() and object_id.isdecimal() and len(object_id) < 19):
            return found
        trader = Trader.objects.filter(pk=object_id).first()
        return Wallet(trader=trader) if trader else None

    @admin.display(description="trader")
    def owner(self, wallet: Wallet) -> SafeString:
        return admin_link("brokerage_trader_change", wallet.trader, wallet.trader_id)

    @admin.display(description="balance", ordering="balance")
    def in_all(self, wallet: Wallet) -> SafeString:
        return format_number(wallet.balance)

    @admin.display(description="blocked")
    def held(self, wallet: Wallet) -> SafeString:
        return format_number(wallet.blocked)

    @admin.display(description="available")
    def free(self, wallet: Wallet) -> SafeString:
        return format_number(wallet.available)

    @admin.display(description="debt")
    def owed(self, wallet: Wallet) -> SafeString:
        return format_number(wallet.debt)

    @admin.display(description="newest movements")
    def journal(self, wallet: Wallet) -> SafeString:
        """The newest entries, each with what it left, and the way to all of them."""
        entries = selectors.entries_of(wallet.trader_id)[: NEWEST + 1]
        rows: list[list[Any]] = [
            [
                f"{entry.at:%Y-%m-%d %H:%M:%S}",
                admin_link("wallets_walletentry_change", entry.get_kind_display(), entry.pk),
                format_change(entry.amount),
                format_change(entry.blocked_change),
                format_number(entry.balance_after),
                format_number(entry.blocked_after),
                format_number(entry.balance_after - entry.blocked_after),
                trade_link(entry.trade_id),
            ]
            for entry in entries
        ]
        if not rows:
            return EMPTY_VALUE
        headings = ["Time (UTC)", "What", "Balance", "Blocked", "Balance after", "Blocked after", "Available", "Trade"]
        every = admin_link("wallets_walletentry_changelist", "All movements", trader_id__exact=wallet.trader_id)
        return format_html("{}<p>{}</p>", html_table(headings, rows[:NEWEST]), every)


@admin.register(WalletEntry)
class WalletEntryAdmin(ReadOnlyAdmin):
    list_display = ["when", "whose", "kind", "moved", "held", "balance", "blocked", "available", "trade"]
    list_filter = ["kind", DayFilter]
    search_fields = ["=trader_id", "=trade_id", "=execution", "=key"]
    search_help_text = "The trader's number, trade id, execution, or the key of a deposit or withdrawal"
    ordering = ["-id"]
    sortable_by = ()  # newest first is the order of the key; any other would sort the whole journal
    fields = [
        *["id", "when", "whose", "kind", "contra", "moved", "held", "debt_change"],
        *["balance", "blocked", "available", "debt_after", "trade", "trade_revision", "execution", "key", "note"],
    ]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[WalletEntry], search_term: str
    ) -> tuple[QuerySet[WalletEntry], bool]:
        return selectors.search_entries(queryset, search_term), False

    @admin.display(description="time (UTC)")
    def when(self, entry: WalletEntry) -> str:
        return f"{entry.at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="trader")
    def whose(self, entry: WalletEntry) -> SafeString:
        return admin_link("wallets_wallet_change", entry.trader_id, entry.trader_id)

    @admin.display(description="balance change")
    def moved(self, entry: WalletEntry) -> SafeString:
        return format_change(entry.amount)

    @admin.display(description="blocked change")
    def held(self, entry: WalletEntry) -> SafeString:
        return format_change(entry.blocked_change)

    @admin.display(description="balance after")
    def balance(self, entry: WalletEntry) -> SafeString:
        return format_number(entry.balance_after)

    @admin.display(description="blocked after")
    def blocked(self, entry: WalletEntry) -> SafeString:
        return format_number(entry.blocked_after)

    @admin.display(description="available after")
    def available(self, entry: WalletEntry) -> SafeString:
        return format_number(entry.balance_after - entry.blocked_after)

    @admin.display(description="trade")
    def trade(self, entry: WalletEntry) -> SafeString:
        return trade_link(entry.trade_id)
