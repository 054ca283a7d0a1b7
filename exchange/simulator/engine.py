"""What the exchange does with each request: check it, match it, report it. All of a batch is one journal commit."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import structlog

from exchange.messages import ExecType, MalformedMessage, MsgType
from exchange.simulator.journal import Journal, JournalError
from exchange.simulator.matching import RESTING, Book, Fill, Order
from exchange.simulator.orders import (
    CANCELED,
    REJECTED,
    MemberOrder,
    cancel_reject,
    execution_report,
    trade_report,
    unknown_order,
)
from exchange.simulator.requests import Request, parse_request
from exchange.simulator.rules import UNKNOWN_ORDER, refuse_change, refuse_order
from exchange.simulator.shares import Share

log = structlog.get_logger(__name__)

_PENDING = {
    MsgType.NEW_ORDER_SINGLE: ExecType.PENDING_NEW,
    MsgType.ORDER_CANCEL_REQUEST: ExecType.PENDING_CANCEL,
    MsgType.ORDER_CANCEL_REPLACE_REQUEST: ExecType.PENDING_REPLACE,
}
_RESPONSE_TO = {MsgType.ORDER_CANCEL_REQUEST: "1", MsgType.ORDER_CANCEL_REPLACE_REQUEST: "2"}


class Engine:
    """The books of all shares and the rules of the exchange.

    A request whose ClOrdID is known is ignored, whatever it says: it was answered, or its answer waits in the outbox.
    """

    def __init__(self, journal: Journal, shares: Mapping[str, Share], *, pending_reports: bool = False) -> None:
        """`shares` may change under way. `pending_reports`: say "working on it" before each answer, as some do."""
        self.counts: Counter[str] = Counter()
        self._journal = journal
        self._shares = shares
        self._pending_reports = pending_reports
        self.rebuild()

    def rebuild(self) -> None:
        """Forget everything and read the journal: the orders that rest, in the order of their priority."""
        self._books: dict[str, Book] = defaultdict(Book)
        self._open: dict[str, MemberOrder] = {}
        self._changed: dict[str, MemberOrder] = {}  # since the last commit
        self._reports, self._priority = self._journal.counters()
        for order in self._journal.open_orders():
            self._open[order.key] = order
            self._books[order.symbol].restore(order)

    def process(self, batch: Sequence[bytes], *, now: datetime) -> None:
        """Take a batch of messages in order; on return everything that follows from it is on disk.

        When one of them makes the engine fail, the batch is taken message by message and that one is set aside.
        """
        try:
            with self._journal.transaction():
                for raw in batch:
                    self._receive(raw, now)
                self._save()
        except JournalError:
            self.rebuild()  # the books ran ahead of what is on disk
            raise
        except Exception as error:
            self.rebuild()
            if len(batch) > 1:
                for raw in batch:
                    self.process([raw], now=now)
                return
            log.exception("message_set_aside")
            with self._journal.transaction():
                self._journal.set_aside(body=batch[0], detail=repr(error), now=now)

    def resting(self, symbol: str, key: str) -> Order | None:
        """The order of the exchange's own market maker that rests under this key."""
        return self._books[symbol].get(key)

    def requote(self, symbol: str, *, keys: Iterable[str], quotes: Iterable[Order], now: datetime) -> None:
        """Take the market maker's orders `keys` out of the book and put `quotes` in; members' fills are reported."""
        book = self._books[symbol]
        try:
            with self._journal.transaction():
                for key in keys:
                    if old := book.get(key):
                        book.remove(old)
                for quote in quotes:
                    self._settle(book.submit(quote), now)
                self._save()
        except BaseException:
            self.rebuild()
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

    def _look_up(self, request: Request) -> tuple[str, MemberOrder | None]:
        """The chain a request belongs to and its order, if there is one.

        By OrigClOrdID, else by SecondaryClOrdID: when an earlier request of the chain was lost on its way, the later
        one still names its order.
        """
        named = self._journal.chain_of(request.orig_cl_ord_id) if request.orig_cl_ord_id else None
        for chain in (named, request.trade_ref):
            if chain and (order := self._find(chain)):
                return chain, order
        return request.trade_ref or named or request.cl_ord_id, None

    def _find(self, chain: str) -> MemberOrder | None:
        return self._open.get(chain) or self._changed.get(chain) or self._journal.order(chain)

    def _new(self, request: Request, chain: str, known: MemberOrder | None, now: datetime) -> None:
        self.counts["orders"] += 1
        self._priority += 1
        order = MemberOrder(
            key=chain,
            order_id=f"{self._journal.born}-{self._priority}",
            cl_ord_id=request.cl_ord_id,
            trade_ref=request.trade_ref,
            account=request.account,
            symbol=request.symbol,
            side=request.side or "",
            price=request.price or Decimal(0),
            quantity=request.quantity or 0,
            time_in_force=request.time_in_force or "",
            priority=self._priority,
        )
        if refused := refuse_order(request, self._shares.get(request.symbol), known):
            order.ended, order.ord_rej_reason = REJECTED, refused[0]
            self._report(order, ExecType.REJECTED, now, OrdRejReason=refused[0], Text=refused[1])
            if not known:
                self._changed[chain] = order
            return
        self._pending(request, order, now)
        self._report(order, ExecType.NEW, now)
        self._keep(order)
        self._settle(self._books[order.symbol].submit(order), now)
        self._end_at_once(order, now)

    def _change(self, request: Request, chain: str, order: MemberOrder | None, now: datetime) -> None:
        """Answer a cancellation or an amendment."""
        is_cancel = request.msg_type == MsgType.ORDER_CANCEL_REQUEST
        self.counts["cancels" if is_cancel else "amendments"] += 1
        if order is None:
            self._refuse(request, chain, None, (UNKNOWN_ORDER, "no such order"), now)
        elif refused := refuse_change(request, self._shares.get(request.symbol), order):
            self._refuse(request, chain, order, refused, now)
        elif is_cancel:
            self._cancel(request, order, now)
        else:
            self._amend(request, order, now)

    def _refuse(
        self, request: Request, chain: str, order: MemberOrder | None, why: tuple[str, str], now: datetime
    ) -> None:
        reason, text = why
        response_to = _RESPONSE_TO[request.msg_type]
        body = cancel_reject(request, order, response_to=response_to, reason=reason, text=text, now=now)
        self._add(chain, MsgType.ORDER_CANCEL_REJECT, request.cl_ord_id, body)

    def _cancel(self, request: Request, order: MemberOrder, now: datetime) -> None:
        self._pending(request, order, now)
        self._books[order.symbol].remove(order)
        order.ended = CANCELED
        orig, order.cl_ord_id = order.cl_ord_id, request.cl_ord_id
        self._report(order, ExecType.CANCELED, now, OrigClOrdID=orig)
        self._keep(order)

    def _amend(self, request: Request, order: MemberOrder, now: datetime) -> None:
        """Put other terms in force; they are there, or the amendment would have been refused."""
        quantity, price = request.quantity or 0, request.price or Decimal(0)
        self._pending(request, order, now)
        if price != order.price or quantity > order.quantity:
            self._priority += 1
            order.priority = self._priority
        orig, order.cl_ord_id = order.cl_ord_id, request.cl_ord_id
        filled = order.filled
        fills = self._books[order.symbol].replace(order, quantity=quantity, price=price)
        self._report(order, ExecType.REPLACED, now, filled=filled, OrigClOrdID=orig)
        self._keep(order)
        self._settle(fills, now)
        self._end_at_once(order, now)

    def _end_at_once(self, order: MemberOrder, now: datetime) -> None:
        """Cancel what an IOC or FOK order could not trade."""
        if order.remaining and order.time_in_force not in RESTING:
            order.ended = CANCELED
            self._report(order, ExecType.CANCELED, now, Text=f"what {order.time_in_force} could not trade at once")
            self._keep(order)

    def _answer(self, request: Request, now: datetime) -> None:
        """Tell all that is known of an order: every report again, then its status."""
        self.counts["status_requests"] += 1
        asked = request.ord_status_req_id
        if asked and self._journal.is_answering(asked):
            return  # the same asking, delivered again before its answer was out
        chain = self._journal.chain_of(request.cl_ord_id) or ""
        order = self._find(chain) or (self._find(request.trade_ref) if request.trade_ref else None)
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
        self._journal.answer(chain=order.key, body=body, ord_status_req_id=asked)

    def _settle(self, fills: Iterable[Fill], now: datetime) -> None:
        """Report each fill to the members on its two sides, who waited first."""
        for fill in fills:
            self.counts["trades"] += 1
            for order in (fill.resting, fill.incoming):
                if isinstance(order, MemberOrder):
                    body = trade_report(order, fill, exec_id=self._next_exec_id(), now=now)
                    self._add(order.key, MsgType.EXECUTION_REPORT, body["ExecID"], body)
                    self._keep(order)

    def _pending(self, request: Request, order: MemberOrder, now: datetime) -> None:
        if self._pending_reports:
            ids = {"ClOrdID": request.cl_ord_id}
            if order.cl_ord_id != request.cl_ord_id:
                ids["OrigClOrdID"] = order.cl_ord_id
            self._report(order, _PENDING[request.msg_type], now, filled=order.filled, **ids)

    def _report(
        self, order: MemberOrder, exec_type: ExecType, now: datetime, *, filled: int | None = None, **more: str
    ) -> None:
        body = execution_report(order, exec_type, exec_id=self._next_exec_id(), now=now, filled=filled, **more)
        self._add(order.key, MsgType.EXECUTION_REPORT, body["ExecID"], body)

    def _next_exec_id(self) -> str:
        return f"{self._journal.born}-{self._reports + 1}"

    def _add(self, chain: str, msg_type: MsgType, message_id: str, body: dict[str, str]) -> None:
        self._reports += 1
        self._journal.add_report(number=self._reports, chain=chain, msg_type=msg_type, message_id=message_id, body=body)

    def _keep(self, order: MemberOrder) -> None:
        """Remember that the order changed; only what still rests is kept in memory after the commit."""
        self._changed[order.key] = order
        if order.ended or not order.remaining:
            self._open.pop(order.key, None)
        else:
            self._open[order.key] = order

    def _save(self) -> None:
        self._journal.save(self._changed.values())
        self._changed = {}
