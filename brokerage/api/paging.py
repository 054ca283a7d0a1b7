"""Cursor paging, newest first, over a key that is unique and rises with time. One query a page, however deep."""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

from brokerage.api.fields import Shape, Text, WholeNumberInQuery

DEFAULT_LIMIT = 50
MOST = 200


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place between two rows: what comes after `key` in the list (older), or before it (newer)."""

    key: Any
    newer: bool = False

    def written(self) -> str:
        text = f"{'<' if self.newer else '>'}{self.key}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def read(cls, text: str, key: Callable[[str], Any]) -> "Cursor":
        """Raises ValueError."""
        written = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
        if written[:1] not in ("<", ">"):
            raise ValueError(written)
        return cls(key(written[1:]), newer=written[0] == "<")


class CursorField(Text):
    """What `next` or `previous` of a page carried."""

    default_error_messages = {"bad_cursor": "Not a cursor of this list."}
    meaning = "Where the page begins: it stands in `next` and `previous` of another page. Follow those addresses whole."

    def __init__(self, key: Callable[[str], Any], **options: Any) -> None:
        super().__init__(**{"most": 256, **options})
        self.key = key

    def to_internal_value(self, data: Any) -> Cursor:
        try:
            return Cursor.read(super().to_internal_value(data), self.key)
        except (ValueError, binascii.Error):
            self.fail("bad_cursor")


def row_number(text: str) -> int:
    """A key that is a bigint."""
    number = int(text)
    if not 0 <= number < 2**63:
        raise ValueError(text)
    return number


class Paged(Shape):
    """A query for one page."""

    limit = WholeNumberInQuery(least=1, most=MOST, default=DEFAULT_LIMIT, help_text="Entries of the page, at most.")


class PagedByNumber(Paged):
    cursor = CursorField(row_number, required=False, help_text=CursorField.meaning)


def page(
    request: Request,
    rows: QuerySet[Any],
    show: Callable[[Any], dict[str, Any]],
    *,
    limit: int,
    cursor: Cursor | None = None,
) -> dict[str, Any]:
    """Return `{results, next, previous}`: a page of `rows`, newest first, with the addresses of its neighbours.

    One row more than asked for is read, to know whether anything follows.
    """
    if cursor is not None and cursor.newer:
        found = list(rows.filter(pk__gt=cursor.key).order_by("pk")[: limit + 1])
        has_previous, has_next = len(found) > limit, True
        found = found[:limit][::-1]
    else:
        older = rows if cursor is None else rows.filter(pk__lt=cursor.key)
        found = list(older.order_by("-pk")[: limit + 1])
        has_previous, has_next = cursor is not None, len(found) > limit
        found = found[:limit]
    return {
        "results": [show(row) for row in found],
        "next": _address(request, Cursor(found[-1].pk)) if found and has_next else None,
        "previous": _address(request, Cursor(found[0].pk, newer=True)) if found and has_previous else None,
    }


def _address(request: Request, cursor: Cursor) -> str:
    return replace_query_param(request.build_absolute_uri(), "cursor", cursor.written())
