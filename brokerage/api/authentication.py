"""Who calls, by knox's tokens, and whose data they may see and change: traders their own, staff that of others."""

from django.contrib.auth.models import AnonymousUser
from django.utils import timezone
from knox.auth import TokenAuthentication as KnoxAuthentication
from knox.crypto import hash_token
from knox.models import AuthToken
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated

from brokerage.api.problems import Problem, invalid
from brokerage.models import Trader, User


class TokenAuthentication(KnoxAuthentication):  # type: ignore[misc]  # knox ships no types
    """Looks the token up by its digest, which is the primary key, together with its user.

    knox's own reads all tokens of the user with every request and deletes expired ones; log-in does that here.
    """

    def authenticate_credentials(self, token: bytes) -> tuple[User, AuthToken]:
        try:
            digest = hash_token(token.decode("ascii"))
        except UnicodeDecodeError:
            raise AuthenticationFailed("The token is not valid.") from None
        known = AuthToken.objects.select_related("user").filter(pk=digest).first()
        if known is None or (known.expiry is not None and known.expiry <= timezone.now()):
            raise AuthenticationFailed("The token is not valid, or no longer.")
        found: tuple[User, AuthToken] = self.validate_user(known)
        return found


def authenticated(user: User | AnonymousUser) -> User:
    """Return who has logged in. Raises NotAuthenticated; the permission of every view but the log-in came before."""
    if not isinstance(user, User):
        raise NotAuthenticated
    return user


def resolve_trader_id(user: User | AnonymousUser, requested: int | None) -> int:
    """Return the number of the trader that `user` acts for: the `requested` one, or their own.

    Raises Problem. A trader may name only themselves; the refusal of any other number, of somebody or nobody, is one
    and the same.
    """
    if not isinstance(user, User):
        raise NotAuthenticated
    if requested is not None and requested == user.trader_id:
        return requested
    if not user.is_staff:
        if requested is not None or user.trader_id is None:
            raise Problem(403, detail="Only staff may act for another trader.")
        return user.trader_id
    if requested is None:
        if user.trader_id is None:
            raise invalid("/trader_id", "required", "Staff name the trader they act for.")
        return user.trader_id
    if not Trader.objects.filter(pk=requested).exists():
        raise invalid("/trader_id", "unknown_trader", "There is no trader with this number.")
    return requested


def require_acting_for(user: User | AnonymousUser, trader_id: int) -> None:
    """Raise Problem unless `user` is the trader, or staff with the permission to take orders for others."""
    if not isinstance(user, User):
        raise NotAuthenticated
    if user.trader_id != trader_id and not user.has_perm("brokerage.act_for_trader"):
        raise Problem(403, detail="Your role may look, but not place, amend or cancel trades for a trader.")
