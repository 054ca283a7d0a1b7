"""Addresses of shares."""

from django.urls import path

from holdings.api.views import HoldingEntriesView, HoldingsView

urlpatterns = [
    path("holdings", HoldingsView.as_view()),
    path("holdings/entries", HoldingEntriesView.as_view()),
]
