"""Opening the holdings of many traders at once, for seeding."""

from collections.abc import Iterable

from django.db import connection

from brokerage.db.transactions import transaction_required
from holdings.amounts import positive

_OPEN_FUNDED = """
    WITH given AS (
         SELECT *
           FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::text[]) AS g(trader_id, symbol, amount, key)
    ), opened AS (
         INSERT INTO holdings_holding (trader_id, symbol, quantity, blocked, short, updated_at)
         SELECT t.id, g.symbol, g.amount, 0, 0, now() FROM given g JOIN brokerage_trader t ON t.id = g.trader_id
          ORDER BY t.id, g.symbol
             ON CONFLICT DO NOTHING
      RETURNING trader_id, symbol
    )
    INSERT INTO holdings_holdingentry (trader_id, symbol, kind, contra, amount, blocked_change, short_change,
                                       quantity_after, blocked_after, short_after, key, note, at)
    SELECT g.trader_id, g.symbol, 'DEPOSIT', 'depository', g.amount, 0, 0, g.amount, 0, 0, g.key, '', now()
      FROM opened JOIN given g USING (trader_id, symbol)
     ORDER BY g.trader_id, g.symbol
 RETURNING trader_id, symbol
"""


@transaction_required
def open_funded(rows: Iterable[tuple[int, str, int, str]]) -> set[tuple[int, str]]:
    """Open a holding with one deposit for every (trader_id, symbol) that has none, in one statement, and return those.

    Rows are (trader_id, symbol, amount, key), each pair once. For seeding: far faster than a ledger's deposits.
    """
    traders, symbols, amounts, keys = zip(*rows, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            _OPEN_FUNDED, [list(traders), list(symbols), [positive(amount) for amount in amounts], list(keys)]
        )
        return set(cursor.fetchall())
