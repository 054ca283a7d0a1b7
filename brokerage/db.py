"""How every transaction locks, writes and retries. `SELECT … FOR UPDATE` appears in this file only.

The one lock order: request keys → trades → wallets → holdings, each class of a batch in one statement sorted by its
key. Two transactions that follow it cannot wait for each other in a circle.
"""

import random
import time
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, TypeVar

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, connection, models, transaction

log = structlog.get_logger(__name__)

T = TypeVar("T")
M = TypeVar("M", bound=models.Model)

TRIES = 3

# Deadlock, serialization failure, lock not available, admin shutdown, crash shutdown, cannot connect now: nothing was
# committed and the same work may simply be done again. Class 08 is a lost connection.
_PASSING = {"40P01", "40001", "55P03", "57P01", "57P02", "57P03"}


def is_passing(error: BaseException) -> bool:
    """Tell whether `error` is the weather (a lock, a lost connection, a restart) and not the data."""
    if isinstance(error, InterfaceError):
        return True
    if not isinstance(error, DatabaseError):
        return False
    sqlstate = getattr(error.__cause__, "sqlstate", None)
    if sqlstate is None:
        return isinstance(error, OperationalError)
    return sqlstate in _PASSING or sqlstate.startswith("08")


def retrying(function: Callable[..., T]) -> Callable[..., T]:
    """Run a whole transaction again, at most three times with jitter, when it failed for a passing reason.

    For functions that open their own durable transaction and are safe to run any number of times.
    """

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> T:
        for attempt in range(1, TRIES + 1):
            try:
                return function(*args, **kwargs)
            except (DatabaseError, InterfaceError) as error:
                if attempt == TRIES or not is_passing(error):
                    raise
                log.warning("transaction_again", function=function.__name__, attempt=attempt, error=str(error).strip())
                connection.close_if_unusable_or_obsolete()
                time.sleep(random.uniform(0.01, 0.1) * attempt)  # noqa: S311  (jitter, not a secret)
        raise AssertionError("unreachable: the last attempt returns or raises")

    return run


def transaction_required(function: Callable[..., T]) -> Callable[..., T]:
    """Refuse to run outside a transaction: what it locks and writes must be one commit with the caller's facts."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> T:
        if not connection.in_atomic_block:
            raise transaction.TransactionManagementError(f"{function.__qualname__} needs an open transaction")
        return function(*args, **kwargs)

    return run


@transaction_required
def lock(queryset: models.QuerySet[M], *order: str) -> list[M]:
    """Lock the rows of `queryset` in the order of their key and return them.

    `no_key`: rows that refer to these may still be inserted meanwhile. `of self`: joined rows stay free.
    """
    return list(queryset.select_for_update(no_key=True, of=("self",)).order_by(*(order or ("pk",))))


@transaction_required
def claim(queryset: models.QuerySet[M], limit: int) -> list[M]:
    """Lock up to `limit` rows that nobody else holds, in the queryset's own order; never waits."""
    return list(queryset.select_for_update(no_key=True, of=("self",), skip_locked=True)[:limit])


@transaction_required
def update_many(
    model: type[models.Model],
    *,
    key: Sequence[str],
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    where: str = "",
    returning: bool = False,
) -> list[tuple[Any, ...]]:
    """Write many rows of one table in one statement: `UPDATE … FROM unnest(…)`.

    `rows` are tuples of the key columns, then the columns to write; each key once (PostgreSQL would apply only one of
    two). `where` is a further guard in SQL on the target, named t. All rows must be met unless there is a guard.
    Returns the keys that were written when `returning`.
    """
    rows = list(rows)
    if not rows:
        return []
    keys = [tuple(row[: len(key)]) for row in rows]
    if len(set(keys)) != len(keys):
        raise ValueError(f"{model.__name__}: a key twice in one set-based update")
    quote = connection.ops.quote_name
    names = [*key, *columns]
    fields = [model._meta.get_field(name) for name in names]
    arrays = ", ".join(f"%s::{_base_type(field)}[]" for field in fields)
    sql = (
        f"UPDATE {quote(model._meta.db_table)} AS t"  # noqa: S608  (names come from the model, values are parameters)
        f" SET {', '.join(f'{quote(f.column)} = v.c{len(key) + i}' for i, f in enumerate(fields[len(key) :]))}"
        f" FROM unnest({arrays}) AS v({', '.join(f'c{i}' for i in range(len(fields)))})"
        f" WHERE {' AND '.join(f't.{quote(f.column)} = v.c{i}' for i, f in enumerate(fields[: len(key)]))}"
        f"{f' AND {where}' if where else ''}"
    )
    if returning:
        sql += f" RETURNING {', '.join(f't.{quote(f.column)}' for f in fields[: len(key)])}"
    prepared = [[field.get_db_prep_save(row[i], connection) for row in rows] for i, field in enumerate(fields)]
    with connection.cursor() as cursor:
        cursor.execute(sql, prepared)
        if not where and cursor.rowcount != len(rows):
            raise DatabaseError(f"{model.__name__}: {cursor.rowcount} rows written, {len(rows)} expected")
        return cursor.fetchall() if returning else []


def _base_type(field: models.Field) -> str:
    """The column type to cast an array to, without a length or an identity."""
    kind = field.rel_db_type(connection) if field.is_relation else field.db_type(connection)
    return (kind or "text").split(" GENERATED")[0]
