"""Reconciliation breaks: the exchange's word and ours do not agree, and a person has to look. Transitions."""

from datetime import datetime

from brokerage.reasons import Reason
from trades.core.locked_trade import LockedTrade


def open_break(trade: LockedTrade, reason: Reason, *, at: datetime) -> None:
    """Let a person look at the trade. Its hold stays."""
    trade.row.recon_break = reason.as_json() | {"since": at.isoformat()}
    trade.record("ANOMALY", at=at, data={"code": str(reason.code), **reason.details})


def clear_break(trade: LockedTrade, *, at: datetime) -> None:
    """Both agree again."""
    trade.row.recon_break = None
    trade.record("RECONCILED", at=at)
