"""The venue: its order books, the orders in memory, and the reports that every change of an order leaves."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from exchange.fix.codes import ExecType, MsgType, OrdStatus
from exchange.simulator.delivery import ReportDelivery
from exchange.simulator.faults import Faults
from exchange.simulator.journal import Journal
from exchange.simulator.matching import RESTING, Book, Fill
from exchange.simulator.orders import ClientOrder, execution_report, trade_report
from exchange.simulator.scripts import Script, script_of
from exchange.simulator.timers import Timers


class Venue:
    """Must be changed inside the journal's transaction; what was changed is on disk after `save` and the commit."""

    def __init__(self, journal: Journal, timers: Timers, *, faults: Faults, scripts: bool) -> None:
        self.counts: Counter[str] = Counter()
        self._journal = journal
        self._timers = timers
        self._faults = faults
        self._scripts = scripts
        self._delivery = ReportDelivery(journal, timers, faults)
        self.rebuild()

    def rebuild(self) -> None:
        """Forget everything and read the journal: the orders that rest, in the order of their priority."""
        self.books: dict[str, Book] = defaultdict(Book)
        self._open: dict[str, ClientOrder] = {}
        self._changed: dict[str, ClientOrder] = {}  # since the last commit
        self.reports, self._priority = self._journal.counters()
        for order in self._journal.open_orders():
            self._open[order.key] = order
            if not self.script(order):
                self.books[order.symbol].restore(order)

    def find(self, chain: str) -> ClientOrder | None:
        """Return the order of this chain of requests, open or not."""
        return self._open.get(chain) or self._changed.get(chain) or self._journal.order(chain)

    def script(self, order: ClientOrder) -> Script | None:
        """Return the script that the order follows now. One that follows any stands outside the book."""
        return self.script_at(order.symbol, order.price)

    def script_at(self, symbol: str, price: Decimal | None) -> Script | None:
        """Return the script that an order on `symbol` would follow at `price`; None while scripts are off."""
        return script_of(symbol, price) if self._scripts else None

    def next_priority(self) -> int:
        """Return a place behind all orders there are."""
        self._priority += 1
        return self._priority

    # --- Trading ---

    def enter(self, order: ClientOrder, now: datetime) -> None:
        """Trade an order against its book, and let what is left rest where it may."""
        if not self.script(order):
            self.report_fills(self.books[order.symbol].submit(order), now)
        self.cancel_if_immediate(order, now)

    def replace(self, order: ClientOrder, *, quantity: int, price: Decimal) -> list[Fill]:
        """Give an order other terms; returns what it trades under them, still to be reported."""
        if price != order.price or quantity > order.quantity:
            order.priority = self.next_priority()
        book = self.books[order.symbol]
        if not self.script_at(order.symbol, price):
            return book.replace(order, quantity=quantity, price=price)
        book.remove(order)
        order.quantity, order.price = max(quantity, order.filled), price
        return []

    def report_fills(self, fills: Iterable[Fill], now: datetime) -> None:
        """Report each fill to the clients on its two sides, to the one who waited first."""
        for fill in fills:
            self.counts["trades"] += 1
            for order, filled in ((fill.resting, fill.resting_filled), (fill.incoming, fill.incoming_filled)):
                if isinstance(order, ClientOrder):
                    self._report_trade(order, fill.quantity, fill.price, filled, now)

    def execute(self, order: ClientOrder, quantity: int, price: Decimal, now: datetime) -> None:
        """Fill an order outside the book, against the exchange's own account."""
        self.counts["trades"] += 1
        order.filled += quantity
        self._report_trade(order, quantity, price, order.filled, now)

    def cancel_if_immediate(self, order: ClientOrder, now: datetime) -> None:
        """Cancel what an IOC or FOK order could not trade."""
        if order.remaining and not order.ended and order.time_in_force not in RESTING:
            text = f"what {order.time_in_force} could not trade at once"
            self.end(order, OrdStatus.CANCELED, ExecType.CANCELED, now, text)

    def end(self, order: ClientOrder, status: OrdStatus, exec_type: ExecType, now: datetime, text: str) -> None:
        """Take an order out of its book, for ever or for a while."""
        self.books[order.symbol].remove(order)
        order.ended = status
        self.report(order, exec_type, now, Text=text)
        self.track(order)

    # --- Reports ---

    def report(
        self, order: ClientOrder, exec_type: ExecType, now: datetime, *, filled: int | None = None, **fields: str
    ) -> None:
        """Report a change of an order; `fields` are further FIX fields by name."""
        body = execution_report(order, exec_type, exec_id=self._next_exec_id(), now=now, filled=filled, **fields)
        self._report(order, body, now)

    def send(
        self, chain: str, msg_type: MsgType, message_id: str, body: dict[str, str], script: Script | None, now: datetime
    ) -> None:
        """Number a report and send it."""
        self.reports += 1
        self._delivery.send(self.reports, chain, msg_type, message_id, body, script=script, now=now)

    def track(self, order: ClientOrder) -> None:
        """Remember that the order changed; only what still rests stays in memory after the commit."""
        self._changed[order.key] = order
        if order.ended or not order.remaining:
            self._open.pop(order.key, None)
        else:
            self._open[order.key] = order

    def save(self) -> None:
        """Write the orders that changed to the journal."""
        self._journal.save(self._changed.values())
        self._changed = {}

    def _report_trade(self, order: ClientOrder, quantity: int, price: Decimal, filled: int, now: datetime) -> None:
        exec_id = self._next_exec_id()
        self._report(order, trade_report(order, quantity, price, exec_id=exec_id, now=now, filled=filled), now)
        self.track(order)

    def _report(self, order: ClientOrder, body: dict[str, str], now: datetime) -> None:
        self.send(order.key, MsgType.EXECUTION_REPORT, body["ExecID"], body, self.script(order), now)
        for action, seconds in self._faults.unsolicited(body["ExecType"], self.reports):
            self._timers.schedule(action, order.key, now=now, seconds=seconds, report=self.reports)

    def _next_exec_id(self) -> str:
        return f"{self._journal.id}-{self.reports + 1}"
