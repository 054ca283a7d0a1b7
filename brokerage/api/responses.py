"""Schemas of what the API returns. Only the OpenAPI document is made of these classes; views return plain dicts.

That the two agree is held by the tests: every response they receive is compared with the document.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from rest_framework import serializers

from brokerage.api.codes import FINDINGS, PROBLEMS

S = TypeVar("S", bound=str)

STRING = {"type": "string"}
INTEGER = {"type": "integer", "format": "int64"}
UUID = {"type": "string", "format": "uuid"}
TIMESTAMP = {"type": "string", "format": "date-time"}
URI = {"type": "string", "format": "uri"}
PRICE = {"type": "string", "pattern": r"^[0-9]+\.[0-9]{2,8}$"}
AMOUNT = {"type": "string", "pattern": r"^[0-9]+\.[0-9]{2}$"}
SIGNED_AMOUNT = {"type": "string", "pattern": r"^-?[0-9]+\.[0-9]{2}$"}


def enum(values: Iterable[str]) -> dict[str, Any]:
    """Return the schema of a string out of a list."""
    return {"type": "string", "enum": [str(value) for value in values]}


def enum_of(meanings: Mapping[S, str]) -> dict[str, Any]:
    """Return the schema of a string out of a list, described by what each of them means."""
    return enum(meanings) | {"description": bullet_list(meanings)}


def bullet_list(meanings: Mapping[S, str]) -> str:
    """Write codes and their meanings as a list in Markdown."""
    return "\n".join(f"* `{code}`: {meaning}" for code, meaning in meanings.items())


class ResponseField(serializers.Field[Any, Any, Any, Any]):
    """A value of a response: its JSON Schema, what it means, and whether it may be null.

    With a `component` its schema is written once under that name, and referred to.
    """

    def __init__(self, schema: dict[str, Any], meaning: str = "", *, null: bool = False, component: str = "") -> None:
        super().__init__(help_text=meaning or None, allow_null=null)
        self.schema, self.component = schema, component


class ResponseSerializer(serializers.Serializer[Any]):
    """The object that a call returns. Every field is there in every response; new ones may be added.

    A subclass is called as its component of the OpenAPI document, with `Response` behind: TradeResponse is `Trade`.
    """


class PageResponse(ResponseSerializer):
    next = ResponseField(URI, "Where the page of older entries is; null on the last page.", null=True)
    previous = ResponseField(URI, "Where the page of newer entries is; null on the first page.", null=True)


class FindingResponse(ResponseSerializer):
    """One thing that is wrong with a call."""

    pointer = ResponseField(
        {"type": "string", "format": "json-pointer"},
        "Where in the body (RFC 6901). A query parameter or a header is pointed at by its name, as `/limit`.",
    )
    code = ResponseField(enum_of(FINDINGS), component="FindingCode")
    detail = ResponseField(STRING, "The same in words.")


class ProblemResponse(ResponseSerializer):
    """Why a call was refused (RFC 9457)."""

    type = ResponseField({"const": "about:blank"}, "There is no page about it: `code` says what it is.")
    title = ResponseField(STRING, "The status in words.")
    status = ResponseField({"type": "integer"}, "The status of the answer.")
    detail = ResponseField(STRING, "What is wrong with this call, for people to read.")
    instance = ResponseField({"type": "string", "format": "uri-reference"}, "The path that was called.")
    code = ResponseField(enum_of({code: spec.meaning for code, spec in PROBLEMS.items()}), component="ProblemCode")
    errors = FindingResponse(  # type: ignore[assignment]  # a field; DRF keeps its own `errors` beside it
        many=True, help_text="One entry per finding if the code is `INVALID`, else empty."
    )
    request_id = ResponseField(
        UUID,
        "What the call is named in our logs, as in the header `X-Request-Id`: quote it when you ask us. "
        "Null if it was refused before it had a name.",
        null=True,
    )
