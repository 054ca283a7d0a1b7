"""Reads of holdings and their journal, without locks: for pages, for advice, for the audits of other apps."""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import cast
from uuid import UUID

from django.db.models import QuerySet, Sum
from django.db.models.expressions import RawSQL

from holdings.models import Holding, HoldingEntry, Kind


def holding_of(trader_id: int, symbol: str) -> Holding:
    """Return what the trader has of one share; an unsaved holding with zeros if there never was any."""
    return holdings_by_key([(trader_id, symbol)])[trader_id, symbol]


def holdings_of(trader_id: int) -> QuerySet[Holding]:
    """Return all holdings of one trader, by symbol."""
    return Holding.objects.filter(trader_id=trader_id).order_by("symbol")


def holdings_by_key(keys: Iterable[tuple[int, str]]) -> dict[tuple[int, str], Holding]:
    """Return the holdings of many (trader_id, symbol) in one query, with zeros for those that are not there."""
    wanted = sorted(set(keys))
    found = {(holding.trader_id, holding.symbol): holding for holding in with_keys(wanted)}
    return {key: found.get(key) or Holding(trader_id=key[0], symbol=key[1]) for key in wanted}


def available_shares(keys: Iterable[tuple[int, str]]) -> dict[tuple[int, str], int]:
    """Return what could be blocked now of each (trader_id, symbol), read without locks: 0 where there never was any."""
    return {key: holding.quantity - holding.blocked for key, holding in holdings_by_key(keys).items()}


def with_keys(keys: Collection[tuple[int, str]]) -> QuerySet[Holding]:
    """Return the holdings of exactly these pairs; no product of all traders with all symbols."""
    pairs = RawSQL(
        "SELECT h.id FROM unnest(%s::bigint[], %s::text[]) AS k(trader_id, symbol)"
        " JOIN holdings_holding h ON h.trader_id = k.trader_id AND h.symbol = k.symbol",
        [[trader_id for trader_id, _ in keys], [symbol for _, symbol in keys]],
    )
    return Holding.objects.filter(id__in=pairs)


def entries_of(trader_id: int, *, symbol: str | None = None, before: int | None = None) -> QuerySet[HoldingEntry]:
    """Return the trader's journal, newest first; `before` is the id of the last entry already seen."""
    entries = HoldingEntry.objects.filter(trader_id=trader_id).order_by("-id")
    if symbol is not None:
        entries = entries.filter(symbol=symbol)
    return entries if before is None else entries.filter(id__lt=before)


def entries_of_trade(trade_id: UUID) -> QuerySet[HoldingEntry]:
    """Return every movement of shares for one trade, oldest first."""
    return HoldingEntry.objects.filter(trade_id=trade_id).order_by("id")


def blocked_by_trade(trade_ids: Collection[UUID] | None = None) -> dict[UUID, int]:
    """Return what each trade has blocked according to the journal; a trade that is not in it has nothing blocked.

    One pass over the journal; all trades, or those of `trade_ids`.
    """
    entries = HoldingEntry.objects.filter(trade_id__isnull=False)
    if trade_ids is not None:
        entries = entries.filter(trade_id__in=trade_ids)
    held = entries.values("trade_id").annotate(held=Sum("blocked_change")).exclude(held=0).order_by()
    return {trade_id: int(quantity) for trade_id, quantity in held.values_list("trade_id", "held") if trade_id}


def settled_executions(trade_ids: Collection[UUID] | None = None) -> Iterator[tuple[UUID, str, int]]:
    """Yield (trade_id, execution, amount) of every settling entry: all trades, or those of `trade_ids`."""
    entries = HoldingEntry.objects.filter(kind=Kind.SETTLE)
    if trade_ids is not None:
        entries = entries.filter(trade_id__in=trade_ids)
    rows = entries.order_by().values_list("trade_id", "execution", "amount").iterator(chunk_size=5_000)
    yield from cast("Iterator[tuple[UUID, str, int]]", rows)  # a CHECK: what settles has a trade and an execution


def trades_in_journal(*, since: datetime | None = None) -> Iterator[UUID]:
    """Yield each trade that has an entry, in the order of the ids; `since`: an entry of that time or later."""
    entries = HoldingEntry.objects.filter(trade_id__isnull=False)
    if since is not None:
        entries = entries.filter(at__gte=since)
    ids = entries.order_by("trade_id").values_list("trade_id", flat=True).distinct()
    yield from cast("Iterator[UUID]", ids.iterator(chunk_size=5_000))
