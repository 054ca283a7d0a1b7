"""Addresses of trades."""

from django.urls import path

from trades.api.views import TradesView, TradeView

urlpatterns = [
    path("trades", TradesView.as_view()),
    path("trades/<str:spoken>", TradeView.as_view()),
]
