"""Addresses of cash."""

from django.urls import path

from wallets.api.views import WalletEntriesView, WalletView

urlpatterns = [
    path("wallet", WalletView.as_view()),
    path("wallet/entries", WalletEntriesView.as_view()),
]
