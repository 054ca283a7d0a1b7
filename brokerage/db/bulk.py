"""Set-based statements for the hot paths: one per batch, their text made once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import cache
from typing import Any, TypeVar, cast

from django.db import DatabaseError, connection, models

from brokerage.db.transactions import transaction_required

M = TypeVar("M", bound=models.Model)


def fetch_many(model: type[M], *, by: str, values: Collection[Any], order: Sequence[str]) -> list[M]:
    """Read the rows whose column `by` is one of `values`, in order; as a queryset would, without composing SQL."""
    if not values:
        return []
    field = field_of(model, by)
    columns = ", ".join(f"t.{column_name(field_of(model, name))}" for name in order)
    sql = f"{select_statement(model)} WHERE t.{column_name(field)} = ANY(%s::{base_type(field)}[]) ORDER BY {columns}"
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
    fields = [field_of(model, name) for name in (*key, *columns)]
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
def select_statement(model: type[models.Model]) -> str:
    columns = ", ".join(f"t.{column_name(field)}" for field in model._meta.concrete_fields)
    return f"SELECT {columns} FROM {_table(model)} AS t"  # noqa: S608  (names come from the model)


@cache
def _update(model: type[models.Model], key: tuple[str, ...], columns: tuple[str, ...]) -> str:
    fields = [field_of(model, name) for name in (*key, *columns)]
    values = list(enumerate(fields))
    return (
        f"UPDATE {_table(model)} AS t"  # noqa: S608  (names come from the model, values are parameters)
        f" SET {', '.join(f'{column_name(field)} = v.c{i}' for i, field in values[len(key) :])}"
        f" FROM {_unnest(fields)}"
        f" WHERE {' AND '.join(f't.{column_name(field)} = v.c{i}' for i, field in values[: len(key)])}"
    )


@cache
def _insert(model: type[models.Model]) -> str:
    fields = _insertable(model)
    columns = ", ".join(map(column_name, fields))
    sql = f"INSERT INTO {_table(model)} ({columns}) SELECT * FROM {_unnest(fields)}"  # noqa: S608
    key = model._meta.pk
    return f"{sql} RETURNING {column_name(key)}" if isinstance(key, models.AutoField) else sql


def _insertable(model: type[models.Model]) -> list[models.Field[Any, Any]]:
    return [field for field in model._meta.concrete_fields if not isinstance(field, models.AutoField)]


def _unnest(fields: Sequence[models.Field[Any, Any]]) -> str:
    arrays = ", ".join(f"%s::{base_type(field)}[]" for field in fields)
    return f"unnest({arrays}) AS v({', '.join(f'c{i}' for i in range(len(fields)))})"


def _columnwise(fields: Sequence[models.Field[Any, Any]], rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    """Turn rows into one array per column, each value as the database takes it."""
    columns = zip(*rows, strict=True)
    return [
        [field.get_db_prep_save(value, connection) for value in column]
        for field, column in zip(fields, columns, strict=True)
    ]


def field_of(model: type[models.Model], name: str) -> models.Field[Any, Any]:
    field = model._meta.pk if name == "pk" else model._meta.get_field(name)
    if not isinstance(field, models.Field):
        raise TypeError(f"{model.__name__}.{name} is no column")
    return field


def _table(model: type[models.Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)


def column_name(field: models.Field[Any, Any]) -> str:
    return connection.ops.quote_name(cast("str", field.column))  # None only of fields that are not concrete


def base_type(field: models.Field[Any, Any]) -> str:
    """The column type to cast an array to, without an identity."""
    kind = field.rel_db_type(connection) if field.is_relation else field.db_type(connection)
    return (kind or "text").split(" GENERATED")[0]
