"""JSON in and JSON out.

A body is UTF-8, at most 64 KiB, with no key twice, no NaN, and only text that PostgreSQL can keep. What is returned is
JSON, whatever `Accept` says.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from django.http import UnreadablePostError
from rest_framework.exceptions import ParseError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from brokerage.api.problems import Problem, invalid, pointer_step

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""NUL, which no text of PostgreSQL may hold, and halves of a surrogate pair, which no UTF-8 can hold."""


class JSONOnlyNegotiation(DefaultContentNegotiation):
    """Picks the one renderer there is: nobody is refused for an `Accept` header, as RFC 9110 (12.5.1) allows."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, Any]:
        first, *_ = renderers
        return first, first.media_type


class StrictJSONParser(BaseParser):
    """Reads a body of JSON. Numbers stay what they were written as: it is for the fields to refuse a float."""

    media_type = "application/json"
    max_bytes = 64 * 1024

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        try:
            raw = stream.read(self.max_bytes + 1)
        except UnreadablePostError:
            raise ParseError("The body did not arrive whole.") from None
        if len(raw) > self.max_bytes:
            raise Problem(413, detail=f"The body may have {self.max_bytes} bytes at most.")
        try:
            text = raw.decode("utf-8")
            data = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_refuse_key_twice)
        except UnicodeDecodeError:
            raise ParseError("The body is not UTF-8.") from None
        except json.JSONDecodeError as error:
            where = f"line {error.lineno}, column {error.colno}"
            raise ParseError(f"The body is not JSON: {error.msg}, {where}.") from None
        except RecursionError:
            raise ParseError("The body is nested too deeply.") from None
        except ValueError:  # what Python's own reader refuses beyond the grammar
            raise ParseError("A number in the body is too long.") from None
        if "\\u" in text:  # the only way such text gets through UTF-8 and JSON
            _refuse_unstorable(data)
        return data


def _refuse_constant(name: str) -> Any:
    raise ParseError(f"The body is not JSON: {name} is no value.")


def _refuse_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ParseError("A name stands twice in one object.")
    return found


def _refuse_unstorable(data: Any) -> None:
    """Walk the whole body without recursion and refuse the first text that cannot be kept or shown."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), data)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, str) and _UNSTORABLE.search(value):
            pointer = "".join(map(pointer_step, path))
            raise invalid(pointer, "unstorable", "Text may not contain NUL or half a surrogate pair.")
        if isinstance(value, list):
            waiting += [((*path, str(index)), item) for index, item in enumerate(value)]
        if isinstance(value, dict):
            if any(_UNSTORABLE.search(name) for name in value):
                pointer = "".join(map(pointer_step, path))
                raise invalid(pointer, "unstorable", "Names may not contain NUL or half a surrogate pair.")
            waiting += [((*path, name), item) for name, item in value.items()]
