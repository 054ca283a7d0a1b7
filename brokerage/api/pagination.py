"""Cursor pagination, newest first, over a key that is unique and rises with time: one query a page, however deep."""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

from brokerage.api.serializers import MAX_BIGINT, QueryIntegerField, StrictCharField, StrictSerializer, TraderQuery

DEFAULT_LIMIT = 50
MAX_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place between two rows: what comes after `key` in the list (older), or before it (newer)."""

    key: Any
    newer: bool = False

    def encode(self) -> str:
        text = f"{'<' if self.newer else '>'}{self.key}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str, parse_key: Callable[[str], Any]) -> "Cursor":
        """Read what `encode` wrote. Raises ValueError."""
        decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
        if decoded[:1] not in ("<", ">"):
            raise ValueError(decoded)
        return cls(parse_key(decoded[1:]), newer=decoded[0] == "<")


class CursorField(StrictCharField):
    """The cursor that `next` or `previous` of a page carried. `parse_key` reads its key, or raises ValueError."""

    default_error_messages = {"bad_cursor": "Not a cursor of this list."}
    meaning = "Where the page begins: it stands in `next` and `previous` of another page. Follow those addresses whole."

    def __init__(self, parse_key: Callable[[str], Any]) -> None:
        super().__init__(max_length=256, required=False, help_text=self.meaning)
        self.parse_key = parse_key

    def to_internal_value(self, data: Any) -> Cursor:
        try:
            return Cursor.decode(super().to_internal_value(data), self.parse_key)
        except (ValueError, binascii.Error):
            self.fail("bad_cursor")


def parse_bigint(text: str) -> int:
    """Read a key that is a bigint. Raises ValueError."""
    number = int(text)
    if not 0 <= number <= MAX_BIGINT:
        raise ValueError(text)
    return number


class PageQuery(StrictSerializer):
    """A query for one page."""

    limit = QueryIntegerField(
        min_value=1, max_value=MAX_LIMIT, default=DEFAULT_LIMIT, help_text="Entries of the page, at most."
    )


class NumberedPageQuery(PageQuery):
    """A query for one page of rows whose key is a bigint."""

    cursor = CursorField(parse_bigint)


class JournalQuery(NumberedPageQuery, TraderQuery):
    """A query for one page of a trader's journal."""


def paginate(
    request: Request,
    rows: QuerySet[Any],
    serialize: Callable[[Any], dict[str, Any]],
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
        "results": [serialize(row) for row in found],
        "next": _page_url(request, Cursor(found[-1].pk)) if found and has_next else None,
        "previous": _page_url(request, Cursor(found[0].pk, newer=True)) if found and has_previous else None,
    }


def _page_url(request: Request, cursor: Cursor) -> str:
    return replace_query_param(request.build_absolute_uri(), "cursor", cursor.encode())
