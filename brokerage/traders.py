"""Finding traders."""

import re

from django.db.models import F, Func, Q, QuerySet, Value

from brokerage.models import Trader

MIN_PHONE_DIGITS = 4
"""Fewer digits are not looked for in phone numbers: "22" is half of Mumbai."""


class UnknownTraderError(LookupError):
    """There is no trader with this number or log-in name."""


def search(traders: QuerySet[Trader], term: str) -> QuerySet[Trader]:
    """Return the traders that match by number, name (each word, anywhere in it) or phone (its digits, in any format).

    A blank term matches them all.
    """
    words = term.split()
    if not words:
        return traders
    by_name = Q()
    for word in words:
        by_name &= Q(name__icontains=word)
    digits = re.sub(r"\D", "", term, flags=re.ASCII)
    if not digits or re.search(r"[^\d\s()+./-]", term, re.ASCII):
        return traders.filter(by_name)
    by_digits = Q(pk=int(digits)) if len(digits) < 19 else Q()  # BIGINT has 19 digits
    if len(digits) >= MIN_PHONE_DIGITS:
        traders = traders.annotate(
            phone_digits=Func(F("phone"), Value(r"\D"), Value(""), Value("g"), function="regexp_replace")
        )
        by_digits |= Q(phone_digits__contains=digits)
    return traders.filter(by_digits)


def trader_id_of(number_or_username: str) -> int:
    """Return the number of the trader whom staff name by number, which is taken as it is, or by log-in name.

    Raises UnknownTraderError for a log-in name that is no trader's.
    """
    if re.fullmatch(r"[0-9]{1,18}", number_or_username):
        return int(number_or_username)
    number = Trader.objects.filter(user__username=number_or_username).values_list("pk", flat=True).first()
    if number is None:
        raise UnknownTraderError(f"no trader {number_or_username}")
    return number
