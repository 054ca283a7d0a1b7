"""What the description of the API promises, and whether an answer keeps it. New fields in an answer break a promise."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.validators import extend

from brokerage.api.documentation import document

METHODS = ("get", "post", "put", "patch", "delete")
TELLING_HEADERS = (
    "ETag",
    "Idempotent-Replayed",
    "Location",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-Id",
)
"""Headers that a call may answer only if its description says so."""

formats = FormatChecker()


@formats.checks("date-time", raises=ValueError)
def _is_moment(value: Any) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@formats.checks("uri", raises=ValueError)
def _is_address(value: Any) -> bool:
    return not isinstance(value, str) or bool(urlsplit(value).scheme)


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[Any]:
    """As in JavaScript, where `$` is the end of the text, and not also the place before its last newline."""
    whole = re.sub(r"\$$", r"\\Z", pattern)
    yield from Draft202012Validator.VALIDATORS["pattern"](validator, whole, instance, schema)


Validator = extend(Draft202012Validator, {"pattern": _pattern})


@cache
def described() -> dict[str, Any]:
    return json.loads(document("json"))


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and description of every call."""
    for path, item in described()["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """What `node` refers to, or itself."""
    while "$ref" in node:
        found: Any = described()
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        node = found
    return node


def validator(schema: dict[str, Any], *, strict: bool = True) -> Any:
    """A validator for a schema of the description; `strict`: an answer may have described fields only."""
    components = _closed(described()["components"]) if strict else described()["components"]
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
    answer = resolved(described()["paths"][path][method]["responses"][status])
    return validator(answer["content"][media_type]["schema"])


def path_of(address: str) -> str | None:
    """The path of the description that an address belongs to."""
    for path in described()["paths"]:
        if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)), address):
            return path
    return None


def check(method: str, address: str, answer: Any) -> None:
    """Fail unless the description promises this answer to this call: status, headers, media type and every field."""
    path = path_of(address)
    operation = path and described()["paths"][path].get("get" if method == "HEAD" else method.lower())
    if method == "OPTIONS":
        return
    if not operation:
        assert answer.status_code in ((400, 405, 411, 503) if path else (400, 404, 411, 503)), (method, address)
        validator({"$ref": "#/components/schemas/Problem"}).validate(answer.json())
        return
    status = str(answer.status_code)
    assert status in operation["responses"], f"{method} {path} is not described to answer {status}"
    promised = resolved(operation["responses"][status])
    _check_headers(promised["headers"], answer)
    if method != "HEAD":
        _check_body(path, method.lower(), status, promised.get("content"), answer)


def _check_headers(promised: dict[str, Any], answer: Any) -> None:
    for name, header in promised.items():
        described_header = resolved(header)
        if name in answer:
            whole = described_header["schema"].get("type") == "integer"
            validator(described_header["schema"]).validate(int(answer[name]) if whole else answer[name])
        else:
            assert not described_header.get("required"), f"the header {name} is missing"
    assert {name for name in TELLING_HEADERS if name in answer} <= set(promised)


def _check_body(path: str, method: str, status: str, content: dict[str, Any] | None, answer: Any) -> None:
    if content is None:
        assert answer.content == b""
        return
    media_type = answer["Content-Type"].partition(";")[0]
    assert media_type in content, f"{path} is not described to answer {media_type}"
    if media_type.endswith("json"):
        body_validator(path, method, status, media_type).validate(json.loads(answer.content))
