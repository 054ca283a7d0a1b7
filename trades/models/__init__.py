"""Trades as they are stored."""

from trades.models.audit_run import AuditRun
from trades.models.event import TradeEvent
from trades.models.execution import Execution
from trades.models.report import ExchangeReport, LinkGap, PendingRevision
from trades.models.request import IdempotencyKey, TradeRequest
from trades.models.trade import TERMS_OF_TIME, Channel, Trade

__all__ = [
    "TERMS_OF_TIME",
    "AuditRun",
    "Channel",
    "ExchangeReport",
    "Execution",
    "IdempotencyKey",
    "LinkGap",
    "PendingRevision",
    "Trade",
    "TradeEvent",
    "TradeRequest",
]
