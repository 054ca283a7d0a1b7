"""Compares a response with the OpenAPI document: also a field that the document does not have is an error."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.validators import extend

from brokerage.api.docs import openapi_document

METHODS = ("get", "post", "put", "patch", "delete")
CHECKED_HEADERS = (
    "ETag",
    "Idempotent-Replayed",
    "Location",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-Id",
)
"""Headers that a response may have only if the document says so."""

formats = FormatChecker()


@formats.checks("date-time", raises=ValueError)
def _is_timestamp(value: Any) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@formats.checks("uri", raises=ValueError)
def _is_uri(value: Any) -> bool:
    return not isinstance(value, str) or bool(urlsplit(value).scheme)


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[Any]:
    """As in JavaScript, where `$` is the end of the text, and not also the place before its last newline."""
    whole = re.sub(r"\$$", r"\\Z", pattern)
    yield from Draft202012Validator.VALIDATORS["pattern"](validator, whole, instance, schema)


Validator = extend(Draft202012Validator, {"pattern": _pattern})


@cache
def document() -> dict[str, Any]:
    return json.loads(openapi_document("json"))


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield path, method and operation object of every call."""
    for path, item in document()["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """Return what `node` refers to, or itself."""
    while "$ref" in node:
        found: Any = document()
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        node = found
    return node


def validator(schema: dict[str, Any], *, strict: bool = True) -> Any:
    """Return a validator for a schema of the document; `strict`: an object may have documented fields only."""
    components = _closed(document()["components"]) if strict else document()["components"]
    whole = (_closed(schema) if strict else schema) | {"components": components}
    return Validator(whole, format_checker=formats)


def _closed(node: Any) -> Any:
    if isinstance(node, list):
        return [_closed(item) for item in node]
    if not isinstance(node, dict):
        return node
    closed = {name: _closed(value) for name, value in node.items()}
    return {"additionalProperties": False} | closed if node.get("type") == "object" and "properties" in node else closed


@cache
def body_validator(path: str, method: str, status: str, media_type: str) -> Any:
    response = resolved(document()["paths"][path][method]["responses"][status])
    return validator(response["content"][media_type]["schema"])


def path_of(address: str) -> str | None:
    """Return the path of the document that an address belongs to."""
    for path in document()["paths"]:
        if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)), address):
            return path
    return None


def check(method: str, address: str, response: Any) -> None:
    """Fail unless the document has this response to this call: status, headers, media type and every field."""
    path = path_of(address)
    operation = path and document()["paths"][path].get("get" if method == "HEAD" else method.lower())
    if method == "OPTIONS":
        return
    if not operation:
        assert response.status_code in ((400, 405, 411, 503) if path else (400, 404, 411, 503)), (method, address)
        validator({"$ref": "#/components/schemas/Problem"}).validate(response.json())
        return
    status = str(response.status_code)
    assert status in operation["responses"], f"{method} {path} is not documented to return {status}"
    documented = resolved(operation["responses"][status])
    _check_headers(documented["headers"], response)
    if method != "HEAD":
        _check_body(path, method.lower(), status, documented.get("content"), response)


def _check_headers(documented: dict[str, Any], response: Any) -> None:
    for name, header in documented.items():
        header_spec = resolved(header)
        if name in response:
            whole = header_spec["schema"].get("type") == "integer"
            validator(header_spec["schema"]).validate(int(response[name]) if whole else response[name])
        else:
            assert not header_spec.get("required"), f"the header {name} is missing"
    assert {name for name in CHECKED_HEADERS if name in response} <= set(documented)


def _check_body(path: str, method: str, status: str, content: dict[str, Any] | None, response: Any) -> None:
    if content is None:
        assert response.content == b""
        return
    media_type = response["Content-Type"].partition(";")[0]
    assert media_type in content, f"{path} is not documented to return {media_type}"
    if media_type.endswith("json"):
        body_validator(path, method, status, media_type).validate(json.loads(response.content))
