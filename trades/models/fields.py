"""What the columns of several models have in common."""

from decimal import Decimal

from django.db import models
from django.db.models.expressions import Combinable

from brokerage.money import PRICE_PLACES
from trades.lifecycle import Kind, Outcome, Side, Stage, Status


def choices_of(enum: type[Side | Kind | Stage | Outcome | Status]) -> list[tuple[str, str]]:
    return [(member.value, member.value.replace("_", " ").capitalize()) for member in enum]


def price_field() -> "models.DecimalField[Decimal | Combinable, Decimal]":
    return models.DecimalField(max_digits=24, decimal_places=PRICE_PLACES)
