"""Trades in the admin, read-only: the list, the page of one trade, and the cards of the first page."""

from trades.admin.trades import TradeAdmin

__all__ = ["TradeAdmin"]
