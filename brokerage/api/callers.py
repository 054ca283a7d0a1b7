"""Whose data a caller may see and change: traders their own, staff that of the trader they name."""

from django.contrib.auth.models import AnonymousUser
from rest_framework.exceptions import NotAuthenticated

from brokerage.api.fields import Shape, WholeNumberInQuery
from brokerage.api.problems import Problem, invalid
from brokerage.models import Trader, User

MOST = 2**63 - 1
"""The largest number of a trader that the database can hold."""


class OfTrader(Shape):
    """A query that may name the trader it is about."""

    trader_id = WholeNumberInQuery(
        least=1, most=MOST, required=False, help_text="Whose. Staff name a trader; a trader may name only themselves."
    )


def known(user: User | AnonymousUser) -> User:
    """Return who has logged in. Raises NotAuthenticated; the permission of every view but the log-in came before."""
    if not isinstance(user, User):
        raise NotAuthenticated
    return user


def trader_for(user: User | AnonymousUser, named: int | None) -> int:
    """Return the number of the trader that `user` acts for, who may have named one.

    A trader may name only themselves; the answer to any other number, of somebody or nobody, is one and the same.
    """
    user = known(user)
    if named is not None and named == user.trader_id:
        return named
    if not user.is_staff:
        if named is not None or user.trader_id is None:
            raise Problem(403, detail="Only staff may act for another trader.")
        return user.trader_id
    if named is None:
        if user.trader_id is None:
            raise invalid("/trader_id", "required", "Staff name the trader they act for.")
        return user.trader_id
    if not Trader.objects.filter(pk=named).exists():
        raise invalid("/trader_id", "unknown_trader", "There is no trader with this number.")
    return named


def must_act_for(user: User | AnonymousUser, trader_id: int) -> None:
    """Refuse who may look at the trader's trades, but neither is the trader nor takes orders for others."""
    user = known(user)
    if user.trader_id != trader_id and not user.has_perm("brokerage.act_for_trader"):
        raise Problem(403, detail="Your role may look, but not place, amend or cancel trades for a trader.")
