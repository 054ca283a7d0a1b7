"""The audit of wallets: they must say what their journal says. Reads only; run it in one snapshot.

Each check is one query that returns what is wrong, so that clean books cost the scan and nothing more.
"""

from collections.abc import Iterator

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


def audit() -> Iterator[Discrepancy]:
    """Yield everything about the wallets that is not as it must be, in the caller's transaction.

    What a trade holds by its own facts is compared by the trades' audit, with `selectors.blocked_by_trade`, and its
    executions with `selectors.settled_executions`.
    """
    return run_checks(_CHECKS)
