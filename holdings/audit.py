"""Whether the holdings still say what their journal says. Reads only; run it in one snapshot.

Each check is one query that returns what is wrong, so that clean books cost the scan and nothing more.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from brokerage.auditing import Discrepancy

_JOURNAL_SUMS = """
    SELECT COALESCE(h.trader_id, e.trader_id), COALESCE(h.symbol, e.symbol),
           h.quantity, COALESCE(e.quantity, 0), h.blocked, COALESCE(e.blocked, 0), h.short, COALESCE(e.short, 0)
      FROM holdings_holding h
      FULL JOIN (
           SELECT trader_id, symbol,
                  sum(amount) AS quantity, sum(blocked_change) AS blocked, sum(short_change) AS short
             FROM holdings_holdingentry
            GROUP BY trader_id, symbol
           ) e ON e.trader_id = h.trader_id AND e.symbol = h.symbol
     WHERE h.trader_id IS NULL
        OR (h.quantity, h.blocked, h.short)
           IS DISTINCT FROM (COALESCE(e.quantity, 0), COALESCE(e.blocked, 0), COALESCE(e.short, 0))
"""

_LIMITS = """
    SELECT trader_id, symbol, quantity, blocked, short
      FROM holdings_holding
     WHERE NOT (0 <= blocked AND blocked <= quantity AND short >= 0 AND (short = 0 OR blocked = quantity))
"""

_CHAIN = """
    SELECT *
      FROM (SELECT id, trader_id, symbol, quantity_after, blocked_after, short_after,
                   lag(quantity_after, 1, 0::bigint) OVER chain + amount AS quantity,
                   lag(blocked_after, 1, 0::bigint) OVER chain + blocked_change AS blocked,
                   lag(short_after, 1, 0::bigint) OVER chain + short_change AS short
              FROM holdings_holdingentry
            WINDOW chain AS (PARTITION BY trader_id, symbol ORDER BY id)) e
     WHERE (quantity_after, blocked_after, short_after) IS DISTINCT FROM (quantity, blocked, short)
"""

_TRIAL_BALANCE = """
    SELECT symbol, COALESCE(h.own, 0), COALESCE(e.depository, 0), COALESCE(e.clearing, 0)
      FROM (SELECT symbol, sum(quantity - short) AS own FROM holdings_holding GROUP BY symbol) h
      FULL JOIN (
           SELECT symbol,
                  COALESCE(sum(amount) FILTER (WHERE contra = 'depository'), 0) AS depository,
                  COALESCE(sum(amount) FILTER (WHERE contra = 'clearing'), 0) AS clearing
             FROM holdings_holdingentry
            GROUP BY symbol
           ) e USING (symbol)
     WHERE COALESCE(h.own, 0) <> COALESCE(e.depository + e.clearing, 0)
"""

_TRADE_HOLDS = """
    SELECT trade_id, sum(blocked_change)
      FROM holdings_holdingentry
     WHERE trade_id IS NOT NULL
     GROUP BY trade_id
    HAVING sum(blocked_change) < 0
"""

_SETTLEMENTS = """
    SELECT trade_id, execution, count(*)
      FROM holdings_holdingentry
     WHERE kind = 'SETTLE'
     GROUP BY trade_id, execution
    HAVING count(*) > 1
"""

# --- Since a time: by what came before, which earlier audits have checked, and not from the beginning --------------

# The entries of one holding are in the order of their ids; their times may be a little out of it.
_TOUCHED = """
    SELECT trader_id, symbol, min(id) AS first_id
      FROM holdings_holdingentry
     WHERE at >= %s
     GROUP BY trader_id, symbol
"""

_TOUCHED_CHAIN = f"""
    SELECT id, trader_id, symbol, quantity_after, blocked_after, short_after, quantity, blocked, short
      FROM (SELECT e.*, f.first_id,
                   lag(e.quantity_after, 1, 0::bigint) OVER chain + e.amount AS quantity,
                   lag(e.blocked_after, 1, 0::bigint) OVER chain + e.blocked_change AS blocked,
                   lag(e.short_after, 1, 0::bigint) OVER chain + e.short_change AS short
              FROM ({_TOUCHED}) f
             CROSS JOIN LATERAL (
                   (SELECT * FROM holdings_holdingentry e
                     WHERE e.trader_id = f.trader_id AND e.symbol = f.symbol AND e.id < f.first_id
                     ORDER BY e.id DESC LIMIT 1)
                   UNION ALL
                   SELECT * FROM holdings_holdingentry e
                    WHERE e.trader_id = f.trader_id AND e.symbol = f.symbol AND e.id >= f.first_id
                   ) e
            WINDOW chain AS (PARTITION BY e.trader_id, e.symbol ORDER BY e.id)) e
     WHERE id >= first_id
       AND (quantity_after, blocked_after, short_after) IS DISTINCT FROM (quantity, blocked, short)
"""  # noqa: S608  (nothing but constants)

_TOUCHED_SUMS = f"""
    SELECT f.trader_id, f.symbol, h.quantity, e.quantity_after, h.blocked, e.blocked_after, h.short, e.short_after
      FROM ({_TOUCHED}) f
     CROSS JOIN LATERAL (
           SELECT * FROM holdings_holdingentry e
            WHERE e.trader_id = f.trader_id AND e.symbol = f.symbol
            ORDER BY e.id DESC LIMIT 1
           ) e
      LEFT JOIN holdings_holding h ON h.trader_id = f.trader_id AND h.symbol = f.symbol
     WHERE (h.quantity, h.blocked, h.short) IS DISTINCT FROM (e.quantity_after, e.blocked_after, e.short_after)
"""  # noqa: S608  (the same)


def audit() -> Iterator[Discrepancy]:
    """Yield everything about the holdings that is not as it must be, in the caller's transaction.

    What a trade holds by its own facts is compared by the trades' audit, with `selectors.blocked_by_trade`, and its
    executions with `selectors.settled_executions`.
    """
    yield from _adds_up(_rows(_JOURNAL_SUMS))
    yield from _limits_hold()
    yield from _chain_is_whole(_rows(_CHAIN))
    yield from _trial_balance_is_zero()
    for trade_id, held in _rows(_TRADE_HOLDS):
        yield Discrepancy("holding.trade_hold", f"trade {trade_id}", "at least 0", str(held))
    for trade_id, execution, count in _rows(_SETTLEMENTS):
        yield Discrepancy("holding.settled_once", f"trade {trade_id} execution {execution}", "1 entry", str(count))


def audit_since(since: datetime) -> Iterator[Discrepancy]:
    """Yield what is wrong about the holdings that have an entry of `since` or later, and about those entries.

    Costs as much as there are such entries: a holding is compared with its last entry, and each entry with the one
    before it. That both are the sum of the whole journal follows, if it was so at `since`. What `audit` alone finds:
    old entries or holdings changed without a new entry, and a trial balance that is not zero.
    """
    yield from _adds_up(_rows(_TOUCHED_SUMS, [since]))
    yield from _chain_is_whole(_rows(_TOUCHED_CHAIN, [since]))


def _adds_up(rows: Iterable[tuple[Any, ...]]) -> Iterator[Discrepancy]:
    """Every column of a holding is the sum of its changes in the journal."""
    for trader_id, symbol, *columns in rows:
        for name, found, expected in zip(("quantity", "blocked", "short"), columns[::2], columns[1::2], strict=True):
            if found != expected:
                yield Discrepancy(f"holding.{name}", f"trader {trader_id} {symbol}", str(expected), str(found))


def _limits_hold() -> Iterator[Discrepancy]:
    """What the CHECKs refuse is not there either way, should one of them ever be dropped."""
    for trader_id, symbol, quantity, blocked, short in _rows(_LIMITS):
        yield Discrepancy(
            "holding.limits",
            f"trader {trader_id} {symbol}",
            "0 <= blocked <= quantity, short >= 0, nothing available when short",
            f"quantity {quantity}, blocked {blocked}, short {short}",
        )


def _chain_is_whole(rows: Iterable[tuple[Any, ...]]) -> Iterator[Discrepancy]:
    """Each entry starts where the one before it ended: none is missing, doubled or out of order."""
    for entry, trader_id, symbol, *after in rows:
        found, expected = after[:3], after[3:]
        subject = f"trader {trader_id} {symbol} entry {entry}"
        yield Discrepancy("holding.chain", subject, _triple(expected), _triple(found))


def _trial_balance_is_zero() -> Iterator[Discrepancy]:
    """The traders own what came from the depository and through clearing; what the house lent is not theirs."""
    for symbol, own, depository, clearing in _rows(_TRIAL_BALANCE):
        expected = f"{depository + clearing} (depository {depository}, clearing {clearing})"
        yield Discrepancy("holding.trial_balance", f"all traders {symbol}", expected, str(own))


def _triple(values: list[Any]) -> str:
    return "quantity {}, blocked {}, short {}".format(*values)


def _rows(sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found
