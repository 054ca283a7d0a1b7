"""Wallets and their journal, to be read. Money moves through the ledger only."""

from django.contrib import admin
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
from brokerage.models import Trader
from wallets import selectors
from wallets.models import Wallet, WalletEntry


class DebtFilter(LoanFilter):
    choice = ("cash", "Cash")
    field = "debt"


@admin.register(Wallet)
class WalletAdmin(AccountAdmin):
    list_display = [
        *["trader", "currency", "balance_number", "blocked_number", "available_number", "debt_number", "updated_at"],
    ]
    list_filter = [DebtFilter]
    search_help_text = "The trader's number, name or phone"
    ordering = ["trader"]
    fields = [
        *["trader_link", "currency", "balance_number", "blocked_number", "available_number", "debt_number"],
        *["updated_at", "journal"],
    ]

    balance_number = number_column("balance", ordering="balance")
    debt_number = number_column("debt")

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Wallet | None:
        """Return the wallet; one with zeros for a trader to whom nothing was ever paid in."""
        found = super().get_object(request, object_id, from_field)
        if found or not (object_id.isascii() and object_id.isdecimal() and len(object_id) < 19):
            return found
        trader = Trader.objects.filter(pk=object_id).first()
        return Wallet(trader=trader) if trader else None

    @admin.display(description="newest movements")
    def journal(self, wallet: Wallet) -> SafeString:
        entries = selectors.entries_of(wallet.trader_id)
        return newest_entries(entries, total="balance", trader_id__exact=wallet.trader_id)


@admin.register(WalletEntry)
class WalletEntryAdmin(JournalEntryAdmin):
    list_display = [
        *["time", "wallet", "kind", "balance_difference", "blocked_difference"],
        *["balance_number", "blocked_number", "available_number", "trade"],
    ]
    fields = [
        *["id", "time", "wallet", "kind", "contra", "balance_difference", "blocked_difference", "debt_change"],
        *["balance_number", "blocked_number", "available_number", "debt_after"],
        *["trade", "trade_revision", "execution", "key", "note"],
    ]

    balance_difference = change_column("amount", "balance change")
    balance_number = number_column("balance_after", "balance after")

    @admin.display(description="trader")
    def wallet(self, entry: WalletEntry) -> SafeString:
        return admin_link("wallets_wallet_change", entry.trader_id, entry.trader_id)
