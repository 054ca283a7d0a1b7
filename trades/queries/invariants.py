"""What must be true of each trade: its facts, its requests, its timeline, its executions and both journals agree.

Checked for a few thousand trades at a time, so that the memory needed does not grow with the number of trades.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from uuid import UUID

from django.db.models import Count, Max

from brokerage.auditing import Discrepancy
from brokerage.money import ZERO
from holdings import selectors as holdings
from trades import lifecycle
from trades.core.locked_trade import state_of
from trades.core.schedule import next_step
from trades.models import Execution, Trade, TradeEvent, TradeRequest
from wallets import selectors as wallets

Amount = Decimal | int
"""Cash or shares."""

Filled = tuple[int, Decimal, Decimal]
"""Quantity, value and exact notional."""

_NOT_FILLED: Filled = (0, ZERO, ZERO)


def check_trades(ids: Sequence[UUID]) -> Iterator[Discrepancy]:
    """Yield whatever is wrong about these trades, within the caller's snapshot. A constant number of queries.

    `ids` may name trades that only a journal knows: what it has booked for them is a discrepancy.
    """
    trades = Trade.objects.in_bulk(ids)
    requests: dict[UUID, list[TradeRequest]] = {pk: [] for pk in trades}
    for request in TradeRequest.objects.filter(trade_id__in=ids).order_by("trade_id", "seq"):
        requests[request.trade_id].append(request)
    for pk, trade in trades.items():
        yield from _facts(trade, requests[pk])
    yield from _holds(trades, ids)
    yield from _fees(trades, ids)
    yield from _executions(trades, ids)
    yield from _timelines(trades, ids)


def _facts(trade: Trade, requests: list[TradeRequest]) -> Iterator[Discrepancy]:
    """Cached status and hold are what the facts say; what is over with nothing outstanding holds nothing."""
    subject = f"trade {trade.pk}"
    if [request.seq for request in requests] != list(range(1, len(requests) + 1)):
        yield Discrepancy("I1_REQUESTS", subject, "requests 1, 2, …", str([request.seq for request in requests]))
        return
    state = state_of(trade, requests)
    if trade.status != lifecycle.status(state):
        yield Discrepancy("I9_STATUS", subject, str(lifecycle.status(state)), trade.status)
    held = trade.hold_cash if state.side is lifecycle.Side.BUY else Decimal(trade.hold_shares)
    if held != lifecycle.hold(state):
        yield Discrepancy("I3_HOLD", subject, str(lifecycle.hold(state)), str(held))
    outstanding = any(request.outstanding for request in state.requests)
    if lifecycle.is_over(state) and not outstanding and held:
        yield Discrepancy("I7_OVER_BUT_HOLDING", subject, "0", str(held))
    first = next_step(requests)
    expected = [first.seq] if first else []
    due = [request.seq for request in requests if request.due_at is not None]
    if due != expected:
        yield Discrepancy("I10_DUE", subject, str(expected), str(due))


def _holds(trades: Mapping[UUID, Trade], ids: Collection[UUID]) -> Iterator[Discrepancy]:
    """What the journals say each trade has blocked is what the trade says it holds."""
    cash = {pk: trade.hold_cash for pk, trade in trades.items()}
    shares = {pk: trade.hold_shares for pk, trade in trades.items()}
    yield from _differences("I2_CASH_BLOCKED", cash, wallets.blocked_by_trade(ids))
    yield from _differences("I2_SHARES_BLOCKED", shares, holdings.blocked_by_trade(ids))


def _fees(trades: Mapping[UUID, Trade], ids: Collection[UUID]) -> Iterator[Discrepancy]:
    """What each trade was charged is what its schedule asks for what was executed, however it came about."""
    charged = {pk: lifecycle.charged(state_of(trade, ())) for pk, trade in trades.items() if trade.filled_value > 0}
    yield from _differences("I5_FEES", charged, wallets.fees_by_trade(ids))


def _differences(code: str, expected: Mapping[UUID, Amount], found: Mapping[UUID, Amount]) -> Iterator[Discrepancy]:
    for pk in expected.keys() | found.keys():
        if expected.get(pk, ZERO) != found.get(pk, ZERO):
            yield Discrepancy(code, f"trade {pk}", str(expected.get(pk, ZERO)), str(found.get(pk, ZERO)))


def _executions(trades: Mapping[UUID, Trade], ids: Collection[UUID]) -> Iterator[Discrepancy]:
    """Each version of an execution is settled once in cash and once in shares, by what it changed, and nothing else is.

    What a trade has been filled is the sum over the versions that count: those that no other one replaces.
    """
    versions = {(row.trade_id, row.exec_id): row for row in Execution.objects.filter(trade_id__in=ids)}
    replaced = {(row.trade_id, row.replaces) for row in versions.values()}
    cash: dict[tuple[UUID, str], Amount] = {}
    shares: dict[tuple[UUID, str], Amount] = {}
    filled: dict[UUID, Filled] = {}
    for key, version in versions.items():
        old = versions.get((version.trade_id, version.replaces)) if version.replaces else None
        sign = 1 if version.side == lifecycle.Side.BUY else -1
        cash[key] = -sign * (version.value - (old.value if old else ZERO))
        shares[key] = sign * (version.quantity - (old.quantity if old else 0))
        if key not in replaced:
            quantity, value, notional = filled.get(version.trade_id, _NOT_FILLED)
            exact = version.quantity * version.price
            filled[version.trade_id] = (quantity + version.quantity, value + version.value, notional + exact)
    yield from _settlements("I4_CASH_SETTLED", cash, wallets.settled_executions(ids))
    yield from _settlements("I4_SHARES_SETTLED", shares, holdings.settled_executions(ids))
    for pk, trade in trades.items():
        cached: Filled = (trade.filled_quantity, trade.filled_value, trade.filled_notional)
        if filled.get(pk, _NOT_FILLED) != cached:
            yield Discrepancy("I4_FILLED", f"trade {pk}", str(filled.get(pk)), str(cached))


def _settlements(
    code: str, expected: Mapping[tuple[UUID, str], Amount], found: Iterable[tuple[UUID, str, Amount]]
) -> Iterator[Discrepancy]:
    missing = dict(expected)
    for trade_id, execution, amount in found:
        key = trade_id, execution
        if missing.pop(key, None) != amount:
            subject = f"trade {trade_id} execution {execution}"
            yield Discrepancy(code, subject, str(expected.get(key)), f"{amount}, or twice")
    for (trade_id, execution), amount in missing.items():
        yield Discrepancy(code, f"trade {trade_id} execution {execution}", str(amount), "nothing")


def _timelines(trades: Mapping[UUID, Trade], ids: Collection[UUID]) -> Iterator[Discrepancy]:
    """A trade's revision is the number of its timeline entries, without a gap."""
    counted = TradeEvent.objects.filter(trade_id__in=ids).values("trade_id").annotate(n=Count("seq"), last=Max("seq"))
    events = {row["trade_id"]: (row["n"], row["last"]) for row in counted.order_by()}
    for pk, trade in trades.items():
        if events.get(pk, (0, None)) != (trade.revision, trade.revision):
            yield Discrepancy("I1_TIMELINE", f"trade {pk}", str(trade.revision), str(events.get(pk)))
