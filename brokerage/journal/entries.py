"""Entries of a journal, whether of cash or of shares: what they have in common, and how staff search them."""

from decimal import Decimal
from typing import Protocol, TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet

EntryT = TypeVar("EntryT", bound=Model)


class JournalEntry(Protocol):
    """The columns that every entry has. Holdings add `symbol`."""

    @property
    def trader_id(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def amount(self) -> Decimal | int: ...
    @property
    def trade_id(self) -> UUID | None: ...


def search_entries(entries: QuerySet[EntryT], term: str) -> QuerySet[EntryT]:
    """Return the entries of a trade (its id), a trader (the number), an execution, or an idempotency key."""
    term = term.strip()
    if not term:
        return entries
    try:
        return entries.filter(trade_id=UUID(term))
    except ValueError:
        pass
    if term.isascii() and term.isdecimal() and len(term) < 19:  # BIGINT has 19 digits
        of_trader = entries.filter(trader_id=int(term))
        if of_trader.exists():  # a query of its own: an OR over three columns would use none of their indexes
            return of_trader
    return entries.filter(Q(execution=term) | Q(key=term))
