"""Whether the wallets still say what their journal says. Reads only; run it in one snapshot.

Each check is one query that returns what is wrong, so that clean books cost the scan and nothing more.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from brokerage.auditing import Discrepancy

_JOURNAL_SUMS = """
    SELECT COALESCE(w.trader_id, e.trader_id), w.balance, COALESCE(e.balance, 0.00),
           w.blocked, COALESCE(e.blocked, 0.00), w.debt, COALESCE(e.debt, 0.00)
      FROM wallets_wallet w
      FULL JOIN (
           SELECT trader_id, sum(amount) AS balance, sum(blocked_change) AS blocked, sum(debt_change) AS debt
             FROM wallets_walletentry
            GROUP BY trader_id
           ) e ON e.trader_id = w.trader_id
     WHERE w.trader_id IS NULL
        OR (w.balance, w.blocked, w.debt)
           IS DISTINCT FROM (COALESCE(e.balance, 0), COALESCE(e.blocked, 0), COALESCE(e.debt, 0))
"""

_LIMITS = """
    SELECT trader_id, balance, blocked, debt
      FROM wallets_wallet
     WHERE NOT (0 <= blocked AND blocked <= balance AND debt >= 0 AND (debt = 0 OR blocked = balance))
"""

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

_TRIAL_BALANCE = """
    SELECT (SELECT COALESCE(sum(balance - debt), 0) FROM wallets_wallet),
           COALESCE(sum(amount) FILTER (WHERE contra = 'bank'), 0),
           COALESCE(sum(amount) FILTER (WHERE contra = 'clearing'), 0),
           COALESCE(sum(amount) FILTER (WHERE contra = 'fees'), 0)
      FROM wallets_walletentry
"""

_TRADE_HOLDS = """
    SELECT trade_id, sum(blocked_change)
      FROM wallets_walletentry
     WHERE trade_id IS NOT NULL
     GROUP BY trade_id
    HAVING sum(blocked_change) < 0
"""

_SETTLEMENTS = """
    SELECT trade_id, execution, count(*)
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
    SELECT f.trader_id, w.balance, e.balance_after, w.blocked, e.blocked_after, w.debt, e.debt_after
      FROM ({_TOUCHED}) f
     CROSS JOIN LATERAL (
           SELECT * FROM wallets_walletentry e
            WHERE e.trader_id = f.trader_id
            ORDER BY e.id DESC LIMIT 1
           ) e
      LEFT JOIN wallets_wallet w ON w.trader_id = f.trader_id
     WHERE (w.balance, w.blocked, w.debt) IS DISTINCT FROM (e.balance_after, e.blocked_after, e.debt_after)
"""  # noqa: S608  (the same)


def audit() -> Iterator[Discrepancy]:
    """Yield everything about the wallets that is not as it must be, in the caller's transaction.

    What a trade holds by its own facts is compared by the trades' audit, with `selectors.blocked_by_trade`, and its
    executions with `selectors.settled_executions`.
    """
    yield from _adds_up(_rows(_JOURNAL_SUMS))
    yield from _limits_hold()
    yield from _chain_is_whole(_rows(_CHAIN))
    yield from _trial_balance_is_zero()
    for trade_id, held in _rows(_TRADE_HOLDS):
        yield Discrepancy("wallet.trade_hold", f"trade {trade_id}", "at least 0", str(held))
    for trade_id, execution, count in _rows(_SETTLEMENTS):
        yield Discrepancy("wallet.settled_once", f"trade {trade_id} execution {execution}", "1 entry", str(count))


def audit_since(since: datetime) -> Iterator[Discrepancy]:
    """Yield what is wrong about the wallets that have an entry of `since` or later, and about those entries.

    Costs as much as there are such entries: a wallet is compared with its last entry, and each entry with the one
    before it. That both are the sum of the whole journal follows, if it was so at `since`. What `audit` alone finds:
    old entries or wallets changed without a new entry, and a trial balance that is not zero.
    """
    yield from _adds_up(_rows(_TOUCHED_SUMS, [since]))
    yield from _chain_is_whole(_rows(_TOUCHED_CHAIN, [since]))


def _adds_up(rows: Iterable[tuple[Any, ...]]) -> Iterator[Discrepancy]:
    """Every column of a wallet is the sum of its changes in the journal."""
    for trader_id, *columns in rows:
        for name, found, expected in zip(("balance", "blocked", "debt"), columns[::2], columns[1::2], strict=True):
            if found != expected:
                yield Discrepancy(f"wallet.{name}", f"trader {trader_id}", str(expected), str(found))


def _limits_hold() -> Iterator[Discrepancy]:
    """What the CHECKs refuse is not there either way, should one of them ever be dropped."""
    for trader_id, balance, blocked, debt in _rows(_LIMITS):
        yield Discrepancy(
            "wallet.limits",
            f"trader {trader_id}",
            "0 <= blocked <= balance, debt >= 0, nothing available in debt",
            f"balance {balance}, blocked {blocked}, debt {debt}",
        )


def _chain_is_whole(rows: Iterable[tuple[Any, ...]]) -> Iterator[Discrepancy]:
    """Each entry starts where the one before it ended: none is missing, doubled or out of order."""
    for entry, trader_id, *after in rows:
        found, expected = after[:3], after[3:]
        yield Discrepancy("wallet.chain", f"trader {trader_id} entry {entry}", _triple(expected), _triple(found))


def _trial_balance_is_zero() -> Iterator[Discrepancy]:
    """What the traders own came from the bank, through clearing, or went to fees; what the house lent is not theirs."""
    [(own, bank, clearing, fees)] = _rows(_TRIAL_BALANCE)
    if own != bank + clearing + fees:
        expected = f"{bank + clearing + fees} (bank {bank}, clearing {clearing}, fees {fees})"
        yield Discrepancy("wallet.trial_balance", "all traders", expected, str(own))


def _triple(values: list[Any]) -> str:
    return "balance {}, blocked {}, debt {}".format(*values)


def _rows(sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found
