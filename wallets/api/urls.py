"""Addresses of cash."""

from django.urls import path

from wallets.api import schema
from wallets.api.views import WalletEntriesView, WalletView

urlpatterns = [
    path("wallet", schema.wallet(WalletView).as_view()),
    path("wallet/entries", schema.entries(WalletEntriesView).as_view()),
]
