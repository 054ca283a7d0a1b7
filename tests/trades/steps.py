"""Playing the pipeline by hand, one call per step, and the exchange with messages of its own."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from brokerage.models import Trader
from exchange.fix.messages import encode, parse
from exchange.inbound import Report
from holdings import services as holdings
from trades.core.representation import to_dict
from trades.intake import accept, change
from trades.intake.accept import Order
from trades.intake.idempotency import RequestContext
from trades.lifecycle import Stage
from trades.models import Trade
from trades.pipeline import apply_reports
from trades.steps import leases, send
from trades.steps.book import book
from trades.steps.runner import run_step
from trades.steps.validate import validate
from wallets import services as wallets

_numbers = itertools.count(1)


@contextmanager
def example() -> Iterator[None]:
    """One example of a property: services may open their transactions in it, as in a test's, and nothing is left."""
    block = transaction.atomic()
    block._from_testcase = True
    with block:
        yield
        transaction.set_rollback(True)


def context(trader: Trader, **changes: Any) -> RequestContext:
    return RequestContext(**({"trader_id": trader.pk, "username": "tester", "channel": "API"} | changes))


def place(
    trader: Trader,
    side: str = "BUY",
    quantity: int = 10,
    price: str = "100.00",
    symbol: str = "ACME",
    time_in_force: str = "DAY",
    **changes: Any,
) -> UUID:
    """Accept a new trade and return its id."""
    order = Order(symbol=symbol, side=side, quantity=quantity, price=Decimal(price), time_in_force=time_in_force)
    return accept.place(order, context=context(trader, **changes)).trade_id


def amend(trade_id: UUID, **terms: Any) -> None:
    trade = Trade.objects.get(pk=trade_id)
    change.amend(trade_id, context=context(trade.trader), **terms)


def cancel(trade_id: UUID) -> None:
    trade = Trade.objects.get(pk=trade_id)
    change.cancel(trade_id, context=context(trade.trader))


def lease_all(stage: Stage) -> list[leases.Lease]:
    """Lease everything that is due; it must all have come to `stage`."""
    batches = leases.lease_due(1_000)
    assert {batch.stage for batch in batches} <= {stage}
    return [claim for batch in batches for claim in batch.leases]


def run_to_booked() -> list[leases.Lease]:
    """Validate and book everything that is due, as one batch; returns its claims."""
    taken = lease_all(Stage.RECEIVED)
    run_step(validate, taken, redelivered=False)
    run_step(book, taken, redelivered=False)
    return taken


def run_to_sent() -> None:
    """The same, and note it as sent without publishing it: nobody listens."""
    taken = run_to_booked()
    send.note_sent([UUID(request_id) for request_id, _ in taken])


def report(trade_id: UUID, exec_type: str, *, seq: int = 1, resend: bool = False, **fields: str) -> Report:
    """An `8` of the exchange about request `seq` of a trade. Fields as in FIX; the ExecID is fresh unless given."""
    trade = Trade.objects.get(pk=trade_id)
    body = {
        "ExecID": f"E{next(_numbers)}",
        "ExecType": exec_type,
        "ClOrdID": str(trade.requests.get(seq=seq).pk),
        "SecondaryClOrdID": str(trade_id),
        "Symbol": trade.symbol,
        "Side": "1" if trade.side == "BUY" else "2",
    }
    return _read("8", body | fields, resend=resend)


def fill(trade_id: UUID, quantity: int, price: str, **fields: Any) -> Report:
    return report(trade_id, "F", LastQty=str(quantity), LastPx=price, **fields)


def cancel_reject(trade_id: UUID, *, seq: int, reason: str = "0", **fields: str) -> Report:
    request = Trade.objects.get(pk=trade_id).requests.get(seq=seq)
    return _read("9", {"ClOrdID": str(request.pk), "CxlRejReason": reason} | fields)


def tell(*reports: Report) -> None:
    """Let the exchange report; one batch, one commit."""
    apply_reports(list(reports))


def picture(trade_id: UUID) -> dict[str, Any]:
    """The trade as clients see it."""
    trade = Trade.objects.get(pk=trade_id)
    return to_dict(trade, trade.requests.order_by("seq"), now=timezone.now())


def _read(msg_type: str, body: dict[str, str], *, resend: bool = False) -> Report:
    raw = encode(msg_type, body, sending_time=timezone.now(), poss_resend=resend)
    return Report(raw, body.get("ExecID", ""), parse(raw))


def wallets_for(trader: Trader, cash: str) -> None:
    wallets.deposit(trader_id=trader.pk, amount=Decimal(cash), key=f"more-{next(_numbers)}")


def holdings_for(trader: Trader, **shares: int) -> None:
    for symbol, quantity in shares.items():
        holdings.deposit(trader_id=trader.pk, symbol=symbol, amount=quantity, key=f"more-{next(_numbers)}")
