"""Addresses of trades."""

from django.urls import path

from trades.api.events import EventsView
from trades.api.views import TradesView, TradeView

urlpatterns = [
    path("trades", TradesView.as_view()),
    path("trades/<str:spoken>", TradeView.as_view()),
    path("trades/<str:spoken>/events", EventsView.as_view()),
]
