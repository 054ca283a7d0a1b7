"""The auditor: do trades, wallets and holdings tell one story? One read-only snapshot of everything.

Runs after every database test, as a command, and on a schedule.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.db.models import Count, Max, Q

from brokerage.auditing import Discrepancy
from brokerage.money import ZERO
from brokerage.observability import metrics
from holdings import audit as holdings_audit
from holdings import selectors as holdings
from trades import lifecycle
from trades.core.locked_trade import state_of
from trades.core.schedule import next_step
from trades.models import Execution, Trade, TradeEvent, TradeRequest
from wallets import audit as wallets_audit
from wallets import selectors as wallets

log = structlog.get_logger(__name__)

CHUNK = 2_000

Figure = Decimal | int
"""Cash or shares."""


def audit() -> list[Discrepancy]:
    """Compare everything with everything, in one snapshot. Returns what does not agree; empty when all is well."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        return list(discrepancies())


def discrepancies() -> Iterator[Discrepancy]:
    """Look at every invariant within the caller's snapshot."""
    yield from wallets_audit.audit()
    yield from holdings_audit.audit()
    yield from _trades()
    yield from _holds()
    yield from _fees()
    yield from _executions()
    yield from _revisions()


def audit_and_report() -> list[Discrepancy]:
    """Audit, and log one error line per discrepancy."""
    found = audit()
    for discrepancy in found:
        log.error("audit_discrepancy", code=discrepancy.code, subject=discrepancy.subject, detail=str(discrepancy))
    log.info("audit_done", discrepancies=len(found))
    metrics.audit_discrepancies.set(len(found))
    metrics.audit_finished.set_to_current_time()
    return found


def _trades() -> Iterator[Discrepancy]:
    """Cached status and hold are what the facts say; what is over with nothing outstanding holds nothing."""
    for trades in _chunks():
        requests: dict[UUID, list[TradeRequest]] = {trade.pk: [] for trade in trades}
        for request in TradeRequest.objects.filter(trade_id__in=list(requests)).order_by("trade_id", "seq"):
            requests[request.trade_id].append(request)
        for trade in trades:
            yield from _trade(trade, requests[trade.pk])


def _trade(trade: Trade, requests: list[TradeRequest]) -> Iterator[Discrepancy]:
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
    waiting = [first.seq] if first else []
    due = [request.seq for request in requests if request.due_at is not None]
    if due != waiting:
        yield Discrepancy("I10_DUE", subject, str(waiting), str(due))


def _holds() -> Iterator[Discrepancy]:
    """What the journals say each trade has blocked is what the trade says it holds."""
    cash = dict(Trade.objects.filter(hold_cash__gt=0).values_list("pk", "hold_cash"))
    shares = dict(Trade.objects.filter(hold_shares__gt=0).values_list("pk", "hold_shares"))
    yield from _differences("I2_CASH_BLOCKED", cash, wallets.blocked_by_trade())
    yield from _differences("I2_SHARES_BLOCKED", shares, holdings.blocked_by_trade())


def _fees() -> Iterator[Discrepancy]:
    """What each trade was charged is what its schedule asks for what was executed, however it came about."""
    paying = Trade.objects.filter(Q(fee_rate__gt=0) | Q(fee_minimum__gt=0), filled_value__gt=0)
    due = {trade.pk: lifecycle.charged(state_of(trade, ())) for trade in paying.order_by("pk").iterator()}
    yield from _differences("I5_FEES", due, wallets.fees_by_trade())


def _differences(code: str, expected: Mapping[UUID, Figure], found: Mapping[UUID, Figure]) -> Iterator[Discrepancy]:
    for pk in expected.keys() | found.keys():
        if expected.get(pk, ZERO) != found.get(pk, ZERO):
            yield Discrepancy(code, f"trade {pk}", str(expected.get(pk, ZERO)), str(found.get(pk, ZERO)))


def _executions() -> Iterator[Discrepancy]:
    """Each version of an execution is settled once in cash and once in shares, by what it changed, and nothing else is.

    What a trade has been filled is the sum over the versions that count: those that no other one replaces.
    """
    columns = ("pk", "trade_id", "side", "quantity", "price", "value", "replaces")
    versions = {row[0]: row for row in Execution.objects.values_list(*columns).iterator()}
    replaced = {row[-1] for row in versions.values()} - {None}
    cash, shares = {}, {}
    executed: dict[UUID, tuple[int, Decimal, Decimal]] = {}
    for pk, trade_id, side, quantity, price, worth, replaces in versions.values():
        _, _, _, old_quantity, _, old_worth, _ = versions[replaces] if replaces else _NO_VERSION
        sign = 1 if side == lifecycle.Side.BUY else -1
        cash[pk], shares[pk] = -sign * (worth - old_worth), sign * (quantity - old_quantity)
        if pk not in replaced:
            total, total_worth, exact = executed.get(trade_id, (0, ZERO, ZERO))
            executed[trade_id] = (total + quantity, total_worth + worth, exact + quantity * price)
    yield from _settlements("I4_CASH_SETTLED", cash, wallets.settled_executions())
    yield from _settlements("I4_SHARES_SETTLED", shares, holdings.settled_executions())
    nothing = (0, ZERO, ZERO)
    cached = Trade.objects.filter(~Q(filled_quantity=0) | ~Q(filled_value=0) | ~Q(filled_notional=0))
    figures = cached.values_list("pk", "filled_quantity", "filled_value", "filled_notional")
    filled = {pk: (quantity, worth, exact) for pk, quantity, worth, exact in figures}
    for pk in executed.keys() | filled.keys():
        if executed.get(pk, nothing) != filled.get(pk, nothing):
            yield Discrepancy("I4_FILLED", f"trade {pk}", str(executed.get(pk)), str(filled.get(pk)))


_NO_VERSION = (None, None, None, 0, ZERO, ZERO, None)


def _settlements(
    code: str, expected: Mapping[str, Figure], found: Iterable[tuple[UUID, str, Figure]]
) -> Iterator[Discrepancy]:
    missing = dict(expected)
    for _, execution, amount in found:
        if missing.pop(execution, None) != amount:
            yield Discrepancy(code, f"execution {execution}", str(expected.get(execution)), f"{amount}, or twice")
    for execution, amount in missing.items():
        yield Discrepancy(code, f"execution {execution}", str(amount), "nothing")


def _revisions() -> Iterator[Discrepancy]:
    """A trade's revision is the number of its timeline entries, without a gap."""
    counted = TradeEvent.objects.values("trade_id").annotate(n=Count("seq"), last=Max("seq")).order_by()
    events = {row["trade_id"]: (row["n"], row["last"]) for row in counted}
    for pk, revision in Trade.objects.values_list("pk", "revision").iterator():
        if events.get(pk, (0, None)) != (revision, revision):
            yield Discrepancy("I1_TIMELINE", f"trade {pk}", str(revision), str(events.get(pk)))


def _chunks() -> Iterator[list[Trade]]:
    trades = Trade.objects.order_by("pk")
    chunk = list(trades[:CHUNK])
    while chunk:
        yield chunk
        chunk = list(trades.filter(pk__gt=chunk[-1].pk)[:CHUNK])
