"""Serializers and fields that take JSON literally: a number is a number, a text is a text, nothing is converted.

DRF's own fields accept "10" and true for an integer and 10 for a text. For orders, that is one way too many.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any, ClassVar, cast

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request

MAX_BIGINT = 2**63 - 1
"""The largest number that a column of the database can hold."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_DIGITS = re.compile("-?[0-9]{1,20}")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


class StrictSerializer(serializers.Serializer[Any]):
    """Validates a body or a query. A name that is not one of the fields is an error."""

    default_error_messages = {"unknown_field": "There is no such field."}
    extra_schema: ClassVar[dict[str, Any]] = {}
    """The JSON Schema of what `validate` demands beyond the fields."""
    component: ClassVar[str] = ""
    """The name in the OpenAPI document, where it is not the class's without `Serializer`."""

    @classmethod
    def read(cls, data: Any) -> dict[str, Any]:
        """Return the validated values of `data`, or raise one ValidationError with every finding."""
        values: dict[str, Any] = _shared(cls).run_validation(data)
        return values

    @classmethod
    def read_query(cls, request: Request) -> dict[str, Any]:
        """Return the validated values of the query string, in which each name stands once."""
        given = dict(request.query_params.lists())
        for name, values in given.items():
            if len(values) > 1:
                raise ValidationError({name: [ErrorDetail("May be given once only.", "given_twice")]})
        return cls.read({name: value for name, [value] in given.items()})

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, Mapping):
            raise ValidationError([ErrorDetail("Must be a JSON object.", "not_an_object")])
        message = str(self.error_messages["unknown_field"])
        findings: dict[str, Any] = {
            name: [ErrorDetail(message, "unknown_field")] for name in data if name not in self.fields
        }
        try:
            values: dict[str, Any] = super().to_internal_value(data)
        except ValidationError as error:
            findings = {**cast("dict[str, Any]", error.detail), **findings}  # a list of errors for each field
        if findings:
            raise ValidationError(findings)
        return values


@cache
def _shared(serializer: type[StrictSerializer]) -> StrictSerializer:
    """Return the one instance of a class: DRF copies every field for each, and validating changes none of them."""
    return serializer()


class EmptyBodySerializer(StrictSerializer):
    """No body, or an empty object."""

    component = "Nothing"


class StrictIntegerField(serializers.Field[int, Any, int, Any]):
    """A JSON integer within bounds. true, 10.0 and "10" are none."""

    default_error_messages = {
        "not_an_integer": "Must be a JSON integer.",
        "out_of_range": "Must be between {min_value} and {max_value}.",
    }

    def __init__(self, *, min_value: int, max_value: int, **options: Any) -> None:
        super().__init__(**options)
        self.min_value, self.max_value = min_value, max_value

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("not_an_integer")
        if not self.min_value <= data <= self.max_value:
            self.fail("out_of_range", min_value=self.min_value, max_value=self.max_value)
        return data


class QueryIntegerField(StrictIntegerField):
    """The same in a query string, where everything is text."""

    default_error_messages = {"not_an_integer": "Must be a whole number."}

    def to_internal_value(self, data: str) -> int:
        if not _DIGITS.fullmatch(data):
            self.fail("not_an_integer")
        return super().to_internal_value(int(data))


class StrictBooleanField(serializers.Field[bool, Any, bool, Any]):
    """true or false."""

    default_error_messages = {"not_a_boolean": "Must be true or false."}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("not_a_boolean")
        return data


class StrictCharField(serializers.Field[Any, Any, Any, Any]):
    """A JSON string of 1 to `max_length` characters, taken as it is; `printable` refuses control characters."""

    default_error_messages = {
        "not_a_string": "Must be a JSON string.",
        "blank": "May not be blank.",
        "too_long": "May have {max_length} characters at most.",
        "not_printable": "May not contain control characters.",
    }

    def __init__(self, *, max_length: int, printable: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.max_length, self.printable = max_length, printable

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("not_a_string")
        if not data.strip():
            self.fail("blank")
        if len(data) > self.max_length:
            self.fail("too_long", max_length=self.max_length)
        if self.printable and _CONTROL.search(data):
            self.fail("not_printable")
        return data


class StrictChoiceField(StrictCharField):
    """A JSON string out of a list."""

    default_error_messages = {"not_listed": "Must be one of {choices}."}

    def __init__(self, choices: Iterable[str], **options: Any) -> None:
        self.choices = [str(choice) for choice in choices]
        super().__init__(max_length=max(map(len, self.choices)), **options)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("not_a_string")
        if data not in self.choices:
            self.fail("not_listed", choices=", ".join(self.choices))
        return data


class StrictRegexField(StrictCharField):
    """A JSON string that matches one pattern, whole."""

    extra_schema: ClassVar[dict[str, Any]] = {}
    """The JSON Schema of what is demanded beyond the pattern."""
    default_error_messages = {"malformed": "Must look like {example}."}

    def __init__(self, pattern: str, *, example: str, **options: Any) -> None:
        super().__init__(**{"max_length": 256, **options})
        self.pattern, self.example = re.compile(pattern), example

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("not_a_string")
        if not self.pattern.fullmatch(data):
            self.fail("malformed", example=self.example)
        return data


class PriceField(StrictRegexField):
    """A price as a decimal string: up to twelve digits, then up to eight decimals; more than 0."""

    default_error_messages = {"zero": "Must be more than 0."}
    extra_schema = {"not": {"pattern": "^[0.]+$"}}

    def __init__(self, **options: Any) -> None:
        super().__init__(r"[0-9]{1,12}(\.[0-9]{1,8})?", example='"101.50", a string', **options)

    def to_internal_value(self, data: Any) -> Decimal:
        price = Decimal(super().to_internal_value(data))
        if not price:
            self.fail("zero")
        return price


class TimestampField(StrictCharField):
    """A time with its offset, such as 2026-11-22T10:15:30Z."""

    default_error_messages = {"not_a_time": "Must be a time with an offset, such as 2026-11-22T10:15:30Z."}

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": 40, **options})

    def to_internal_value(self, data: Any) -> datetime:
        text = super().to_internal_value(data)
        if not _RFC3339.fullmatch(text):
            self.fail("not_a_time")
        try:
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail("not_a_time")


class TraderQuery(StrictSerializer):
    """A query that may name the trader it is about."""

    trader_id = QueryIntegerField(
        min_value=1,
        max_value=MAX_BIGINT,
        required=False,
        help_text="Whose. Staff name a trader; a trader may name only themselves.",
    )


def rfc3339(moment: datetime | None) -> str | None:
    """Write a moment as the API shows it: RFC 3339, in UTC, with a Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None
