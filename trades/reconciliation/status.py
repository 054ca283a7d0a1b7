"""What the answer to a status query means: the `8` with ExecType I that follows the reports it repeated.

The reports were applied, each as any other. What is left to learn is which requests never arrived, and whether the
exchange has executed what we think it has. The rules stand in docs/exchange.md.
"""

from datetime import datetime

from brokerage.reasons import Code, Reason
from exchange.fix.codes import OrdRejReason, OrdStatus
from exchange.fix.messages import ExecutionReport
from trades import lifecycle
from trades.core.breaks import clear_break, open_break
from trades.core.locked_trade import LockedTrade
from trades.core.parking import unpark
from trades.core.schedule import patience, sooner, sweep_interval
from trades.core.settlement import LedgerPosting, posting
from trades.core.status_query import StatusQuery
from trades.lifecycle import Kind, Reported, Stage
from trades.models import TradeRequest


def apply_status(trade: LockedTrade, message: ExecutionReport, *, now: datetime) -> list[LedgerPosting]:
    """Learn from what the exchange says about an order; returns what that moves in the books.

    Its ClOrdID names the newest request that the exchange has received.
    """
    unknown = (message.ord_status, message.ord_rej_reason) == (OrdStatus.REJECTED, OrdRejReason.UNKNOWN_ORDER)
    newest = None if unknown else trade.request(message.cl_ord_id)
    if newest is not None and trade.facts(newest).outcome is None and trade.facts(newest).stage is Stage.BOOKED:
        trade.apply(lifecycle.Report(Reported.STATUS, str(newest.pk)), at=now, request=newest)
    postings: list[LedgerPosting] = []
    query = StatusQuery.parse(message.ord_status_req_id)
    if query is not None and (unknown or newest is not None):
        behind = trade.requests[newest.seq if newest else 0 :]
        # Nothing may have been sent for a request since the exchange was asked: else the answer is too old for it.
        for request in [request for request in behind if query.covers(request)]:
            postings += _not_received(trade, request, now=now)
    _compare(trade, message, unknown=unknown, now=now)
    return postings


def _not_received(trade: LockedTrade, request: TradeRequest, *, now: datetime) -> list[LedgerPosting]:
    """The exchange has not got this request, and it is not under way: it may be sent, as if for the first time."""
    facts = trade.facts(request)
    if facts.outcome is not None:
        return []  # closed before, or a moment ago with its trade
    was_sent = facts.stage is Stage.SENT
    if was_sent or request.unsent_lease != request.lease:  # else it was said before
        request.unsent_lease = request.lease
        trade.apply(lifecycle.NotReceived(facts.id), at=now, request=request)
        trade.urgent.add(request.pk)
    if was_sent or request.parked is None:
        return []
    if cancel := _waiting_cancel(trade, request):
        return [_give_up(trade, request, cancel, now=now)]
    if request.parked["code"] == Code.UNCONFIRMED:
        unpark(trade, request, at=now)
    else:
        request.check_at = None  # until it is sent there is nothing to be learned about it
    return []


def _give_up(trade: LockedTrade, request: TradeRequest, cancel: TradeRequest, *, now: datetime) -> LedgerPosting:
    """A parked request that is not there does not hold up the CANCEL: a NEW ends with the trade, an AMEND alone."""
    if request.kind == Kind.NEW:
        event: lifecycle.Event = lifecycle.CancelledLocally(str(cancel.pk))
        return posting(trade, trade.apply(event, at=now, request=cancel))
    event = lifecycle.AmendDropped(str(request.pk))
    return posting(trade, trade.apply(event, at=now, request=request))


def _waiting_cancel(trade: LockedTrade, request: TradeRequest) -> TradeRequest | None:
    """Return the CANCEL that waits for what became of `request`."""
    for later in trade.requests[request.seq :]:
        facts = trade.facts(later)
        waits = facts.stage is not Stage.SENT and facts.outcome is None and later.parked is None
        if facts.kind is Kind.CANCEL and waits:
            return later
    return None


def _compare(trade: LockedTrade, message: ExecutionReport, *, unknown: bool, now: datetime) -> None:
    """All that was executed was repeated before: if it does not add up now, a person has to look."""
    found, row = _difference(trade, message, unknown=unknown), trade.row
    known = row.recon_break
    if found and known and (known["code"], known["details"]) == (found.code, found.details):
        row.check_at = sooner(row.check_at, now + sweep_interval())
    elif found:
        open_break(trade, found, at=now)
        row.check_at = sooner(row.check_at, now + patience())  # something was reported meanwhile, or lost again
    elif known and known["code"] == Code.CUM_QTY_DIFFERS and (unknown or message.cum_qty is None):
        row.check_at = sooner(row.check_at, now + sweep_interval())  # not a word about it: that is no agreement
    else:
        if known:
            clear_break(trade, at=now)
        if not lifecycle.is_open_outside(trade.state):
            row.check_at = None


def _difference(trade: LockedTrade, message: ExecutionReport, *, unknown: bool) -> Reason | None:
    """Return what the exchange and the books tell differently, with the numbers; None if nothing.

    That an order is not known any more says nothing once it has ended.
    """
    ours, theirs = trade.state.filled_quantity, message.cum_qty
    if unknown:
        lost = trade.state.acked and lifecycle.is_open_outside(trade.state)
        text = "The exchange had accepted the order, and says that it does not know it."
        return Reason(Code.ORDER_NOT_KNOWN, text, {"ours": ours}) if lost else None
    if theirs is None or theirs == ours:
        return None
    text = "The exchange says that another quantity was executed than is written here."
    return Reason(Code.CUM_QTY_DIFFERS, text, {"ours": ours, "theirs": theirs})
