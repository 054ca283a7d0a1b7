"""Fields that take JSON literally: a number is a number, a text is a text, nothing is converted or trimmed.

DRF's own fields accept "10" and true for an integer and 10 for a text. For orders, that is one way too many.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, cast

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_DIGITS = re.compile("-?[0-9]{1,20}")


class Shape(serializers.Serializer[Any]):
    """What a body, or a query, must look like. A name that is not one of the fields is an error."""

    default_error_messages = {"unknown_field": "There is no such field."}
    also: ClassVar[dict[str, Any]] = {}
    """What `validate` demands beyond the fields, as JSON Schema."""

    @classmethod
    def read(cls, data: Any) -> dict[str, Any]:
        """Return the validated values of `data`, or raise one ValidationError with every finding."""
        values: dict[str, Any] = cls().run_validation(data)
        return values

    @classmethod
    def read_query(cls, request: Request) -> dict[str, Any]:
        """Return the validated values of the address's query, in which each name stands once."""
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


class Nothing(Shape):
    """No body, or an empty object."""


class WholeNumber(serializers.Field[int, Any, int, Any]):
    """A JSON integer within bounds. true, 10.0 and "10" are none."""

    default_error_messages = {
        "not_an_integer": "Must be a JSON integer.",
        "out_of_range": "Must be between {least} and {most}.",
    }

    def __init__(self, *, least: int, most: int, **options: Any) -> None:
        super().__init__(**options)
        self.least, self.most = least, most

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("not_an_integer")
        if not self.least <= data <= self.most:
            self.fail("out_of_range", least=self.least, most=self.most)
        return data


class WholeNumberInQuery(WholeNumber):
    """The same in a query, where everything is text."""

    default_error_messages = {"not_an_integer": "Must be a whole number."}

    def to_internal_value(self, data: str) -> int:
        if not _DIGITS.fullmatch(data):
            self.fail("not_an_integer")
        return super().to_internal_value(int(data))


class YesNo(serializers.Field[bool, Any, bool, Any]):
    """true or false."""

    default_error_messages = {"not_a_boolean": "Must be true or false."}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("not_a_boolean")
        return data


class Text(serializers.Field[Any, Any, Any, Any]):
    """A JSON string of 1 to `most` characters; `printable` refuses control characters."""

    default_error_messages = {
        "not_a_string": "Must be a JSON string.",
        "blank": "May not be blank.",
        "too_long": "May have {most} characters at most.",
        "not_printable": "May not contain control characters.",
    }

    def __init__(self, *, most: int, printable: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.most, self.printable = most, printable

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("not_a_string")
        if not data.strip():
            self.fail("blank")
        if len(data) > self.most:
            self.fail("too_long", most=self.most)
        if self.printable and _CONTROL.search(data):
            self.fail("not_printable")
        return data


class OneOf(Text):
    """A JSON string out of a list."""

    default_error_messages = {"not_listed": "Must be one of {choices}."}

    def __init__(self, choices: Iterable[str], **options: Any) -> None:
        self.choices = [str(choice) for choice in choices]
        super().__init__(most=max(map(len, self.choices)), **options)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("not_a_string")
        if data not in self.choices:
            self.fail("not_listed", choices=", ".join(self.choices))
        return data


class Matching(Text):
    """A JSON string of one pattern, whole."""

    also: ClassVar[dict[str, Any]] = {}
    """What is demanded beyond the pattern, as JSON Schema."""
    default_error_messages = {"malformed": "Must look like {example}."}

    def __init__(self, pattern: str, *, example: str, **options: Any) -> None:
        super().__init__(**{"most": 256, **options})
        self.pattern, self.example = re.compile(pattern), example

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("not_a_string")
        if not self.pattern.fullmatch(data):
            self.fail("malformed", example=self.example)
        return data
