"""Addresses of trades."""

from django.urls import path

from trades.api import schema
from trades.api.events import EventsView
from trades.api.views import TradesView, TradeView

urlpatterns = [
    path("trades", schema.trades(TradesView).as_view()),
    path("trades/<str:trade_ref>", schema.trade(TradeView).as_view()),
    path("trades/<str:trade_ref>/events", schema.events(EventsView).as_view()),
]
