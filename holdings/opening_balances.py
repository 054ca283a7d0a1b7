"""Opening positions of many new traders at once, for seeding: far faster than a deposit for each."""

from collections.abc import Iterable
from typing import Any

from django.db import connection, transaction

from brokerage.db.transactions import retrying
from holdings.amounts import positive

_OPEN_AND_DEPOSIT = """
    WITH given AS (
         SELECT *
           FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::text[]) AS g(trader_id, symbol, amount, key)
    ), opened AS (
         INSERT INTO holdings_holding (trader_id, symbol, quantity, blocked, short, updated_at)
         SELECT g.trader_id, g.symbol, g.amount, 0, 0, now() FROM given g ORDER BY g.trader_id, g.symbol
             ON CONFLICT DO NOTHING
      RETURNING trader_id, symbol
    )
    INSERT INTO holdings_holdingentry (trader_id, symbol, kind, contra, amount, blocked_change, short_change,
                                       quantity_after, blocked_after, short_after, key, note, at)
    SELECT g.trader_id, g.symbol, 'DEPOSIT', 'depository', g.amount, 0, 0, g.amount, 0, 0, g.key, '', now()
      FROM opened JOIN given g USING (trader_id, symbol)
     ORDER BY g.trader_id, g.symbol
"""


@retrying
def deposit_opening_balances(rows: Iterable[tuple[int, str, int, str]]) -> int:
    """Open a holding with one deposit for each (trader_id, symbol) that has none, and return how many were opened.

    Rows are (trader_id, symbol, amount, key), each pair once; some thousands make a good batch. One commit; holdings
    that are there are passed over, so it may run again. Raises IntegrityError, and opens none, if one of the traders
    does not exist.
    """
    if not (given := list(rows)):
        return 0
    traders, symbols, amounts, keys = zip(*given, strict=True)
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        values: list[Any] = [list(traders), list(symbols), [positive(amount) for amount in amounts], list(keys)]
        cursor.execute(_OPEN_AND_DEPOSIT, values)
        opened: int = cursor.rowcount
    return opened
