"""How every transaction locks. `SELECT … FOR UPDATE` appears in this file only.

The one lock order: request keys → trades → wallets → holdings, each class of a batch in one statement sorted by its
key. Two transactions that follow it cannot wait for each other in a circle.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import IntEnum
from typing import Any, TypeVar

from django.db import connection, models, transaction

from brokerage.db.bulk import select_statement
from brokerage.db.transactions import transaction_required

M = TypeVar("M", bound=models.Model)


def lock_rows(queryset: models.QuerySet[M], *order: str) -> list[M]:
    """Lock the rows of `queryset` in the order of their key and return them. Needs an open transaction.

    `no_key`: rows that refer to these may still be inserted meanwhile. `of self`: joined rows stay free.
    """
    return list(queryset.select_for_update(no_key=True, of=("self",)).order_by(*(order or ("pk",))))


def lock_skip_locked(queryset: models.QuerySet[M], limit: int) -> list[M]:
    """Lock up to `limit` rows that nobody else holds, in the queryset's own order; never waits.

    Needs an open transaction, as Django itself sees to.
    """
    return list(queryset.select_for_update(no_key=True, of=("self",), skip_locked=True)[:limit])


def lock_many(model: type[M], keys: Collection[Any]) -> list[M]:
    """Lock the rows with these primary keys in the order of the keys; as `lock_rows`, but without composing SQL."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("lock_many needs an open transaction")
    if not keys:
        return []
    sql = select_statement(model, "pk", ("pk",), " FOR NO KEY UPDATE OF t")
    return list(model._default_manager.raw(sql, [list(keys)]))


class AdvisoryLock(IntEnum):
    """Locks of what has no row. Each number is used once in the whole database."""

    AUDIT = 1


@transaction_required
def try_advisory_lock(lock: AdvisoryLock) -> bool:
    """Take `lock` until the end of the transaction; False if somebody else has it. Never waits, writes nothing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [lock])
        [taken] = cursor.fetchone()
    return bool(taken)
