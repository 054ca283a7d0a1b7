"""Opening balances of many new traders at once, for seeding: far faster than a deposit for each."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.db import connection, transaction

from brokerage.db.transactions import retrying
from brokerage.money import CURRENCY, positive

_OPEN_AND_DEPOSIT = """
    WITH given AS (
         SELECT * FROM unnest(%s::bigint[], %s::numeric(20, 2)[], %s::text[]) AS g(trader_id, amount, key)
    ), opened AS (
         INSERT INTO wallets_wallet (trader_id, currency, balance, blocked, debt, updated_at)
         SELECT g.trader_id, %s, g.amount, 0, 0, now() FROM given g ORDER BY g.trader_id
             ON CONFLICT DO NOTHING
      RETURNING trader_id
    )
    INSERT INTO wallets_walletentry (trader_id, kind, contra, amount, blocked_change, debt_change,
                                     balance_after, blocked_after, debt_after, key, note, at)
    SELECT g.trader_id, 'DEPOSIT', 'bank', g.amount, 0, 0, g.amount, 0, 0, g.key, '', now()
      FROM opened JOIN given g USING (trader_id)
     ORDER BY g.trader_id
"""


@retrying
def deposit_opening_balances(rows: Iterable[tuple[int, Decimal, str]]) -> int:
    """Open a wallet with one deposit for each trader who has none, and return how many were opened.

    Rows are (trader_id, amount, key), each trader once; some thousands make a good batch. One commit; who has a wallet
    is passed over, so it may run again. Raises IntegrityError, and opens none, if one of the traders does not exist.
    """
    if not (given := list(rows)):
        return 0
    traders, amounts, keys = zip(*given, strict=True)
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        values: list[Any] = [list(traders), [positive(amount) for amount in amounts], list(keys), CURRENCY]
        cursor.execute(_OPEN_AND_DEPOSIT, values)
        opened: int = cursor.rowcount
    return opened
