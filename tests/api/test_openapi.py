"""The OpenAPI document: valid, whole, and made of the serializers that validate."""

import json
import math
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.validation import validate_schema
from hypothesis import assume, given
from jsonschema import Draft202012Validator
from rest_framework.test import APIClient

from brokerage.api import codes, problems
from brokerage.reasons import Code
from tests.api.conftest import ORDER
from tests.api.openapi import METHODS, document, operations, resolved, validator
from tests.api.test_fuzz import BODIES, lightly

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "api/v1/"
OF_THE_CALL = {Code.TRADE_FINISHED, Code.NOTHING_TO_CHANGE, Code.TOO_MANY_CHANGES, Code.IDEMPOTENCY_KEY_REUSED}
FOR_STAFF_ONLY = {Code.CUM_QTY_DIFFERS, Code.ORDER_NOT_KNOWN}


def every(node: Any) -> Iterator[dict[str, Any]]:
    """Yield every object anywhere in the document."""
    if isinstance(node, dict):
        yield node
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from every(inner)


def addresses(patterns: list[Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield path and method of every endpoint."""
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern) and route.startswith(PREFIX):
            view = pattern.callback.view_class
            path = "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route)
            yield from ((path, method) for method in METHODS if hasattr(view, method))


class TestTheDocument:
    def test_is_valid(self) -> None:
        assert document()["openapi"] == "3.1.0"
        validate_schema(document())
        for node in every(document()):
            if "schema" in node:
                Draft202012Validator.check_schema(node["schema"])
        for schema in document()["components"]["schemas"].values():
            Draft202012Validator.check_schema(schema)

    def test_refers_to_nothing_that_is_not_there(self) -> None:
        references = [node for node in every(document()) if "$ref" in node]
        assert len(references) > 100
        assert all(resolved(node) for node in references)

    def test_has_every_address_and_method_and_no_other(self) -> None:
        found = set(addresses(get_resolver().url_patterns))
        assert ("/api/v1/trades/{trade_ref}", "patch") in found
        assert {(path, method) for path, method, _ in operations()} == found

    def test_names_each_call_once_under_a_tag_that_is_described(self) -> None:
        calls = [operation for _, _, operation in operations()]
        assert len({call["operationId"] for call in calls}) == len(calls)
        tags = {tag["name"] for tag in document()["tags"]}
        assert all(set(call["tags"]) <= tags and call["summary"] and call["description"] for call in calls)

    def test_says_which_calls_need_a_token(self) -> None:
        free = {call["operationId"] for _, _, call in operations() if "security" not in call}
        assert free == {"logIn", "getDescription", "getPage"}
        for _, _, call in operations():
            assert ("security" in call) == (problem_codes(call, "401") == ["NOT_AUTHENTICATED"])

    def test_closes_bodies_and_leaves_responses_open(self) -> None:
        asked = {"Change", "Credentials", "NewTrade", "Nothing"}
        for name, schema in document()["components"]["schemas"].items():
            assert (schema.get("additionalProperties") is False) == (name in asked)

    def test_requires_every_field_of_a_response(self) -> None:
        for name in (
            "Trade",
            "TradeRequest",
            "Wallet",
            "WalletEntry",
            "Holding",
            "HoldingEntry",
            "Timeline",
            "Problem",
        ):
            schema = document()["components"]["schemas"][name]
            assert set(schema["required"]) == set(schema["properties"])

    def test_has_examples_that_fit(self) -> None:
        contents = [node for node in every(document()) if "examples" in node and "schema" in node]
        bodies = [operation["requestBody"] for _, _, operation in operations() if "requestBody" in operation]
        asked = [content for body in bodies for content in body["content"].values()]
        assert len(contents) > 25
        for content in contents:
            fitting = validator(content["schema"], strict=content not in asked)
            for example in content["examples"].values():
                fitting.validate(example["value"])

    def test_names_nothing_that_is_not_built(self) -> None:
        text = json.dumps(document())
        assert [word for word in ("preview", "trade-requests", "webhook", "Prefer", "stream") if word in text] == []


def problem_codes(operation: dict[str, Any], status: str) -> list[str]:
    response = resolved(operation["responses"].get(status, {"content": {}}))
    schemas = [content["schema"] for content in response["content"].values()]
    return [code for schema in schemas for code in schema["allOf"][1]["properties"]["code"]["enum"]]


class TestCodes:
    def test_every_reason_is_described(self) -> None:
        assert set(codes.REASONS) | set(codes.PARKED) | OF_THE_CALL | FOR_STAFF_ONLY == set(Code)
        for name, meanings in (("ReasonCode", codes.REASONS), ("ParkedCode", codes.PARKED)):
            schema = document()["components"]["schemas"][name]
            assert schema["enum"] == [str(code) for code in meanings]
            assert all(f"`{code}`: {meaning}" in schema["description"] for code, meaning in meanings.items())

    def test_every_problem_is_described_under_its_status(self) -> None:
        sources = [*ROOT.glob("brokerage/**/*.py"), *ROOT.glob("trades/api/*.py")]
        named = {code for source in sources for code in re.findall(r'code="([A-Z_]+)"', source.read_text())}
        usual = {code for _, code in problems.STATUSES.values()} - {"CONFLICT", "CANNOT_BE_PROCESSED"}
        assert {"INVALID", "BAD_CREDENTIALS", "IDEMPOTENCY_KEY_BUSY", "TRADE_BUSY"} <= named
        assert set(codes.PROBLEMS) == named | usual | {str(code) for code in OF_THE_CALL}
        assert {spec.status for spec in codes.PROBLEMS.values()} == set(problems.STATUSES)
        assert all(
            codes.PROBLEMS[code].status == status for status, (_, code) in problems.STATUSES.items() if code in usual
        )
        assert document()["components"]["schemas"]["ProblemCode"]["enum"] == list(codes.PROBLEMS)

    def test_every_finding_is_described(self) -> None:
        sources = [*ROOT.glob("brokerage/api/*.py"), *ROOT.glob("trades/api/*.py")]
        raised = re.compile(r'(?:self\.fail\(|invalid\([^,]+, |ErrorDetail\([^,]+, )"([a-z_]+)"')
        found = {code.upper() for source in sources for code in raised.findall(source.read_text())}
        assert set(codes.FINDINGS) == found | {"REQUIRED", "NULL"}


AT_A_LIMIT = [
    *(0, 1, 10**12, 10**12 + 1, 2**63 - 1, 2**63, -1, 10.5, True, False, None, [], {}),
    *("0", "0.00", "0.00000001", "0.000000001", "1", "01", "9" * 12, "9" * 13, "1.", ".5", "1e5", "-1", "1\n", " 1"),
    *("BUY", "SELL", "buy", "DAY", "FOK", "GTD", "A" * 24, "A" * 25, "A&B-C._", "AéB"),
    *("x" * 128, "x" * 129, "é" * 128, "", " ", " x ", "a\tb", "a\x7f", "a\u2028", "\u2003"),
]


@pytest.fixture
def trade(place: Any) -> str:
    return place()["trade_id"]


class TestRequestSchemas:
    """What the document lets through is what the service lets through."""

    @pytest.mark.django_db
    @pytest.mark.parametrize(("method", "schema_name", "body"), [("POST", "NewTrade", ORDER), ("PATCH", "Change", {})])
    def test_a_value_at_a_limit_is_good_for_both_or_for_neither(
        self, as_alice: APIClient, trade: str, method: str, schema_name: str, body: dict[str, Any]
    ) -> None:
        schema = validator({"$ref": f"#/components/schemas/{schema_name}"}, strict=False)
        fields = document()["components"]["schemas"][schema_name]["properties"]
        taken = 0
        for field, value in product([*fields, "colour"], AT_A_LIMIT):
            asked = body | {field: value}
            url = "/api/v1/trades" if method == "POST" else f"/api/v1/trades/{trade}"
            status = as_alice.generic(method, url, json.dumps(asked), content_type="application/json").status_code
            assert schema.is_valid(asked) == (status != 400), asked
            taken += status != 400
        assert taken > len(fields)

    @pytest.mark.django_db
    @lightly
    @given(body=BODIES)
    @pytest.mark.parametrize(("method", "schema_name"), [("POST", "NewTrade"), ("PATCH", "Change")])
    def test_a_body_is_malformed_for_both_or_for_neither(
        self, as_alice: APIClient, trade: str, method: str, schema_name: str, body: Any
    ) -> None:
        assume(not any(_beyond_json_schema(value) for value in _values(body)))
        url = "/api/v1/trades" if method == "POST" else f"/api/v1/trades/{trade}"
        response = as_alice.generic(method, url, json.dumps(body), content_type="application/json")
        fits = validator({"$ref": f"#/components/schemas/{schema_name}"}, strict=False).is_valid(body)
        assert fits == (response.status_code != 400), (body, response.content)

    def test_the_limits_of_a_query_are_those_of_its_serializer(self) -> None:
        asked = document()["paths"]["/api/v1/trades"]["get"]["parameters"]
        limit = next(parameter for parameter in asked if parameter["name"] == "limit")
        assert limit["schema"] == {"type": "integer", "format": "int64", "minimum": 1, "maximum": 200, "default": 50}


def _values(body: Any) -> Iterator[Any]:
    yield body
    if isinstance(body, dict):
        yield from body
    for inner in body.values() if isinstance(body, dict) else body if isinstance(body, list) else ():
        yield from _values(inner)


def _beyond_json_schema(value: Any) -> bool:
    """Which 10.0 is no integer, and which text cannot be kept, no JSON Schema can say."""
    if isinstance(value, float):
        return value.is_integer() or not math.isfinite(value)
    return isinstance(value, str) and bool(re.search("[\x00\ud800-\udfff]", value))
