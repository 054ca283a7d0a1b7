"""The audit of wallets: they must say what their journal says. Reads only; run it in one snapshot.

Each check is one query that returns what is wrong, so that clean books cost the scan and nothing more.
"""

from collections.abc import Iterator
from datetime import datetime

from brokerage.auditing import Check, Discrepancy, run_checks

# Every column of a wallet is the sum of its changes in the journal. A wallet that is missing has NULL.
_JOURNAL_SUMS = """
    SELECT COALESCE(w.trader_id, e.trader_id) AS trader_id, c.name, c.found, c.expected
      FROM wallets_wallet w
      FULL JOIN (
           SELECT trader_id, sum(amount) AS balance, sum(blocked_change) AS blocked, sum(debt_change) AS debt
             FROM wallets_walletentry
            GROUP BY trader_id
           ) e ON e.trader_id = w.trader_id
     CROSS JOIN LATERAL (
           VALUES ('balance', w.balance, COALESCE(e.balance, 0.00)),
                  ('blocked', w.blocked, COALESCE(e.blocked, 0.00)),
                  ('debt', w.debt, COALESCE(e.debt, 0.00))
           ) c (name, found, expected)
     WHERE c.found IS DISTINCT FROM c.expected
"""

# What the CHECK constraints refuse is not there either way, should one of them ever be dropped.
_LIMITS = """
    SELECT trader_id, balance, blocked, debt
      FROM wallets_wallet
     WHERE NOT (0 <= blocked AND blocked <= balance AND debt >= 0 AND (debt = 0 OR blocked = balance))
"""

# Each entry starts where the one before it ended: none is missing, doubled or out of order.
_CHAIN = """
    SELECT *
      FROM (SELECT id, trader_id, balance_after, blocked_after, debt_after,
                   lag(balance_after, 1, 0) OVER chain + amount AS balance,
                   lag(blocked_after, 1, 0) OVER chain + blocked_change AS blocked,
                   lag(debt_after, 1, 0) OVER chain + debt_change AS debt
              FROM wallets_walletentry
            WINDOW chain AS (PARTITION BY trader_id ORDER BY id)) e
     WHERE (balance_after, blocked_after, debt_after) IS DISTINCT FROM (balance, blocked, debt)
"""

# What the traders own came from the bank, through clearing, or went to fees; what the house lent is not theirs.
_TRIAL_BALANCE = """
    SELECT own, bank, clearing, fees, bank + clearing + fees AS contra
      FROM (SELECT COALESCE(sum(balance - debt), 0) AS own FROM wallets_wallet) w,
           (SELECT COALESCE(sum(amount) FILTER (WHERE contra = 'bank'), 0) AS bank,
                   COALESCE(sum(amount) FILTER (WHERE contra = 'clearing'), 0) AS clearing,
                   COALESCE(sum(amount) FILTER (WHERE contra = 'fees'), 0) AS fees
              FROM wallets_walletentry) e
     WHERE own <> bank + clearing + fees
"""

_TRADE_HOLDS = """
    SELECT trade_id, sum(blocked_change) AS blocked
      FROM wallets_walletentry
     WHERE trade_id IS NOT NULL
     GROUP BY trade_id
    HAVING sum(blocked_change) < 0
"""

_SETTLEMENTS = """
    SELECT trade_id, execution, count(*) AS entries
      FROM wallets_walletentry
     WHERE kind = 'SETTLE'
     GROUP BY trade_id, execution
    HAVING count(*) > 1
"""

# --- Since a time: by what came before, which earlier audits have checked, and not from the beginning --------------

# The entries of one wallet are in the order of their ids; their times may be a little out of it.
_TOUCHED = """
    SELECT trader_id, min(id) AS first_id
      FROM wallets_walletentry
     WHERE at >= %s
     GROUP BY trader_id
"""

_TOUCHED_CHAIN = f"""
    SELECT id, trader_id, balance_after, blocked_after, debt_after, balance, blocked, debt
      FROM (SELECT e.*, f.first_id,
                   lag(e.balance_after, 1, 0) OVER chain + e.amount AS balance,
                   lag(e.blocked_after, 1, 0) OVER chain + e.blocked_change AS blocked,
                   lag(e.debt_after, 1, 0) OVER chain + e.debt_change AS debt
              FROM ({_TOUCHED}) f
             CROSS JOIN LATERAL (
                   (SELECT * FROM wallets_walletentry e
                     WHERE e.trader_id = f.trader_id AND e.id < f.first_id
                     ORDER BY e.id DESC LIMIT 1)
                   UNION ALL
                   SELECT * FROM wallets_walletentry e
                    WHERE e.trader_id = f.trader_id AND e.id >= f.first_id
                   ) e
            WINDOW chain AS (PARTITION BY e.trader_id ORDER BY e.id)) e
     WHERE id >= first_id
       AND (balance_after, blocked_after, debt_after) IS DISTINCT FROM (balance, blocked, debt)
"""  # noqa: S608  (nothing but constants)

_TOUCHED_SUMS = f"""
    SELECT f.trader_id, c.name, c.found, c.expected
      FROM ({_TOUCHED}) f
     CROSS JOIN LATERAL (
           SELECT * FROM wallets_walletentry e
            WHERE e.trader_id = f.trader_id
            ORDER BY e.id DESC LIMIT 1
           ) e
      LEFT JOIN wallets_wallet w ON w.trader_id = f.trader_id
     CROSS JOIN LATERAL (
           VALUES ('balance', w.balance, e.balance_after),
                  ('blocked', w.blocked, e.blocked_after),
                  ('debt', w.debt, e.debt_after)
           ) c (name, found, expected)
     WHERE c.found IS DISTINCT FROM c.expected
"""  # noqa: S608  (the same)

_CHECKS = (
    Check("wallet.{name}", _JOURNAL_SUMS, "trader {trader_id}", "{expected}", "{found}"),
    Check(
        "wallet.limits",
        _LIMITS,
        "trader {trader_id}",
        "0 <= blocked <= balance, debt >= 0, nothing available in debt",
        "balance {balance}, blocked {blocked}, debt {debt}",
    ),
    Check(
        "wallet.chain",
        _CHAIN,
        "trader {trader_id} entry {id}",
        "balance {balance}, blocked {blocked}, debt {debt}",
        "balance {balance_after}, blocked {blocked_after}, debt {debt_after}",
    ),
    Check(
        "wallet.trial_balance",
        _TRIAL_BALANCE,
        "all traders",
        "{contra} (bank {bank}, clearing {clearing}, fees {fees})",
        "{own}",
    ),
    Check("wallet.trade_hold", _TRADE_HOLDS, "trade {trade_id}", "at least 0", "{blocked}"),
    Check("wallet.settled_once", _SETTLEMENTS, "trade {trade_id} execution {execution}", "1 entry", "{entries}"),
)

_CHECKS_SINCE = (
    Check("wallet.{name}", _TOUCHED_SUMS, "trader {trader_id}", "{expected}", "{found}"),
    Check(
        "wallet.chain",
        _TOUCHED_CHAIN,
        "trader {trader_id} entry {id}",
        "balance {balance}, blocked {blocked}, debt {debt}",
        "balance {balance_after}, blocked {blocked_after}, debt {debt_after}",
    ),
)


def audit() -> Iterator[Discrepancy]:
    """Yield everything about the wallets that is not as it must be, in the caller's transaction.

    What a trade holds by its own facts is compared by the trades' audit, with `selectors.blocked_by_trade`, and its
    executions with `selectors.settled_executions`.
    """
    return run_checks(_CHECKS)


def audit_since(since: datetime) -> Iterator[Discrepancy]:
    """Yield what is wrong about the wallets that have an entry of `since` or later, and about those entries.

    Costs as much as there are such entries: a wallet is compared with its last entry, and each entry with the one
    before it. That both are the sum of the whole journal follows, if it was so at `since`. What `audit` alone finds:
    old entries or wallets changed without a new entry, and a trial balance that is not zero.
    """
    return run_checks(_CHECKS_SINCE, [since])
