"""Addresses of shares."""

from django.urls import path

from holdings.api import schema
from holdings.api.views import HoldingEntriesView, HoldingsView

urlpatterns = [
    path("holdings", schema.holdings(HoldingsView).as_view()),
    path("holdings/entries", schema.entries(HoldingEntriesView).as_view()),
]
