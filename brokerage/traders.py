"""Finding a trader by what a caller can say."""

import re

from django.db.models import F, Func, Q, QuerySet, Value

from brokerage.models import Trader

FEWEST_DIGITS = 4
"""Of a phone number, so that "22" is not half of Mumbai."""


def search(traders: QuerySet[Trader], said: str) -> QuerySet[Trader]:
    """Find traders by number, by name (each word somewhere in it), or by phone (its digits, however they are set)."""
    words = said.split()
    if not words:
        return traders
    named = Q()
    for word in words:
        named &= Q(name__icontains=word)
    digits = re.sub(r"\D", "", said, flags=re.ASCII)
    if not digits or re.search(r"[^\d\s()+./-]", said, re.ASCII):
        return traders.filter(named)
    asked = Q(pk=int(digits)) if len(digits) < 19 else Q()
    if len(digits) >= FEWEST_DIGITS:
        traders = traders.annotate(
            phone_digits=Func(F("phone"), Value(r"\D"), Value(""), Value("g"), function="regexp_replace")
        )
        asked |= Q(phone_digits__contains=digits)
    return traders.filter(asked)
