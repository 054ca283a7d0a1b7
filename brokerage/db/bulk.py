"""Set-based statements for the hot paths: one per batch, their text made once.

They take no locks of their own: what they write was locked before (`brokerage.db.locks`), or is new.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

from django.db import DatabaseError, connection, models

M = TypeVar("M", bound=models.Model)

if TYPE_CHECKING:  # Django's fields are generic in the stubs only
    Field = models.Field[Any, Any]


def fetch_many(model: type[M], *, by: str, values: Collection[Any], order: tuple[str, ...]) -> list[M]:
    """Read the rows whose column `by` is one of `values`, in order; as a queryset would, without composing SQL."""
    if not values:
        return []
    return list(model._default_manager.raw(select_statement(model, by, order), [list(values)]))


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
    statement = _update(model, tuple(key), tuple(columns))
    with connection.cursor() as cursor:
        cursor.execute(statement.sql, statement.arrays(rows))
        if cursor.rowcount != len(rows):
            raise DatabaseError(f"{model.__name__}: {cursor.rowcount} rows written, {len(rows)} expected")


def insert_many(objects: Sequence[models.Model]) -> None:
    """Insert many objects of one model in order: `INSERT … SELECT FROM unnest(…)`.

    Numbers that the database gives out become the objects' keys.
    """
    if not objects:
        return
    statement = _insert(type(objects[0]))
    rows = [[getattr(item, field.attname) for field in statement.fields] for item in objects]
    with connection.cursor() as cursor:
        cursor.execute(statement.sql, statement.arrays(rows))
        if cursor.description:
            for item, (number,) in zip(objects, cursor.fetchall(), strict=True):
                item.pk = number


@dataclass(frozen=True, slots=True)
class _Statement:
    """A statement over `unnest(…)`, and the columns whose values it takes, an array for each."""

    sql: str
    fields: tuple[Field, ...]

    def arrays(self, rows: Collection[Sequence[Any]]) -> list[list[Any]]:
        """Turn rows into one array per column, each value as the database takes it."""
        columns = zip(*rows, strict=True)
        return [
            [field.get_db_prep_save(value, connection) for value in column]
            for field, column in zip(self.fields, columns, strict=True)
        ]


@cache
def select_statement(model: type[models.Model], by: str, order: tuple[str, ...], suffix: str = "") -> str:
    """Return the SELECT of all columns of the rows whose column `by` is in an array, the only parameter."""
    columns = ", ".join(f"t.{_name(field)}" for field in model._meta.concrete_fields)
    field, ordered = _field(model, by), ", ".join(f"t.{_name(_field(model, name))}" for name in order)
    table = connection.ops.quote_name(model._meta.db_table)
    return (
        f"SELECT {columns} FROM {table} AS t"  # noqa: S608  (names come from the model)
        f" WHERE t.{_name(field)} = ANY(%s::{_array_type(field)}[]) ORDER BY {ordered}{suffix}"
    )


@cache
def _update(model: type[models.Model], key: tuple[str, ...], columns: tuple[str, ...]) -> _Statement:
    fields = tuple(_field(model, name) for name in (*key, *columns))
    values = list(enumerate(fields))
    sql = (
        f"UPDATE {connection.ops.quote_name(model._meta.db_table)} AS t"  # noqa: S608  (values are parameters)
        f" SET {', '.join(f'{_name(field)} = v.c{i}' for i, field in values[len(key) :])}"
        f" FROM {_unnest(fields)}"
        f" WHERE {' AND '.join(f't.{_name(field)} = v.c{i}' for i, field in values[: len(key)])}"
    )
    return _Statement(sql, fields)


@cache
def _insert(model: type[models.Model]) -> _Statement:
    fields = tuple(field for field in model._meta.concrete_fields if not isinstance(field, models.AutoField))
    table, columns = connection.ops.quote_name(model._meta.db_table), ", ".join(map(_name, fields))
    sql = f"INSERT INTO {table} ({columns}) SELECT * FROM {_unnest(fields)}"  # noqa: S608
    key = model._meta.pk
    return _Statement(f"{sql} RETURNING {_name(key)}" if isinstance(key, models.AutoField) else sql, fields)


def _unnest(fields: Sequence[Field]) -> str:
    arrays = ", ".join(f"%s::{_array_type(field)}[]" for field in fields)
    return f"unnest({arrays}) AS v({', '.join(f'c{i}' for i in range(len(fields)))})"


def _field(model: type[models.Model], name: str) -> Field:
    field = model._meta.pk if name == "pk" else model._meta.get_field(name)
    if not isinstance(field, models.Field):
        raise TypeError(f"{model.__name__}.{name} is no column")
    return field


def _name(field: Field) -> str:
    return connection.ops.quote_name(cast("str", field.column))  # None only of fields that are not concrete


def _array_type(field: Field) -> str:
    """Return the column type to cast an array to, without an identity."""
    kind = field.rel_db_type(connection) if field.is_relation else field.db_type(connection)
    return (kind or "text").split(" GENERATED")[0]
