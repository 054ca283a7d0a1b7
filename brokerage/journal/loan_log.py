"""Log records of the loans of the house: somebody must look at each."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import structlog

from brokerage.journal.entries import JournalEntry
from brokerage.money import plain

log = structlog.get_logger(__name__)


def record_loans(entries: Iterable[JournalEntry]) -> None:
    """Log an error for each LOAN among the entries, and an info for each REPAY.

    Call it once, after the commit: a loan that was rolled back is none.
    """
    for entry in entries:
        if entry.kind == "LOAN":
            log.error("house_loan", **_fields(entry))
        elif entry.kind == "REPAY":
            log.info("house_loan_repaid", **_fields(entry))


def _fields(entry: JournalEntry) -> dict[str, Any]:
    amount = abs(entry.amount)
    fields: dict[str, Any] = {
        "trader_id": entry.trader_id,
        "amount": plain(amount) if isinstance(amount, Decimal) else amount,
        "symbol": getattr(entry, "symbol", None),
        "trade_id": entry.trade_id and str(entry.trade_id),
    }
    return {name: value for name, value in fields.items() if value is not None}
