"""What answers look like. These classes are read by the description of the API only; views answer plain dicts.

That the two agree is held by the tests: every answer they receive is compared with the description.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from rest_framework import serializers

from brokerage.api.codes import FINDINGS, PROBLEMS

S = TypeVar("S", bound=str)

TEXT = {"type": "string"}
WHOLE = {"type": "integer", "format": "int64"}
UUID = {"type": "string", "format": "uuid"}
MOMENT = {"type": "string", "format": "date-time"}
ADDRESS = {"type": "string", "format": "uri"}
PRICE = {"type": "string", "pattern": r"^[0-9]+\.[0-9]{2,8}$"}
AMOUNT = {"type": "string", "pattern": r"^[0-9]+\.[0-9]{2}$"}
CHANGE = {"type": "string", "pattern": r"^-?[0-9]+\.[0-9]{2}$"}


def one_of(values: Iterable[str]) -> dict[str, Any]:
    return {"type": "string", "enum": [str(value) for value in values]}


def coded(meanings: Mapping[S, str]) -> dict[str, Any]:
    """A string out of a list, each with what it means."""
    return one_of(meanings) | {"description": listed(meanings)}


def listed(meanings: Mapping[S, str]) -> str:
    return "\n".join(f"* `{code}`: {meaning}" for code, meaning in meanings.items())


class Shown(serializers.Field[Any, Any, Any, Any]):
    """A value of an answer: its JSON Schema, what it means, and whether it may be null.

    With a `component` its schema is written once under that name, and referred to.
    """

    def __init__(self, schema: dict[str, Any], meaning: str = "", *, null: bool = False, component: str = "") -> None:
        super().__init__(help_text=meaning or None, allow_null=null)
        self.schema, self.component = schema, component


class Answer(serializers.Serializer[Any]):
    """The object that a call answers. Every field is there in every answer; new ones may be added."""


class PageAnswer(Answer):
    next = Shown(ADDRESS, "Where the page of older entries is; null on the last page.", null=True)
    previous = Shown(ADDRESS, "Where the page of newer entries is; null on the first page.", null=True)


class FindingAnswer(Answer):
    """One thing that is wrong with a call."""

    pointer = Shown(
        {"type": "string", "format": "json-pointer"},
        "Where in the body (RFC 6901). A query parameter or a header is pointed at by its name, as `/limit`.",
    )
    code = Shown(coded(FINDINGS), component="FindingCode")
    detail = Shown(TEXT, "The same in words.")


class ProblemAnswer(Answer):
    """Why a call was refused (RFC 9457)."""

    type = Shown({"const": "about:blank"}, "There is no page about it: `code` says what it is.")
    title = Shown(TEXT, "The status in words.")
    status = Shown({"type": "integer"}, "The status of the answer.")
    detail = Shown(TEXT, "What is wrong with this call, for people to read.")
    instance = Shown({"type": "string", "format": "uri-reference"}, "The path that was called.")
    code = Shown(coded({code: told.meaning for code, told in PROBLEMS.items()}), component="ProblemCode")
    errors = FindingAnswer(  # type: ignore[assignment]  # a field; DRF keeps its own `errors` beside it
        many=True, help_text="One entry per finding if the code is `INVALID`, else empty."
    )
    request_id = Shown(
        UUID,
        "What the call is named in our logs, as in the header `X-Request-Id`: quote it when you ask us. "
        "Null if it was refused before it had a name.",
        null=True,
    )
