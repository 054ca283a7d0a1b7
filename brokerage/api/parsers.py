"""JSON as the API takes it: no floats, no NaN, no key twice."""

import json
from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser


class StrictJSONParser(BaseParser):
    """Reads a body of UTF-8 JSON. A number with a fraction or an exponent is refused: money and prices are strings."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: dict[str, Any] | None = None) -> Any:
        try:
            return json.loads(
                stream.read().decode("utf-8"),
                parse_float=_no_float,
                parse_constant=_no_float,
                object_pairs_hook=_no_key_twice,
            )
        except (ValueError, RecursionError) as error:
            raise ParseError(f"The body is not the JSON we take: {error}") from None


def _no_float(text: str) -> Any:
    raise ValueError(f"{text} is a JSON float; write money and prices as strings")


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found
