"""What the exchange does with each request: check it, match it, report it. All of a batch is one journal commit."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import structlog

from exchange.fix.messages import ExecType, MalformedMessage, MsgType
from exchange.simulator.fault_policy import Contrary
from exchange.simulator.faults import NONE, Faults
from exchange.simulator.instruments import Share
from exchange.simulator.journal import Journal, JournalError
from exchange.simulator.matching import Order
from exchange.simulator.orders import (
    CANCELED,
    REJECTED,
    ClientOrder,
    cancel_reject,
    execution_report,
    unknown_order,
)
from exchange.simulator.requests import Request, parse_request
from exchange.simulator.rules import UNKNOWN_ORDER, refuse_change, refuse_order
from exchange.simulator.scheduled_events import Events
from exchange.simulator.timers import Agenda
from exchange.simulator.venue import Floor

log = structlog.get_logger(__name__)

_PENDING = {
    MsgType.NEW_ORDER_SINGLE: ExecType.PENDING_NEW,
    MsgType.ORDER_CANCEL_REQUEST: ExecType.PENDING_CANCEL,
    MsgType.ORDER_CANCEL_REPLACE_REQUEST: ExecType.PENDING_REPLACE,
}
_RESPONSE_TO = {MsgType.ORDER_CANCEL_REQUEST: "1", MsgType.ORDER_CANCEL_REPLACE_REQUEST: "2"}


class Engine:
    """Takes requests by the rules of the exchange, and does what is due.

    A request whose ClOrdID is known is ignored, whatever it says: it was answered, or its answer waits in the outbox.
    """

    def __init__(
        self,
        journal: Journal,
        shares: Mapping[str, Share],
        *,
        pending_reports: bool = False,
        faults: Faults = NONE,
        scripts: bool = False,
    ) -> None:
        """`shares` may change under way. `pending_reports`: say "working on it" before each answer, as some do.

        `scripts`: let the price of an order on the share TEST say what happens to it (scripts.py).
        """
        self._journal = journal
        self._pending_reports = pending_reports
        self._agenda = Agenda(journal)
        self.floor = Floor(journal, self._agenda, faults=faults, scripts=scripts)
        self._events = Events(journal, self._agenda, self.floor, shares)
        self._contrary = Contrary(self._agenda, self.floor, self._events, shares, faults)
        self.counts = self.floor.counts

    def process(self, batch: Sequence[bytes], *, now: datetime) -> None:
        """Take a batch of messages in order; on return everything that follows from it is on disk.

        When one of them makes the engine fail, the batch is taken message by message and that one is set aside.
        """
        try:
            with self._journal.transaction():
                for raw in batch:
                    self._receive(raw, now)
                self.floor.save()
        except JournalError:
            self.floor.rebuild()  # the books ran ahead of what is on disk
            raise
        except Exception as error:
            self.floor.rebuild()
            if len(batch) > 1:
                for raw in batch:
                    self.process([raw], now=now)
                return
            log.exception("message_set_aside")
            with self._journal.transaction():
                self._journal.set_aside(body=batch[0], detail=repr(error), now=now)

    def catch_up(self, *, now: datetime) -> None:
        """Do what was planned for now or before, and let out what was held back until now."""
        if not self._agenda.has_due(now):
            return
        try:
            with self._journal.transaction():
                self._agenda.release_due(now)
                self._events.run_due(now)
                self.floor.save()
        except BaseException:
            self.floor.rebuild()
            raise

    def resting(self, symbol: str, key: str) -> Order | None:
        """The order of the exchange's own market maker that rests under this key."""
        return self.floor.books[symbol].get(key)

    def requote(self, symbol: str, *, keys: Iterable[str], quotes: Iterable[Order], now: datetime) -> None:
        """Take the market maker's orders `keys` out of the book and put `quotes` in; members' fills are reported."""
        book = self.floor.books[symbol]
        try:
            with self._journal.transaction():
                for key in keys:
                    if old := book.get(key):
                        book.remove(old)
                for quote in quotes:
                    self.floor.settle(book.submit(quote), now)
                self.floor.save()
        except BaseException:
            self.floor.rebuild()
            raise

    def _receive(self, raw: bytes, now: datetime) -> None:
        try:
            request = parse_request(raw)
        except MalformedMessage as error:
            log.warning("message_set_aside", detail=error.detail)
            self._journal.set_aside(body=raw, detail=error.detail, now=now)
            return
        if request.msg_type == MsgType.ORDER_STATUS_REQUEST:
            self._answer(request, now)
            return
        chain, order = self._look_up(request)
        if not self._journal.note_request(cl_ord_id=request.cl_ord_id, chain=chain, body=raw):
            self.counts["duplicates"] += 1
        elif request.msg_type == MsgType.NEW_ORDER_SINGLE:
            self._new(request, chain, order, now)
        else:
            self._change(request, chain, order, now)

    def _look_up(self, request: Request) -> tuple[str, ClientOrder | None]:
        """The chain a request belongs to and its order, if there is one.

        By OrigClOrdID, else by SecondaryClOrdID: when an earlier request of the chain was lost on its way, the later
        one still names its order.
        """
        named = self._journal.chain_of(request.orig_cl_ord_id) if request.orig_cl_ord_id else None
        for chain in (named, request.trade_ref):
            if chain and (order := self.floor.find(chain)):
                return chain, order
        return request.trade_ref or named or request.cl_ord_id, None

    def _new(self, request: Request, chain: str, known: ClientOrder | None, now: datetime) -> None:
        self.counts["orders"] += 1
        order = ClientOrder(
            key=chain,
            # Its first report's number: an order refused as the second of its trade is not kept, its report is.
            order_id=f"{self._journal.born}-{self.floor.reports + 1}",
            cl_ord_id=request.cl_ord_id,
            trade_ref=request.trade_ref,
            account=request.account,
            symbol=request.symbol,
            side=request.side or "",
            price=request.price or Decimal(0),
            quantity=request.quantity or 0,
            time_in_force=request.time_in_force or "",
            priority=self.floor.next_priority(),
        )
        self._contrary.perhaps_halt(request.symbol, now)
        refused = refuse_order(request, self._contrary.share(request.symbol), known)
        if refused := refused or self._contrary.refuse_order(order):
            order.ended, order.ord_rej_reason = REJECTED, refused[0]
            self.floor.report(order, ExecType.REJECTED, now, OrdRejReason=refused[0], Text=refused[1])
            if not known:
                self.floor.keep(order)
            return
        self._pending(request, order, now)
        self.floor.report(order, ExecType.NEW, now)
        self.floor.keep(order)
        self._events.play(order, now)
        self.floor.enter(order, now)

    def _change(self, request: Request, chain: str, order: ClientOrder | None, now: datetime) -> None:
        """Answer a cancellation or an amendment."""
        is_cancel = request.msg_type == MsgType.ORDER_CANCEL_REQUEST
        self.counts["cancels" if is_cancel else "amendments"] += 1
        if order is None:
            self._refuse(request, chain, None, (UNKNOWN_ORDER, "no such order"), now)
            return
        refused = refuse_change(request, self._contrary.share(request.symbol), order)
        if not refused and is_cancel:
            refused = self._contrary.refuse_cancel(order, now)
        elif not refused:
            refused = self._contrary.refuse_amend(order, request.price)
        if refused:
            self._refuse(request, chain, order, refused, now)
        elif is_cancel:
            self._cancel(request, order, now)
        else:
            self._amend(request, order, now)

    def _refuse(
        self, request: Request, chain: str, order: ClientOrder | None, why: tuple[str, str], now: datetime
    ) -> None:
        reason, text = why
        response_to = _RESPONSE_TO[request.msg_type]
        body = cancel_reject(request, order, response_to=response_to, reason=reason, text=text, now=now)
        script = self.floor.script(order) if order else None
        self.floor.add(chain, MsgType.ORDER_CANCEL_REJECT, request.cl_ord_id, body, script, now)

    def _cancel(self, request: Request, order: ClientOrder, now: datetime) -> None:
        self._pending(request, order, now)
        self.floor.books[order.symbol].remove(order)
        order.ended = CANCELED
        orig, order.cl_ord_id = order.cl_ord_id, request.cl_ord_id
        self.floor.report(order, ExecType.CANCELED, now, OrigClOrdID=orig)
        self.floor.keep(order)

    def _amend(self, request: Request, order: ClientOrder, now: datetime) -> None:
        """Put other terms in force; they are there, or the amendment would have been refused."""
        quantity, price = request.quantity or 0, request.price or Decimal(0)
        self._pending(request, order, now)
        orig, order.cl_ord_id = order.cl_ord_id, request.cl_ord_id
        filled = order.filled
        fills = self.floor.replace(order, quantity=quantity, price=price)
        self.floor.report(order, ExecType.REPLACED, now, filled=filled, OrigClOrdID=orig)
        self.floor.keep(order)
        self.floor.settle(fills, now)
        self._events.play(order, now)
        self.floor.end_at_once(order, now)

    def _answer(self, request: Request, now: datetime) -> None:
        """Tell all that is known of an order: every report again, then its status."""
        self.counts["status_requests"] += 1
        asked = request.ord_status_req_id
        if asked and self._journal.is_answering(asked):
            return  # the same asking, delivered again before its answer was out
        chain = self._journal.chain_of(request.cl_ord_id) or ""
        order = self.floor.find(chain) or (self.floor.find(request.trade_ref) if request.trade_ref else None)
        if order is None:
            body = unknown_order(request, now=now)
            self._journal.answer(chain=None, body=body, ord_status_req_id=asked)
            return
        more = {"OrdStatusReqID": asked, "OrdRejReason": order.ord_rej_reason}
        body = execution_report(
            order,
            ExecType.ORDER_STATUS,
            exec_id="0",
            now=now,
            filled=order.filled,
            ClOrdID=self._journal.latest_request(order.key),
            **{name: value for name, value in more.items() if value},
        )
        self._agenda.forget(order.key)
        self._journal.answer(chain=order.key, body=body, ord_status_req_id=asked)

    def _pending(self, request: Request, order: ClientOrder, now: datetime) -> None:
        if self._pending_reports or self._contrary.says_pending(order):
            pending = _PENDING[request.msg_type]
            # While it works on a request, that is the status of the order, whatever else it is: the same code.
            fields = {"ClOrdID": request.cl_ord_id, "OrdStatus": str(pending)}
            if order.cl_ord_id != request.cl_ord_id:
                fields["OrigClOrdID"] = order.cl_ord_id
            self.floor.report(order, pending, now, filled=order.filled, **fields)
