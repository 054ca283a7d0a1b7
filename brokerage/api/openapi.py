"""Extensions of drf-spectacular (OpenAPI 3.1) for our serializers, fields, responses, problems and the token."""

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
from brokerage.api.problems import CONTENT_TYPE, STATUSES
from brokerage.api.responses import UUID, ProblemResponse, bullet_list
from brokerage.api.serializers import (
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictIntegerField,
    StrictRegexField,
    TimestampField,
)

Json = dict[str, Any]
Field = serializers.Field[Any, Any, Any, Any]

_CONTROL = r"\u0000-\u001f\u007f-\u009f"
_HEADER_MEANINGS = {
    "WWW-Authenticate": "How to log in: with a token.",
    "Allow": "The methods that the address has.",
    "Retry-After": "Seconds to wait before the call is repeated.",
}


# --- Requests: from the very fields that validate them ---------------------------------------------------------------


def schema_of(field: Field) -> Json:
    """Return the JSON Schema of what one of our fields takes."""
    match field:
        case StrictIntegerField():
            return {"type": "integer", "format": "int64", "minimum": field.min_value, "maximum": field.max_value}
        case StrictBooleanField():
            return {"type": "boolean"}
        case StrictChoiceField():
            return {"type": "string", "enum": field.choices}
        case StrictRegexField():
            return {"type": "string", "pattern": f"^{field.pattern.pattern}$"} | field.extra_schema
        case TimestampField():
            return {"type": "string", "format": "date-time"}
        case StrictCharField():
            pattern = rf"^(?!\s*$)[^{_CONTROL}]+$" if field.printable else r"\S"
            return {"type": "string", "minLength": 1, "maxLength": field.max_length, "pattern": pattern}
    raise TypeError(f"no schema for {field!r}")


class _StrictCharField(OpenApiSerializerFieldExtension):
    target_class = "brokerage.api.serializers.StrictCharField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> Json:
        return schema_of(self.target)


class _StrictIntegerField(_StrictCharField):
    target_class = "brokerage.api.serializers.StrictIntegerField"


class _StrictBooleanField(_StrictCharField):
    target_class = "brokerage.api.serializers.StrictBooleanField"


class _StrictSerializer(OpenApiSerializerExtension):
    """A body or a query: nothing but its fields, and what `extra_schema` demands beyond them."""

    target_class = "brokerage.api.serializers.StrictSerializer"
    match_subclasses = True

    def get_name(self, auto_schema: AutoSchema, direction: Direction) -> str | None:
        return self.target.component or None

    def map_serializer(self, auto_schema: AutoSchema, direction: Direction) -> Json:
        schema = _own_schema(self.target, auto_schema, direction)
        extra: Json = self.target.extra_schema
        return schema | {"additionalProperties": False} | extra


# --- Responses -------------------------------------------------------------------------------------------------------


class _ResponseField(OpenApiSerializerFieldExtension):
    target_class = "brokerage.api.responses.ResponseField"

    def get_name(self) -> str | None:
        return self.target.component or None

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> Json:
        return dict(self.target.schema)


class _ResponseSerializer(OpenApiSerializerExtension):
    target_class = "brokerage.api.responses.ResponseSerializer"
    match_subclasses = True

    def get_name(self, auto_schema: AutoSchema, direction: Direction) -> str:
        return type(self.target).__name__.removesuffix("Response")

    def map_serializer(self, auto_schema: AutoSchema, direction: Direction) -> Json:
        return _own_schema(self.target, auto_schema, direction)


def _own_schema(target: serializers.Serializer[Any], auto_schema: AutoSchema, direction: Direction) -> Json:
    """Return drf-spectacular's schema of the fields, described by the class's own docstring, never by its base's."""
    schema: Json = auto_schema._map_serializer(target, direction, bypass_extensions=True)
    if not type(target).__doc__:
        schema.pop("description", None)
    return schema


def success_response(serializer: Any, meaning: str, *examples: OpenApiExample) -> OpenApiResponse:
    """Describe a success: what is returned and what that means."""
    return OpenApiResponse(serializer, meaning, list(examples))


def response_example(name: str, value: Any, description: str = "") -> OpenApiExample:
    return OpenApiExample(name, value=value, description=description, response_only=True)


def request_example(name: str, value: Any, description: str = "") -> OpenApiExample:
    return OpenApiExample(name, value=value, description=description, request_only=True)


def response_header(
    name: str, schema: Json, meaning: str, *, on: Sequence[int], required: bool = True
) -> OpenApiParameter:
    """Describe a header of the responses with these statuses."""
    return OpenApiParameter(
        name, schema, OpenApiParameter.HEADER, description=meaning, required=required, response=list(on)
    )


def request_header(name: str, field: Field, meaning: str) -> OpenApiParameter:
    """Describe a header of the call, validated by `field`."""
    return OpenApiParameter(name, schema_of(field), OpenApiParameter.HEADER, description=meaning)


# --- Problems --------------------------------------------------------------------------------------------------------

ANYWHERE = ("BAD_REQUEST", "LENGTH_REQUIRED", "UNAVAILABLE")
"""The codes that any call can return, whatever it is about."""

WITH_BODY = ("INVALID", "TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE")
"""The codes that a call with a body can return beside."""


class OpenApiProblem(OpenApiResponse):
    """A problem of one status, with the codes that a call can return."""

    def __init__(self, status: int, codes: Sequence[str]) -> None:
        meanings = {code: PROBLEMS[code].meaning for code in codes}
        super().__init__(ProblemResponse, bullet_list(meanings) if len(codes) > 1 else meanings[codes[0]])
        self.status, self.codes = status, codes


def problem_responses(*codes: str) -> dict[int, OpenApiProblem]:
    """Describe the problems that a call can return, by status: these codes, and those of any call."""
    by_status: dict[int, list[str]] = {}
    for code, spec in PROBLEMS.items():
        if code in (*codes, *ANYWHERE):
            by_status.setdefault(spec.status, []).append(code)
    return {status: OpenApiProblem(status, found) for status, found in by_status.items()}


class ProblemSchema(AutoSchema):
    """Writes each problem once, as a component that calls refer to, and gives every response its `X-Request-Id`."""

    def _get_response_for_code(
        self, serializer: Any, status_code: str, media_types: Any = None, direction: Direction = "response"
    ) -> Json:
        if not isinstance(serializer, OpenApiProblem):
            found: Json = super()._get_response_for_code(  # type: ignore[no-untyped-call]  # drf-spectacular's own
                serializer, status_code, media_types, direction
            )
            return {"description": found.pop("description"), "headers": self._headers(found.pop("headers", {}))} | found
        name = "Or".join(code.title().replace("_", "") for code in serializer.codes)
        return self._component(ResolvedComponent.RESPONSE, name, self._problem(serializer))

    def _problem(self, problem: OpenApiProblem) -> Json:
        common: Json = self.resolve_serializer(ProblemResponse, "response").ref
        narrowed = {"status": {"const": problem.status}, "code": {"enum": list(problem.codes)}}
        return {
            "description": problem.description,
            "headers": self._headers(_headers_of(problem.codes)),
            "content": {
                CONTENT_TYPE: {
                    "schema": {"allOf": [common, {"properties": narrowed}]},
                    "examples": {code: {"value": _problem_example(code)} for code in problem.codes},
                }
            },
        }

    def _headers(self, headers: Json) -> Json:
        request_id = {"description": "What the call is named in our logs.", "schema": UUID}
        return headers | {"X-Request-Id": self._component(ResolvedComponent.HEADER, "X-Request-Id", request_id)}

    def _component(self, kind: str, name: str, content: Json) -> Json:
        component = ResolvedComponent(name=name, type=kind, schema=content, object=name)
        self.registry.register_on_missing(component)
        return component.ref


def _headers_of(codes: Sequence[str]) -> Json:
    names = dict.fromkeys(name for code in codes for name in PROBLEMS[code].headers)
    return {
        name: {
            "description": _HEADER_MEANINGS[name],
            "schema": {"type": "integer"} if name == "Retry-After" else {"type": "string"},
            "required": all(name in PROBLEMS[code].headers for code in codes),
        }
        for name in names
    }


def _problem_example(code: str) -> Json:
    spec = PROBLEMS[code]
    finding = {"pointer": "/price", "code": "NOT_A_STRING", "detail": "Must be a JSON string."}
    return {
        "type": "about:blank",
        "title": STATUSES[spec.status][0],
        "status": spec.status,
        "detail": spec.detail,
        "instance": spec.instance,
        "code": code,
        "errors": [finding] if code == "INVALID" else [],
        "request_id": "01a2053d-f1ce-71fc-9311-08e916e9a64d",
    }


# --- Authentication --------------------------------------------------------------------------------------------------


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
