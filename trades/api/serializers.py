"""Serializers of the bodies and queries about trades: their shape. Whether it can be done, the pipeline decides."""

from typing import Any
from uuid import UUID

from brokerage.api.pagination import CursorField, PageQuery
from brokerage.api.problems import invalid
from brokerage.api.serializers import (
    MAX_BIGINT,
    PriceField,
    QueryIntegerField,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictIntegerField,
    StrictRegexField,
    StrictSerializer,
    TimestampField,
    TraderQuery,
)
from trades.lifecycle import Side, Status, TimeInForce
from trades.models import Channel
from trades.queries import timeline

MAX_KEY_LENGTH = 128


class QuantityField(StrictIntegerField):
    """A number of whole shares."""

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=1, max_value=10**12, **options)


class SymbolField(StrictRegexField):
    def __init__(self, **options: Any) -> None:
        super().__init__(r"[A-Z0-9._&-]{1,24}", example="INFY", **options)


CHANNEL = StrictChoiceField(Channel)
"""The header `X-Channel`."""

KEY = StrictCharField(max_length=MAX_KEY_LENGTH)
"""The header `Idempotency-Key`."""


class NewTradeSerializer(StrictSerializer):
    """What is to be bought or sold."""

    symbol = SymbolField()
    side = StrictChoiceField(Side)
    quantity = QuantityField(help_text="Whole shares, as a JSON integer: neither `10.0` nor `true`.")
    price = PriceField(help_text="The limit, a decimal string of more than 0.")
    time_in_force = StrictChoiceField(TimeInForce, default=str(TimeInForce.DAY))
    client_reference = StrictCharField(
        max_length=MAX_KEY_LENGTH,
        required=False,
        help_text="Your own name for it, printable; also its idempotency key.",
    )
    trader_id = StrictIntegerField(
        min_value=1,
        max_value=MAX_BIGINT,
        required=False,
        help_text="For staff: whom they act for. A trader may give their own number.",
    )
    confirm_duplicate = StrictBooleanField(required=False, help_text="Yes, I mean it twice. Nothing asks for it yet.")


class ChangeSerializer(StrictSerializer):
    """What is left out keeps the value last asked for."""

    extra_schema = {"minProperties": 1, "not": {"required": ["quantity", "remaining_quantity"]}}

    quantity = QuantityField(required=False, help_text="The whole, what is filled included.")
    remaining_quantity = QuantityField(required=False, help_text="The same without what is filled by then.")
    price = PriceField(required=False, help_text="The limit, a decimal string of more than 0.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise invalid("", "nothing_given", "Give a quantity, a remaining_quantity or a price.")
        if "quantity" in attrs and "remaining_quantity" in attrs:
            raise invalid("/remaining_quantity", "one_of_two", "Give quantity or remaining_quantity, not both.")
        return attrs


class TradeListQuery(PageQuery, TraderQuery):
    """Which trades, and which page of them."""

    cursor = CursorField(UUID)
    status = StrictChoiceField(Status, required=False)
    symbol = SymbolField(required=False)
    side = StrictChoiceField(Side, required=False)
    channel = StrictChoiceField(Channel, required=False)
    client_reference = StrictCharField(max_length=MAX_KEY_LENGTH, required=False)
    created_after = TimestampField(required=False, help_text="With its offset; six decimals of a second at most.")
    created_before = TimestampField(required=False, help_text="With its offset; six decimals of a second at most.")


class TimelineQuery(StrictSerializer):
    """Which part of a timeline: what came after revision `after`."""

    after = QueryIntegerField(
        min_value=0, max_value=2**31 - 1, default=0, help_text="Only what came behind this revision."
    )
    limit = QueryIntegerField(
        min_value=1, max_value=timeline.MAX_ENTRIES, default=timeline.MAX_ENTRIES, help_text="Entries, at most."
    )
