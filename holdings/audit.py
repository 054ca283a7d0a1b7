"""The audit of holdings: they must say what their journal says. Reads only; run it in one snapshot.

Each check is one query that returns what is wrong, so that clean books cost the scan and nothing more.
"""

from collections.abc import Iterator
from datetime import datetime

from brokerage.auditing import Check, Discrepancy, run_checks

# Every column of a holding is the sum of its changes in the journal. A holding that is missing has NULL.
_JOURNAL_SUMS = """
    SELECT COALESCE(h.trader_id, e.trader_id) AS trader_id, COALESCE(h.symbol, e.symbol) AS symbol,
           c.name, c.found, c.expected
      FROM holdings_holding h
      FULL JOIN (
           SELECT trader_id, symbol,
                  sum(amount) AS quantity, sum(blocked_change) AS blocked, sum(short_change) AS short
             FROM holdings_holdingentry
            GROUP BY trader_id, symbol
           ) e ON e.trader_id = h.trader_id AND e.symbol = h.symbol
     CROSS JOIN LATERAL (
           VALUES ('quantity', h.quantity, COALESCE(e.quantity, 0)),
                  ('blocked', h.blocked, COALESCE(e.blocked, 0)),
                  ('short', h.short, COALESCE(e.short, 0))
           ) c (name, found, expected)
     WHERE c.found IS DISTINCT FROM c.expected
"""

# What the CHECK constraints refuse is not there either way, should one of them ever be dropped.
_LIMITS = """
    SELECT trader_id, symbol, quantity, blocked, short
      FROM holdings_holding
     WHERE NOT (0 <= blocked AND blocked <= quantity AND short >= 0 AND (short = 0 OR blocked = quantity))
"""

# Each entry starts where the one before it ended: none is missing, doubled or out of order.
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

# The traders own what came from the depository and through clearing; what the house lent is not theirs.
_TRIAL_BALANCE = """
    SELECT symbol, COALESCE(h.own, 0) AS own, COALESCE(e.depository, 0) AS depository,
           COALESCE(e.clearing, 0) AS clearing, COALESCE(e.depository + e.clearing, 0) AS contra
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
    SELECT trade_id, sum(blocked_change) AS blocked
      FROM holdings_holdingentry
     WHERE trade_id IS NOT NULL
     GROUP BY trade_id
    HAVING sum(blocked_change) < 0
"""

_SETTLEMENTS = """
    SELECT trade_id, execution, count(*) AS entries
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
    SELECT f.trader_id, f.symbol, c.name, c.found, c.expected
      FROM ({_TOUCHED}) f
     CROSS JOIN LATERAL (
           SELECT * FROM holdings_holdingentry e
            WHERE e.trader_id = f.trader_id AND e.symbol = f.symbol
            ORDER BY e.id DESC LIMIT 1
           ) e
      LEFT JOIN holdings_holding h ON h.trader_id = f.trader_id AND h.symbol = f.symbol
     CROSS JOIN LATERAL (
           VALUES ('quantity', h.quantity, e.quantity_after),
                  ('blocked', h.blocked, e.blocked_after),
                  ('short', h.short, e.short_after)
           ) c (name, found, expected)
     WHERE c.found IS DISTINCT FROM c.expected
"""  # noqa: S608  (the same)

_CHECKS = (
    Check("holding.{name}", _JOURNAL_SUMS, "trader {trader_id} {symbol}", "{expected}", "{found}"),
    Check(
        "holding.limits",
        _LIMITS,
        "trader {trader_id} {symbol}",
        "0 <= blocked <= quantity, short >= 0, nothing available when short",
        "quantity {quantity}, blocked {blocked}, short {short}",
    ),
    Check(
        "holding.chain",
        _CHAIN,
        "trader {trader_id} {symbol} entry {id}",
        "quantity {quantity}, blocked {blocked}, short {short}",
        "quantity {quantity_after}, blocked {blocked_after}, short {short_after}",
    ),
    Check(
        "holding.trial_balance",
        _TRIAL_BALANCE,
        "all traders {symbol}",
        "{contra} (depository {depository}, clearing {clearing})",
        "{own}",
    ),
    Check("holding.trade_hold", _TRADE_HOLDS, "trade {trade_id}", "at least 0", "{blocked}"),
    Check("holding.settled_once", _SETTLEMENTS, "trade {trade_id} execution {execution}", "1 entry", "{entries}"),
)

_CHECKS_SINCE = (
    Check("holding.{name}", _TOUCHED_SUMS, "trader {trader_id} {symbol}", "{expected}", "{found}"),
    Check(
        "holding.chain",
        _TOUCHED_CHAIN,
        "trader {trader_id} {symbol} entry {id}",
        "quantity {quantity}, blocked {blocked}, short {short}",
        "quantity {quantity_after}, blocked {blocked_after}, short {short_after}",
    ),
)


def audit() -> Iterator[Discrepancy]:
    """Yield everything about the holdings that is not as it must be, in the caller's transaction.

    What a trade holds by its own facts is compared by the trades' audit, with `selectors.blocked_by_trade`, and its
    executions with `selectors.settled_executions`.
    """
    return run_checks(_CHECKS)


def audit_since(since: datetime) -> Iterator[Discrepancy]:
    """Yield what is wrong about the holdings that have an entry of `since` or later, and about those entries.

    Costs as much as there are such entries: a holding is compared with its last entry, and each entry with the one
    before it. That both are the sum of the whole journal follows, if it was so at `since`. What `audit` alone finds:
    old entries or holdings changed without a new entry, and a trial balance that is not zero.
    """
    return run_checks(_CHECKS_SINCE, [since])
