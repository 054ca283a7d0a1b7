"""How our own classes are described in OpenAPI 3.1: shapes and their fields, answers, problems, the token."""

from collections.abc import Sequence
from typing import Any

from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiSerializerExtension,
    OpenApiSerializerFieldExtension,
)
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import Direction, OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from brokerage.api.codes import PROBLEMS
from brokerage.api.fields import Matching, OneOf, Text, WholeNumber, YesNo
from brokerage.api.problems import CONTENT_TYPE, KINDS
from brokerage.api.responses import UUID, ProblemAnswer, listed
from brokerage.api.times import Moment

Json = dict[str, Any]
Field = serializers.Field[Any, Any, Any, Any]

_CONTROL = r"\u0000-\u001f\u007f-\u009f"
_MEANINGS_OF_HEADERS = {
    "WWW-Authenticate": "How to log in: with a token.",
    "Allow": "The methods that the address has.",
    "Retry-After": "Seconds to wait before the call is repeated.",
}


# --- What comes in: from the very fields that validate it ------------------------------------------------------------


def schema_of(field: Field) -> Json:
    """The JSON Schema of what one of our fields takes."""
    match field:
        case WholeNumber():
            return {"type": "integer", "format": "int64", "minimum": field.least, "maximum": field.most}
        case YesNo():
            return {"type": "boolean"}
        case OneOf():
            return {"type": "string", "enum": field.choices}
        case Matching():
            return {"type": "string", "pattern": f"^{field.pattern.pattern}$"} | field.also
        case Moment():
            return {"type": "string", "format": "date-time"}
        case Text():
            pattern = rf"^(?!\s*$)[^{_CONTROL}]+$" if field.printable else r"\S"
            return {"type": "string", "minLength": 1, "maxLength": field.most, "pattern": pattern}
    raise TypeError(f"no description for {field!r}")


class _WhatComesIn(OpenApiSerializerFieldExtension):
    target_class = "brokerage.api.fields.Text"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> Json:
        return schema_of(self.target)


class _WholeNumber(_WhatComesIn):
    target_class = "brokerage.api.fields.WholeNumber"


class _YesNo(_WhatComesIn):
    target_class = "brokerage.api.fields.YesNo"


class _Shape(OpenApiSerializerExtension):
    """A body or a query: nothing but its fields. What a shape demands beyond them it says itself, in `also`."""

    target_class = "brokerage.api.fields.Shape"
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: Direction) -> Json:
        schema = _own_schema(self.target, auto_schema, direction)
        also: Json = self.target.also
        return schema | {"additionalProperties": False} | also


# --- What goes out ---------------------------------------------------------------------------------------------------


class _Shown(OpenApiSerializerFieldExtension):
    target_class = "brokerage.api.responses.Shown"

    def get_name(self) -> str | None:
        return self.target.component or None

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> Json:
        return dict(self.target.schema)


class _Answer(OpenApiSerializerExtension):
    target_class = "brokerage.api.responses.Answer"
    match_subclasses = True

    def get_name(self, auto_schema: AutoSchema, direction: Direction) -> str:
        return type(self.target).__name__.removesuffix("Answer")

    def map_serializer(self, auto_schema: AutoSchema, direction: Direction) -> Json:
        return _own_schema(self.target, auto_schema, direction)


def _own_schema(target: serializers.Serializer[Any], auto_schema: AutoSchema, direction: Direction) -> Json:
    """What drf-spectacular makes of the fields; described by the class's own docstring, not by that of its base."""
    schema: Json = auto_schema._map_serializer(target, direction, bypass_extensions=True)
    if not type(target).__doc__:
        schema.pop("description", None)
    return schema


def shown(answer: Any, meaning: str, *examples: OpenApiExample) -> OpenApiResponse:
    """A success: what is answered and what that means."""
    return OpenApiResponse(answer, meaning, list(examples))


def example(name: str, value: Any, description: str = "") -> OpenApiExample:
    return OpenApiExample(name, value=value, description=description, response_only=True)


def asked_example(name: str, value: Any, description: str = "") -> OpenApiExample:
    return OpenApiExample(name, value=value, description=description, request_only=True)


def header(name: str, schema: Json, meaning: str, *, on: Sequence[int], required: bool = True) -> OpenApiParameter:
    """A header of the answers with these statuses."""
    return OpenApiParameter(
        name, schema, OpenApiParameter.HEADER, description=meaning, required=required, response=list(on)
    )


def asked_header(name: str, field: Field, meaning: str) -> OpenApiParameter:
    """A header of the call, of the shape of `field`."""
    return OpenApiParameter(name, schema_of(field), OpenApiParameter.HEADER, description=meaning)


# --- Problems --------------------------------------------------------------------------------------------------------

ANYWHERE = ("BAD_REQUEST", "LENGTH_REQUIRED", "UNAVAILABLE")
"""What any call may be answered, whatever it is about."""

WITH_BODY = ("INVALID", "TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE")
"""What a call with a body may be answered beside."""


class Refused(OpenApiResponse):
    """A problem of one status, with the codes that this call can answer."""

    def __init__(self, status: int, codes: Sequence[str]) -> None:
        meanings = {code: PROBLEMS[code].meaning for code in codes}
        super().__init__(ProblemAnswer, listed(meanings) if len(codes) > 1 else meanings[codes[0]])
        self.status, self.codes = status, codes


def refused(*codes: str) -> dict[int, Refused]:
    """The problems that a call can answer, by status: these codes, and those of any call."""
    by_status: dict[int, list[str]] = {}
    for code, told in PROBLEMS.items():
        if code in (*codes, *ANYWHERE):
            by_status.setdefault(told.status, []).append(code)
    return {status: Refused(status, found) for status, found in by_status.items()}


class Description(AutoSchema):
    """Writes each problem once, as a component that calls refer to, and says that every answer names its request."""

    def _get_response_for_code(
        self, serializer: Any, status_code: str, media_types: Any = None, direction: Direction = "response"
    ) -> Json:
        if not isinstance(serializer, Refused):
            found: Json = super()._get_response_for_code(  # type: ignore[no-untyped-call]  # drf-spectacular's own
                serializer, status_code, media_types, direction
            )
            return {"description": found.pop("description"), "headers": self._headers(found.pop("headers", {}))} | found
        name = "Or".join(code.title().replace("_", "") for code in serializer.codes)
        return self._component(ResolvedComponent.RESPONSE, name, self._problem(serializer))

    def _problem(self, refusal: Refused) -> Json:
        common: Json = self.resolve_serializer(ProblemAnswer, "response").ref
        these = {"status": {"const": refusal.status}, "code": {"enum": list(refusal.codes)}}
        return {
            "description": refusal.description,
            "headers": self._headers(_headers_of(refusal.codes)),
            "content": {
                CONTENT_TYPE: {
                    "schema": {"allOf": [common, {"properties": these}]},
                    "examples": {code: {"value": _problem_example(code)} for code in refusal.codes},
                }
            },
        }

    def _headers(self, headers: Json) -> Json:
        named = {"description": "What the call is named in our logs.", "schema": UUID}
        return headers | {"X-Request-Id": self._component(ResolvedComponent.HEADER, "X-Request-Id", named)}

    def _component(self, kind: str, name: str, content: Json) -> Json:
        component = ResolvedComponent(name=name, type=kind, schema=content, object=name)
        self.registry.register_on_missing(component)
        return component.ref


def _headers_of(codes: Sequence[str]) -> Json:
    names = dict.fromkeys(name for code in codes for name in PROBLEMS[code].headers)
    return {
        name: {
            "description": _MEANINGS_OF_HEADERS[name],
            "schema": {"type": "integer"} if name == "Retry-After" else {"type": "string"},
            "required": all(name in PROBLEMS[code].headers for code in codes),
        }
        for name in names
    }


def _problem_example(code: str) -> Json:
    told = PROBLEMS[code]
    finding = {"pointer": "/price", "code": "NOT_A_STRING", "detail": "Must be a JSON string."}
    return {
        "type": "about:blank",
        "title": KINDS[told.status][0],
        "status": told.status,
        "detail": told.detail,
        "instance": told.instance,
        "code": code,
        "errors": [finding] if code == "INVALID" else [],
        "request_id": "01a2053d-f1ce-71fc-9311-08e916e9a64d",
    }


# --- Who calls -------------------------------------------------------------------------------------------------------


class _Token(OpenApiAuthenticationExtension):
    target_class = "brokerage.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> Json:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "The word `Token`, a space, and the `token` that `POST /auth/login` answered.",
        }
