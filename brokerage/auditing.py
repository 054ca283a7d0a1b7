"""Audits of the books: every app reports what is wrong in the same form."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One broken invariant: its code, where it broke, what should stand there and what does."""

    code: str
    subject: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.code} {self.subject}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True, slots=True)
class Check:
    """A query that returns one row for each thing that is wrong, and the texts of the discrepancy.

    The texts are format strings over the columns of the query, such as "trader {trader_id}".
    """

    code: str
    query: str
    subject: str
    expected: str
    found: str


def run_checks(checks: Iterable[Check], parameters: Sequence[Any] = ()) -> Iterator[Discrepancy]:
    """Yield what the checks find, in the caller's transaction; `parameters` are those of every query."""
    for check in checks:
        for row in _rows(check.query, parameters):
            texts = (check.code, check.subject, check.expected, check.found)
            yield Discrepancy(*(text.format(**row) for text in texts))


def _rows(query: str, parameters: Sequence[Any]) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters or None)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
