"""What the columns of several models have in common."""

from decimal import Decimal
from uuid import UUID

from django.db import models
from django.db.models.expressions import Combinable

from brokerage.money import PRICE_PLACES
from trades.lifecycle import Kind, Outcome, Side, Stage, Status


def choices_of(enum: type[Side | Kind | Stage | Outcome | Status]) -> list[tuple[str, str]]:
    return [(member.value, member.value.replace("_", " ").capitalize()) for member in enum]


def price_field() -> "models.DecimalField[Decimal | Combinable, Decimal]":
    return models.DecimalField(max_digits=24, decimal_places=PRICE_PLACES)


def first_id(at: float) -> UUID:
    """Return the smallest id that can be made at `at`, in seconds since 1970.

    A UUIDv7 begins with 48 bits of milliseconds (RFC 9562, 5.7), so that a stretch of time is a stretch of the primary
    key, and needs no index of its own.
    """
    milliseconds = min(max(int(at * 1000), 0), 2**48 - 1)
    return UUID(int=milliseconds << 80)
