"""Opening the wallets of many traders at once, for seeding."""

from collections.abc import Iterable
from decimal import Decimal

from django.db import connection

from brokerage.db.transactions import transaction_required
from brokerage.money import CURRENCY
from wallets.amounts import positive

_OPEN_FUNDED = """
    WITH given AS (
         SELECT * FROM unnest(%s::bigint[], %s::numeric(20, 2)[], %s::text[]) AS g(trader_id, amount, key)
    ), opened AS (
         INSERT INTO wallets_wallet (trader_id, currency, balance, blocked, debt, updated_at)
         SELECT t.id, %s, g.amount, 0, 0, now() FROM given g JOIN brokerage_trader t ON t.id = g.trader_id ORDER BY t.id
             ON CONFLICT DO NOTHING
      RETURNING trader_id
    )
    INSERT INTO wallets_walletentry (trader_id, kind, contra, amount, blocked_change, debt_change,
                                     balance_after, blocked_after, debt_after, key, note, at)
    SELECT g.trader_id, 'DEPOSIT', 'bank', g.amount, 0, 0, g.amount, 0, 0, g.key, '', now()
      FROM opened JOIN given g USING (trader_id)
     ORDER BY g.trader_id
 RETURNING trader_id
"""


@transaction_required
def open_funded(rows: Iterable[tuple[int, Decimal, str]]) -> set[int]:
    """Open a wallet with one deposit for every trader who has none, in one statement, and return those traders.

    Rows are (trader_id, amount, key), each trader once. For seeding: far faster than a ledger's deposits.
    """
    traders, amounts, keys = zip(*rows, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(_OPEN_FUNDED, [list(traders), [positive(amount) for amount in amounts], list(keys), CURRENCY])
        return {trader_id for (trader_id,) in cursor.fetchall()}
