"""Reads of wallets and their journal, without locks: for pages, for advice, for the audits of other apps."""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import cast
from uuid import UUID

from django.db.models import F, QuerySet, Sum

from wallets.models import Kind, Wallet, WalletEntry


def wallet_of(trader_id: int) -> Wallet:
    """Return the trader's wallet; an unsaved one with zeros if nothing was ever paid in."""
    return wallets_of([trader_id])[trader_id]


def wallets_of(trader_ids: Iterable[int]) -> dict[int, Wallet]:
    """Return the wallets of many traders in one query, with zeros for those who have none."""
    ids = set(trader_ids)
    found = Wallet.objects.in_bulk(ids)
    return {trader_id: found.get(trader_id) or Wallet(trader_id=trader_id) for trader_id in ids}


def available_cash(trader_ids: Iterable[int]) -> dict[int, Decimal]:
    """Return what each of these traders could block now, read without locks: 0 where nothing was ever paid in."""
    ids = set(trader_ids)
    found = Wallet.objects.filter(pk__in=ids).values_list("pk", F("balance") - F("blocked"))
    return dict.fromkeys(ids, Decimal(0)) | dict(found)


def entries_of(trader_id: int, *, before: int | None = None) -> QuerySet[WalletEntry]:
    """Return the trader's journal, newest first; `before` is the id of the last entry already seen."""
    entries = WalletEntry.objects.filter(trader_id=trader_id).order_by("-id")
    return entries if before is None else entries.filter(id__lt=before)


def entries_of_trade(trade_id: UUID) -> QuerySet[WalletEntry]:
    """Return every movement of cash for one trade, oldest first."""
    return WalletEntry.objects.filter(trade_id=trade_id).order_by("id")


def blocked_by_trade(trade_ids: Collection[UUID] | None = None) -> dict[UUID, Decimal]:
    """Return what each trade has blocked according to the journal; a trade that is not in it has nothing blocked.

    One pass over the journal; all trades, or those of `trade_ids`.
    """
    entries = WalletEntry.objects.filter(trade_id__isnull=False)
    if trade_ids is not None:
        entries = entries.filter(trade_id__in=trade_ids)
    held = entries.values("trade_id").annotate(held=Sum("blocked_change")).exclude(held=0).order_by()
    return {trade_id: amount for trade_id, amount in held.values_list("trade_id", "held") if trade_id}


def fees_by_trade(trade_ids: Collection[UUID] | None = None) -> dict[UUID, Decimal]:
    """Return what each trade was charged in fees, less what was given back; a trade that paid none is not in it.

    All trades, or those of `trade_ids`.
    """
    entries = WalletEntry.objects.filter(kind=Kind.FEE)
    if trade_ids is not None:
        entries = entries.filter(trade_id__in=trade_ids)
    charged = entries.values("trade_id").annotate(charged=-Sum("amount")).exclude(charged=0).order_by()
    return {trade_id: amount for trade_id, amount in charged.values_list("trade_id", "charged") if trade_id}


def settled_executions(trade_ids: Collection[UUID] | None = None) -> Iterator[tuple[UUID, str, Decimal]]:
    """Yield (trade_id, execution, amount) of every settling entry: all trades, or those of `trade_ids`."""
    entries = WalletEntry.objects.filter(kind=Kind.SETTLE)
    if trade_ids is not None:
        entries = entries.filter(trade_id__in=trade_ids)
    rows = entries.order_by().values_list("trade_id", "execution", "amount").iterator(chunk_size=5_000)
    yield from cast("Iterator[tuple[UUID, str, Decimal]]", rows)  # a CHECK: what settles has a trade and an execution


def trades_in_journal(*, since: datetime | None = None) -> Iterator[UUID]:
    """Yield each trade that has an entry, in the order of the ids; `since`: an entry of that time or later."""
    entries = WalletEntry.objects.filter(trade_id__isnull=False)
    if since is not None:
        entries = entries.filter(at__gte=since)
    ids = entries.order_by("trade_id").values_list("trade_id", flat=True).distinct()
    yield from cast("Iterator[UUID]", ids.iterator(chunk_size=5_000))
