"""What the bodies and queries about trades must look like. Whatever fits is decided by the pipeline."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from brokerage.api.callers import MOST, OfTrader
from brokerage.api.fields import Matching, OneOf, Shape, Text, WholeNumber, WholeNumberInQuery, YesNo
from brokerage.api.paging import CursorField, Paged
from brokerage.api.problems import invalid
from brokerage.api.times import Moment
from trades.lifecycle import Side, Status, TimeInForce
from trades.models import Channel
from trades.queries import timeline

KEY_LENGTH = 128


class Price(Matching):
    """A price as a decimal string: up to twelve digits, then up to eight decimals; more than 0."""

    default_error_messages = {"zero": "Must be more than 0."}
    also = {"not": {"pattern": "^[0.]+$"}}

    def __init__(self, **options: Any) -> None:
        super().__init__(r"[0-9]{1,12}(\.[0-9]{1,8})?", example='"101.50", a string', **options)

    def to_internal_value(self, data: Any) -> Decimal:
        price = Decimal(super().to_internal_value(data))
        if not price:
            self.fail("zero")
        return price


class Quantity(WholeNumber):
    """A number of whole shares."""

    def __init__(self, **options: Any) -> None:
        super().__init__(least=1, most=10**12, **options)


class Symbol(Matching):
    def __init__(self, **options: Any) -> None:
        super().__init__(r"[A-Z0-9._&-]{1,24}", example="INFY", **options)


CHANNEL = OneOf(Channel)
"""The header `X-Channel`."""

KEY = Text(most=KEY_LENGTH)
"""The header `Idempotency-Key`."""


class NewTrade(Shape):
    """What is to be bought or sold."""

    symbol = Symbol()
    side = OneOf(Side)
    quantity = Quantity(help_text="Whole shares, as a JSON integer: neither `10.0` nor `true`.")
    price = Price(help_text="The limit, a decimal string of more than 0.")
    time_in_force = OneOf(TimeInForce, default=str(TimeInForce.DAY))
    client_reference = Text(
        most=KEY_LENGTH, required=False, help_text="Your own name for it, printable; also its idempotency key."
    )
    trader_id = WholeNumber(
        least=1,
        most=MOST,
        required=False,
        help_text="For staff: whom they act for. A trader may give their own number.",
    )
    confirm_duplicate = YesNo(required=False, help_text="Yes, I mean it twice. Nothing asks for it yet.")


class Change(Shape):
    """What is left out keeps the value last asked for."""

    also = {"minProperties": 1, "not": {"required": ["quantity", "remaining_quantity"]}}

    quantity = Quantity(required=False, help_text="The whole, what is filled included.")
    remaining_quantity = Quantity(required=False, help_text="The same without what is filled by then.")
    price = Price(required=False, help_text="The limit, a decimal string of more than 0.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise invalid("", "nothing_given", "Give a quantity, a remaining_quantity or a price.")
        if "quantity" in attrs and "remaining_quantity" in attrs:
            raise invalid("/remaining_quantity", "one_of_two", "Give quantity or remaining_quantity, not both.")
        return attrs


class Filters(Paged, OfTrader):
    """Which trades, and which page of them."""

    cursor = CursorField(UUID, required=False, help_text=CursorField.meaning)
    status = OneOf(Status, required=False)
    symbol = Symbol(required=False)
    side = OneOf(Side, required=False)
    channel = OneOf(Channel, required=False)
    client_reference = Text(most=KEY_LENGTH, required=False)
    created_after = Moment(required=False, help_text="With its offset; six decimals of a second at most.")
    created_before = Moment(required=False, help_text="With its offset; six decimals of a second at most.")


class Since(Shape):
    """Which part of a timeline: what came after revision `after`."""

    after = WholeNumberInQuery(least=0, most=2**31 - 1, default=0, help_text="Only what came behind this revision.")
    limit = WholeNumberInQuery(
        least=1, most=timeline.MAX_ENTRIES, default=timeline.MAX_ENTRIES, help_text="Entries, at most."
    )
