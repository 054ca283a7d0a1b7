"""What the house lent and got back, logged once its commit is done: never what was rolled back."""

from collections.abc import Iterable

import structlog

from holdings.models import HoldingEntry, Kind

log = structlog.get_logger(__name__)


def tell_loans(entries: Iterable[HoldingEntry]) -> None:
    """One line for each LOAN, an error, and each REPAY. To be called after the commit, once."""
    for entry in entries:
        about = {"trader_id": entry.trader_id, "symbol": entry.symbol, "amount": abs(entry.amount)}
        if entry.trade_id:
            about["trade_id"] = str(entry.trade_id)
        if entry.kind == Kind.LOAN:
            log.error("lent_by_the_house", **about)
        else:
            log.info("repaid_to_the_house", **about)
