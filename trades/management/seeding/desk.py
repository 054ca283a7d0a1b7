"""Trades invented step by step in memory, by the real rules, reducer and ledgers, and written in one go.

Nothing here decides what is refused, blocked or released: the risk checks, the reducer and the ledgers do. What
is new is the clock, which is told, and that nothing is sent: the exchange's part is played too.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from django.db import connection

from brokerage.db.bulk import insert_many
from brokerage.db.transactions import transaction_required
from brokerage.models import Instrument, Trader
from brokerage.money import CURRENCY, plain, rounded_value
from brokerage.reasons import Code, Reason, combine_reasons
from exchange.fix.messages import ExecType
from holdings import services as holdings
from trades import lifecycle
from trades.core.locked_trade import Docket
from trades.intake.accept import Order
from trades.lifecycle import Kind, Reported, Side, Stage, Status
from trades.models import ExchangeReport, Execution, Trade, TradeRequest
from trades.models.reference import reference
from trades.risk import checks
from trades.steps.book import message
from wallets import services as wallets

STEP = timedelta(milliseconds=23)
"""What one step of the pipeline takes here."""

_EXEC_TYPES = {
    Reported.NEW: ExecType.NEW,
    Reported.REJECTED: ExecType.REJECTED,
    Reported.FILL: ExecType.TRADE,
    Reported.REPLACED: ExecType.REPLACED,
    Reported.CANCELED: ExecType.CANCELED,
    Reported.EXPIRED: ExecType.EXPIRED,
}


class Desk:
    """The invented trades of one batch of traders. Their wallets and holdings are locked until the commit."""

    @transaction_required
    def __init__(
        self,
        traders: dict[int, Trader],
        instruments: dict[str, Instrument],
        keys: Iterable[tuple[int, str]],
        count: int,
    ) -> None:
        self.cash = wallets.open_ledger(traders)
        self.shares = holdings.open_ledger(keys)
        self._market = checks.Market(traders, instruments, open=True)
        self._references = _references(count)
        self._at: datetime | None = None
        self._dockets: list[Docket] = []

    def accept(self, order: Order, *, trader_id: int, channel: str, placed_by: str, at: datetime) -> Docket:
        """Take in a new trade, as the API would."""
        self._now(at)
        trade = Trade(
            id=_uuid7(at),
            reference=next(self._references),
            trader_id=trader_id,
            symbol=order.symbol,
            side=order.side,
            time_in_force=order.time_in_force,
            currency=CURRENCY,
            channel=channel,
            client_reference=order.client_reference,
            quantity=order.quantity,
            price=order.price,
            status=Status.RECEIVED,
            created_at=at,
            updated_at=at,
        )
        request = _request(trade, 1, Kind.NEW, order.quantity, order.price, channel, placed_by, at)
        docket = Docket(trade, [request])
        docket.note("NEW_RECEIVED", at=at, request=request)
        self._dockets.append(docket)
        return docket

    def pay_in(self, trader_id: int, amount: Decimal, *, at: datetime, note: str = "") -> None:
        """Let money arrive from the bank."""
        self._now(at)
        self.cash.deposit(trader_id, amount, key=f"seed-{_uuid7(at)}", note=note)

    def bring_in(self, key: tuple[int, str], quantity: int, *, at: datetime) -> None:
        """Let shares arrive from the depository."""
        self._now(at)
        self.shares.deposit(key, quantity, key=f"seed-{_uuid7(at)}", note="Opening position")

    def ask(
        self, docket: Docket, kind: Kind, *, at: datetime, quantity: int | None = None, price: Decimal | None = None
    ) -> TradeRequest:
        """Take in an amendment or a cancellation of the same person through the same channel."""
        self._now(at)
        first = docket.requests[0]
        asked_quantity, asked_price = lifecycle.requested_terms(docket.state)
        quantity, price = quantity or asked_quantity, price or asked_price
        seq = len(docket.requests) + 1
        row = _request(docket.trade, seq, kind, quantity, price, first.channel, first.placed_by, at)
        docket.requests.append(row)
        facts = lifecycle.Request(id=str(row.pk), seq=seq, kind=kind, quantity=quantity, price=price)
        docket.apply(lifecycle.RequestAdded(facts), kind=f"{kind}_RECEIVED", at=at, request=row)
        return row

    def advance(self, docket: Docket, row: TradeRequest, *, at: datetime, until: Stage = Stage.SENT) -> bool:
        """Validate, book and send a request, one step after the other from `at`. False when it is refused."""
        self._now(at + 2 * STEP)
        needed = checks.increase(docket, row) if row.kind != Kind.CANCEL else Decimal(0)
        reasons = checks.refusals(docket, row, self._market)
        if short := checks.uncovered(docket.state.side, needed=needed, available=self.available(docket)):
            reasons.append(short)
        if reasons:
            code = {"code": str(reasons[0].code)}
            refused = lifecycle.Denied(str(row.pk))
            docket.apply(refused, kind="DENIED", at=at + STEP, request=row, data=code, reason=combine_reasons(reasons))
            return False
        for number, stage in enumerate((Stage.VALIDATED, Stage.BOOKED, Stage.SENT), start=1):
            data = {}
            if stage is Stage.BOOKED:
                data["blocked"] = str(needed)
                self._block(docket, needed)
                row.message = message(docket, row, now=at + number * STEP)
            event = lifecycle.StageCompleted(str(row.pk), stage)
            docket.apply(event, kind=str(stage), at=at + number * STEP, request=row, data=data)
            docket.record_hold()
            if stage is until:
                break
        return True

    def available(self, docket: Docket) -> Decimal:
        """What the trade's trader could block for it now: money for a BUY, shares for a SELL."""
        trade = docket.trade
        if docket.state.side is Side.BUY:
            return self.cash[trade.trader_id].available
        return Decimal(self.shares[trade.trader_id, trade.symbol].available)

    def report(
        self,
        docket: Docket,
        reported: Reported,
        row: TradeRequest,
        *,
        at: datetime,
        text: str | None = None,
        **numbers: Any,
    ) -> None:
        """Let the exchange say something about a request; `numbers` are the `quantity` and `price` it names."""
        self._now(at)
        exec_id = f"{docket.trade.pk.hex}-{len(docket.reports) + 1}"
        body = _body(docket.trade, row, exec_id, reported, numbers)
        docket.reports.append(ExchangeReport(exec_id=exec_id, trade_id=docket.trade.pk, body=body, received_at=at))
        event = lifecycle.Report(reported, str(row.pk), numbers.get("quantity"), numbers.get("price"), at)
        shown = {name: number if name == "quantity" else plain(number) for name, number in numbers.items()}
        data = {"exec_id": exec_id, **shown, **({"text": text} if text else {})}
        reason = Reason(Code.EXCHANGE_REJECTED, text, {"OrdRejReason": "99"}) if text else None
        revision = docket.apply(event, kind=f"EXCHANGE_{reported}", at=at, request=row, data=data, reason=reason)
        self._settle(
            docket, self._execution(docket, exec_id, at, numbers) if reported is Reported.FILL else None, revision
        )

    def too_late(self, docket: Docket, row: TradeRequest, *, at: datetime) -> None:
        """Let the exchange refuse an amendment or a cancellation that came too late."""
        self._now(at)
        reason = Reason(Code.TOO_LATE, "The exchange refused it.", {"CxlRejReason": "0"})
        event = lifecycle.Report(Reported.CANCEL_REJECTED, str(row.pk))
        revision = docket.apply(event, kind="EXCHANGE_CANCEL_REJECTED", at=at, request=row, reason=reason)
        self._settle(docket, None, revision)

    @transaction_required
    def write(self) -> None:
        """Insert everything; nothing of it is left for the pipeline to do."""
        planned = {docket.trade.pk: docket.plan_steps(at=docket.trade.updated_at) for docket in self._dockets}
        if unfinished := [pk for pk, plan in planned.items() if any(plan)]:
            raise AssertionError(f"left for the pipeline: {unfinished[:3]}")
        for docket in self._dockets:
            docket.trade.check_at = None  # the exchange has never heard of it, and would say so
        self._post()
        insert_many([docket.trade for docket in self._dockets])
        for rows in ("requests", "reports", "executions", "events"):
            insert_many([row for docket in self._dockets for row in getattr(docket, rows)])

    def _now(self, at: datetime) -> None:
        """Post what moved until now, and let time go on to `at`."""
        self._post()
        self._at = at

    def _post(self) -> None:
        self.cash.post(at=self._at)
        self.shares.post(at=self._at)

    def _block(self, docket: Docket, needed: Decimal) -> None:
        trade = docket.trade
        cause: dict[str, Any] = {"trade_id": trade.pk, "trade_revision": docket.next_revision}
        if docket.state.side is Side.BUY:
            self.cash.block(trade.trader_id, needed, **cause)
        else:
            self.shares.block((trade.trader_id, trade.symbol), int(needed), **cause)

    def _settle(self, docket: Docket, execution: Execution | None, revision: int) -> None:
        """Move the books to where the facts are now: pay for an execution, and release what needs no hold any more."""
        trade, change, bought = docket.trade, docket.hold_change(), docket.state.side is Side.BUY
        docket.record_hold()
        key = (trade.trader_id, trade.symbol)
        cause: dict[str, Any] = {"trade_id": trade.pk, "trade_revision": revision}
        if execution:
            cause["execution"] = execution.pk
            sign = 1 if bought else -1
            paid, released = -sign * execution.value, change if bought else Decimal(0)
            self.cash.settle(trade.trader_id, amount=paid, hold_change=released, **cause)
            self.shares.settle(key, amount=sign * execution.quantity, hold_change=0 if bought else int(change), **cause)
        elif bought:
            self.cash.release(trade.trader_id, -change, **cause)
        else:
            self.shares.release(key, int(-change), **cause)

    def _execution(self, docket: Docket, exec_id: str, at: datetime, numbers: dict[str, Any]) -> Execution:
        trade = docket.trade
        execution = Execution(
            exec_id=exec_id,
            trade=trade,
            trader_id=trade.trader_id,
            symbol=trade.symbol,
            side=trade.side,
            value=rounded_value(numbers["quantity"], numbers["price"]),
            executed_at=at,
            received_at=at,
            **numbers,
        )
        docket.executions.append(execution)
        return execution


def _request(
    trade: Trade, seq: int, kind: Kind, quantity: int, price: Decimal, channel: str, placed_by: str, at: datetime
) -> TradeRequest:
    return TradeRequest(
        id=_uuid7(at),
        trade=trade,
        seq=seq,
        kind=kind,
        quantity=quantity,
        price=price,
        channel=channel,
        placed_by=placed_by,
        created_at=at,
    )


def _body(trade: Trade, row: TradeRequest, exec_id: str, reported: Reported, numbers: dict[str, Any]) -> dict[str, str]:
    """What the exchange would have written."""
    body = {
        "ExecID": exec_id,
        "ExecType": str(_EXEC_TYPES[reported]),
        "ClOrdID": str(row.pk),
        "SecondaryClOrdID": str(trade.pk),
        "Symbol": trade.symbol,
        "Side": codes.Side[trade.side],
    }
    quantity, price = ("LastQty", "LastPx") if reported is Reported.FILL else ("OrderQty", "Price")
    return body | ({quantity: str(numbers["quantity"]), price: plain(numbers["price"])} if numbers else {})


def _references(count: int) -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('trades_reference') FROM generate_series(1, %s)", [count])
        return iter([reference(number) for (number,) in cursor.fetchall()])


def _uuid7(at: datetime) -> UUID:
    """An id of that moment, so that ids sort by time. RFC 9562: milliseconds, version, variant, the rest random."""
    milliseconds = int(at.timestamp() * 1_000)
    noise = uuid4().int & ~(0xFFFF_FFFF_FFFF_F << 76)
    return UUID(int=milliseconds << 80 | 7 << 76 | noise)
