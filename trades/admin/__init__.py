"""Trades for staff: a list to find one in, and a page that tells its story. Nothing is changed here."""

from trades.admin.trades import TradeAdmin

__all__ = ["TradeAdmin"]
