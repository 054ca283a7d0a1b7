"""How every transaction locks, writes and retries. `SELECT … FOR UPDATE` appears in this file only.

The one lock order: request keys → trades → wallets → holdings, each class of a batch in one statement sorted by its
key. Two transactions that follow it cannot wait for each other in a circle.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache, wraps
from typing import Any, TypeVar, cast

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, connection, models, transaction

log = structlog.get_logger(__name__)

T = TypeVar("T")
M = TypeVar("M", bound=models.Model)

TRIES = 3

# Nothing was committed, and the same work may simply be done again: deadlock, serialization failure, lock not
# available; a statement that took too long; admin shutdown, crash shutdown, cannot connect now; a transaction that
# stood still too long, because its process was frozen; a server that only reads, because another one took over.
_READ_ONLY = "25006"
_PASSING = {"40P01", "40001", "55P03", "57014", "57P01", "57P02", "57P03", "57P05", "25P03", "25P04", _READ_ONLY}

# Connection lost, resources (disk, memory, connections) exhausted, an error of the operating system.
_PASSING_CLASSES = ("08", "53", "58")


def is_passing(error: BaseException) -> bool:
    """Tell whether `error` is the weather (a lock, a lost connection, a restart) and not the data."""
    if isinstance(error, InterfaceError):
        return True
    if not isinstance(error, DatabaseError):
        return False
    sqlstate = _sqlstate(error)
    if sqlstate is None:
        return isinstance(error, OperationalError)
    return sqlstate in _PASSING or sqlstate.startswith(_PASSING_CLASSES)


def _sqlstate(error: BaseException) -> str | None:
    return getattr(error.__cause__, "sqlstate", None)


def drop_bad_connection(error: BaseException) -> None:
    """After a failure: let the next query open a new connection if this one is lost, or leads to a standby."""
    if _sqlstate(error) == _READ_ONLY:
        connection.close()
    connection.close_if_unusable_or_obsolete()


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
                drop_bad_connection(error)
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


# --- Set-based statements for the hot paths: one per batch, their text made once -------------------------------------


@transaction_required
def lock_many(model: type[M], keys: Collection[Any]) -> list[M]:
    """Lock the rows with these primary keys in the order of the keys; as `lock`, but without composing SQL."""
    if not keys:
        return []
    key = _field(model, "pk")
    sql = f"{_select(model)} WHERE t.{_name(key)} = ANY(%s::{_base_type(key)}[]) ORDER BY t.{_name(key)}"
    return list(model._default_manager.raw(f"{sql} FOR NO KEY UPDATE OF t", [list(keys)]))


def fetch_many(model: type[M], *, by: str, values: Collection[Any], order: Sequence[str]) -> list[M]:
    """Read the rows whose column `by` is one of `values`, in order; as a queryset would, without composing SQL."""
    if not values:
        return []
    field = _field(model, by)
    columns = ", ".join(f"t.{_name(_field(model, name))}" for name in order)
    sql = f"{_select(model)} WHERE t.{_name(field)} = ANY(%s::{_base_type(field)}[]) ORDER BY {columns}"
    return list(model._default_manager.raw(sql, [list(values)]))


@transaction_required
def update_many(
    model: type[models.Model], *, key: Sequence[str], columns: Sequence[str], rows: Collection[Sequence[Any]]
) -> None:
    """Write many rows of one table in one statement: `UPDATE … FROM unnest(…)`.

    `rows` are tuples of the key columns, then the columns to write. Each key must stand there once (PostgreSQL would
    apply only one of two), and each row must be met; otherwise ValueError or DatabaseError.
    """
    if not rows:
        return
    if len({tuple(row[: len(key)]) for row in rows}) != len(rows):
        raise ValueError(f"{model.__name__}: a key twice in one set-based update")
    fields = [_field(model, name) for name in (*key, *columns)]
    with connection.cursor() as cursor:
        cursor.execute(_update(model, tuple(key), tuple(columns)), _columnwise(fields, rows))
        if cursor.rowcount != len(rows):
            raise DatabaseError(f"{model.__name__}: {cursor.rowcount} rows written, {len(rows)} expected")


@transaction_required
def insert_many(objects: Sequence[models.Model]) -> None:
    """Insert many objects of one model in order: `INSERT … SELECT FROM unnest(…)`.

    Numbers that the database gives out become the objects' keys.
    """
    if not objects:
        return
    model = type(objects[0])
    fields = _insertable(model)
    rows = [[getattr(item, field.attname) for field in fields] for item in objects]
    with connection.cursor() as cursor:
        cursor.execute(_insert(model), _columnwise(fields, rows))
        if cursor.description:
            for item, (number,) in zip(objects, cursor.fetchall(), strict=True):
                item.pk = number


@cache
def _select(model: type[models.Model]) -> str:
    columns = ", ".join(f"t.{_name(field)}" for field in model._meta.concrete_fields)
    return f"SELECT {columns} FROM {_table(model)} AS t"  # noqa: S608  (names come from the model)


@cache
def _update(model: type[models.Model], key: tuple[str, ...], columns: tuple[str, ...]) -> str:
    fields = [_field(model, name) for name in (*key, *columns)]
    values = list(enumerate(fields))
    return (
        f"UPDATE {_table(model)} AS t"  # noqa: S608  (names come from the model, values are parameters)
        f" SET {', '.join(f'{_name(field)} = v.c{i}' for i, field in values[len(key) :])}"
        f" FROM {_unnest(fields)}"
        f" WHERE {' AND '.join(f't.{_name(field)} = v.c{i}' for i, field in values[: len(key)])}"
    )


@cache
def _insert(model: type[models.Model]) -> str:
    fields = _insertable(model)
    columns = ", ".join(map(_name, fields))
    sql = f"INSERT INTO {_table(model)} ({columns}) SELECT * FROM {_unnest(fields)}"  # noqa: S608
    key = model._meta.pk
    return f"{sql} RETURNING {_name(key)}" if isinstance(key, models.AutoField) else sql


def _insertable(model: type[models.Model]) -> list[models.Field[Any, Any]]:
    return [field for field in model._meta.concrete_fields if not isinstance(field, models.AutoField)]


def _unnest(fields: Sequence[models.Field[Any, Any]]) -> str:
    arrays = ", ".join(f"%s::{_base_type(field)}[]" for field in fields)
    return f"unnest({arrays}) AS v({', '.join(f'c{i}' for i in range(len(fields)))})"


def _columnwise(fields: Sequence[models.Field[Any, Any]], rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    """Turn rows into one array per column, each value as the database takes it."""
    columns = zip(*rows, strict=True)
    return [
        [field.get_db_prep_save(value, connection) for value in column]
        for field, column in zip(fields, columns, strict=True)
    ]


def _field(model: type[models.Model], name: str) -> models.Field[Any, Any]:
    field = model._meta.pk if name == "pk" else model._meta.get_field(name)
    if not isinstance(field, models.Field):
        raise TypeError(f"{model.__name__}.{name} is no column")
    return field


def _table(model: type[models.Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)


def _name(field: models.Field[Any, Any]) -> str:
    return connection.ops.quote_name(cast("str", field.column))  # None only of fields that are not concrete


def _base_type(field: models.Field[Any, Any]) -> str:
    """The column type to cast an array to, without an identity."""
    kind = field.rel_db_type(connection) if field.is_relation else field.db_type(connection)
    return (kind or "text").split(" GENERATED")[0]
