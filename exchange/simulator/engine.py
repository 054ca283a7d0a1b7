"""Answers each request: checks it, matches it, reports it. All of a batch is one commit of the journal."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import structlog

from exchange.fix.codes import CxlRejReason, CxlRejResponseTo, ExecType, MsgType, OrdStatus
from exchange.fix.wire import MalformedMessage
from exchange.simulator.fault_policy import FaultPolicy
from exchange.simulator.faults import NONE, Faults
from exchange.simulator.instruments import Instrument
from exchange.simulator.journal import Journal, JournalError
from exchange.simulator.matching import Order
from exchange.simulator.orders import (
    ClientOrder,
    cancel_reject,
    execution_report,
    unknown_order,
)
from exchange.simulator.requests import Request, parse_request
from exchange.simulator.scheduled_events import ScheduledEvents
from exchange.simulator.timers import Timers
from exchange.simulator.validation import Rejection, check_change, check_new_order
from exchange.simulator.venue import Venue

log = structlog.get_logger(__name__)

_PENDING = {
    MsgType.NEW_ORDER_SINGLE: ExecType.PENDING_NEW,
    MsgType.ORDER_CANCEL_REQUEST: ExecType.PENDING_CANCEL,
    MsgType.ORDER_CANCEL_REPLACE_REQUEST: ExecType.PENDING_REPLACE,
}
_RESPONSE_TO = {
    MsgType.ORDER_CANCEL_REQUEST: CxlRejResponseTo.CANCEL,
    MsgType.ORDER_CANCEL_REPLACE_REQUEST: CxlRejResponseTo.REPLACE,
}


class Engine:
    """Takes requests by the rules of the exchange, and runs what is due.

    A request whose ClOrdID is known is ignored, whatever it says: it was answered, or its answer waits in the outbox.
    """

    def __init__(
        self,
        journal: Journal,
        instruments: Mapping[str, Instrument],
        *,
        pending_reports: bool = False,
        faults: Faults = NONE,
        scripts: bool = False,
    ) -> None:
        """`instruments` may change under way. `pending_reports`: send a Pending report before each answer, as some do.

        `scripts`: let the price of an order on the instrument TEST say what happens to it (scripts.py).
        """
        self._journal = journal
        self._pending_reports = pending_reports
        self._timers = Timers(journal)
        self.venue = Venue(journal, self._timers, faults=faults, scripts=scripts)
        self._events = ScheduledEvents(journal, self._timers, self.venue, instruments)
        self._fault_policy = FaultPolicy(self._timers, self.venue, self._events, instruments, faults)
        self.counts = self.venue.counts

    def process(self, batch: Sequence[bytes], *, now: datetime) -> None:
        """Take a batch of messages in order; on return everything that follows from it is on disk.

        When one of them makes the engine fail, the batch is taken message by message and that one is quarantined.
        """
        try:
            with self._journal.transaction():
                for raw in batch:
                    self._receive(raw, now)
                self.venue.save()
        except JournalError:
            self.venue.rebuild()  # the books ran ahead of what is on disk
            raise
        except Exception as error:
            self.venue.rebuild()
            if len(batch) > 1:
                for raw in batch:
                    self.process([raw], now=now)
                return
            log.exception("request_quarantined")
            with self._journal.transaction():
                self._journal.quarantine(body=batch[0], detail=repr(error), now=now)

    def catch_up(self, *, now: datetime) -> None:
        """Run the events that are due, and release the reports that were held back until now."""
        if not self._timers.has_due(now):
            return
        try:
            with self._journal.transaction():
                self._timers.release_due(now)
                self._events.run_due(now)
                self.venue.save()
        except BaseException:
            self.venue.rebuild()
            raise

    def resting(self, symbol: str, key: str) -> Order | None:
        """Return the resting order of the market maker with this key."""
        return self.venue.books[symbol].get(key)

    def requote(self, symbol: str, *, old: Iterable[str], new: Iterable[Order], now: datetime) -> None:
        """Replace orders of the market maker, `old` by key, by `new` ones; report the fills of clients."""
        book = self.venue.books[symbol]
        try:
            with self._journal.transaction():
                for key in old:
                    if order := book.get(key):
                        book.remove(order)
                for order in new:
                    self.venue.report_fills(book.submit(order), now)
                self.venue.save()
        except BaseException:
            self.venue.rebuild()
            raise

    def _receive(self, raw: bytes, now: datetime) -> None:
        try:
            request = parse_request(raw)
        except MalformedMessage as error:
            log.warning("request_quarantined", detail=error.detail)
            self._journal.quarantine(body=raw, detail=error.detail, now=now)
            return
        if request.msg_type == MsgType.ORDER_STATUS_REQUEST:
            self._report_status(request, now)
            return
        chain, order = self._look_up(request)
        if not self._journal.add_request(cl_ord_id=request.cl_ord_id, chain=chain, body=raw):
            self.counts["duplicates"] += 1
        elif request.msg_type == MsgType.NEW_ORDER_SINGLE:
            self._new_order(request, chain, order, now)
        else:
            self._change(request, chain, order, now)

    def _look_up(self, request: Request) -> tuple[str, ClientOrder | None]:
        """Return the chain that a request belongs to, and its order if there is one.

        By OrigClOrdID, else by SecondaryClOrdID: when an earlier request of the chain was lost on its way, the later
        one still names its order.
        """
        named = self._journal.chain_of(request.orig_cl_ord_id) if request.orig_cl_ord_id else None
        for chain in (named, request.trade_ref):
            if chain and (order := self.venue.find(chain)):
                return chain, order
        return request.trade_ref or named or request.cl_ord_id, None

    def _new_order(self, request: Request, chain: str, known: ClientOrder | None, now: datetime) -> None:
        self.counts["orders"] += 1
        order = ClientOrder(
            key=chain,
            # Its first report's number: an order rejected as the second of its trade is not stored, its report is.
            order_id=f"{self._journal.id}-{self.venue.reports + 1}",
            cl_ord_id=request.cl_ord_id,
            trade_ref=request.trade_ref,
            account=request.account,
            symbol=request.symbol,
            side=request.side or "",
            price=request.price or Decimal(0),
            quantity=request.quantity or 0,
            time_in_force=request.time_in_force or "",
            priority=self.venue.next_priority(),
        )
        self._fault_policy.maybe_halt(request.symbol, now)
        rejection = check_new_order(request, self._fault_policy.instrument(request.symbol), known)
        if rejection := rejection or self._fault_policy.reject_order(order):
            reason, text = rejection
            order.ended, order.ord_rej_reason = OrdStatus.REJECTED, reason
            self.venue.report(order, ExecType.REJECTED, now, OrdRejReason=reason, Text=text)
            if not known:
                self.venue.track(order)
            return
        self._report_pending(request, order, now)
        self.venue.report(order, ExecType.NEW, now)
        self.venue.track(order)
        self._events.start_script(order, now)
        self.venue.enter(order, now)

    def _change(self, request: Request, chain: str, order: ClientOrder | None, now: datetime) -> None:
        """Answer a cancellation or an amendment."""
        is_cancel = request.msg_type == MsgType.ORDER_CANCEL_REQUEST
        self.counts["cancels" if is_cancel else "amendments"] += 1
        if order is None:
            self._reject(request, chain, None, Rejection(CxlRejReason.UNKNOWN_ORDER, "no such order"), now)
            return
        rejection = check_change(request, self._fault_policy.instrument(request.symbol), order)
        if not rejection and is_cancel:
            rejection = self._fault_policy.reject_cancel(order, now)
        elif not rejection:
            rejection = self._fault_policy.reject_amend(order, request.price)
        if rejection:
            self._reject(request, chain, order, rejection, now)
        elif is_cancel:
            self._cancel(request, order, now)
        else:
            self._amend(request, order, now)

    def _reject(
        self, request: Request, chain: str, order: ClientOrder | None, rejection: Rejection[CxlRejReason], now: datetime
    ) -> None:
        reason, text = rejection
        response_to = _RESPONSE_TO[request.msg_type]
        body = cancel_reject(request, order, response_to=response_to, reason=reason, text=text, now=now)
        script = self.venue.script(order) if order else None
        self.venue.send(chain, MsgType.ORDER_CANCEL_REJECT, request.cl_ord_id, body, script, now)

    def _cancel(self, request: Request, order: ClientOrder, now: datetime) -> None:
        self._report_pending(request, order, now)
        self.venue.books[order.symbol].remove(order)
        order.ended = OrdStatus.CANCELED
        orig, order.cl_ord_id = order.cl_ord_id, request.cl_ord_id
        self.venue.report(order, ExecType.CANCELED, now, OrigClOrdID=orig)
        self.venue.track(order)

    def _amend(self, request: Request, order: ClientOrder, now: datetime) -> None:
        """Put other terms in force; they are there, or the amendment would have been refused."""
        quantity, price = request.quantity or 0, request.price or Decimal(0)
        self._report_pending(request, order, now)
        orig, order.cl_ord_id = order.cl_ord_id, request.cl_ord_id
        filled = order.filled
        fills = self.venue.replace(order, quantity=quantity, price=price)
        self.venue.report(order, ExecType.REPLACED, now, filled=filled, OrigClOrdID=orig)
        self.venue.track(order)
        self.venue.report_fills(fills, now)
        self._events.start_script(order, now)
        self.venue.cancel_if_immediate(order, now)

    def _report_status(self, request: Request, now: datetime) -> None:
        """Answer a status request: every report of the order again, then its status."""
        self.counts["status_requests"] += 1
        query_id = request.ord_status_req_id
        if query_id and self._journal.has_status(query_id):
            return  # the same request, delivered again before its answer was out
        chain = self._journal.chain_of(request.cl_ord_id) or ""
        order = self.venue.find(chain) or (self.venue.find(request.trade_ref) if request.trade_ref else None)
        if order is None:
            body = unknown_order(request, now=now)
            self._journal.enqueue_status(chain=None, body=body, ord_status_req_id=query_id)
            return
        optional = {"OrdStatusReqID": query_id, "OrdRejReason": order.ord_rej_reason}
        body = execution_report(
            order,
            ExecType.ORDER_STATUS,
            exec_id="0",
            now=now,
            filled=order.filled,
            ClOrdID=self._journal.latest_request(order.key),
            **{name: value for name, value in optional.items() if value},
        )
        self._timers.forget_held(order.key)
        self._journal.enqueue_status(chain=order.key, body=body, ord_status_req_id=query_id)

    def _report_pending(self, request: Request, order: ClientOrder, now: datetime) -> None:
        if self._pending_reports or self._fault_policy.sends_pending(order):
            pending = _PENDING[request.msg_type]
            # While it works on a request, that is the status of the order, whatever else it is: the same code.
            fields = {"ClOrdID": request.cl_ord_id, "OrdStatus": str(pending)}
            if order.cl_ord_id != request.cl_ord_id:
                fields["OrigClOrdID"] = order.cl_ord_id
            self.venue.report(order, pending, now, filled=order.filled, **fields)
