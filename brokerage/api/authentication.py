"""`Authorization: Token …`: knox's tokens, found in one query."""

from django.utils import timezone
from knox.auth import TokenAuthentication as KnoxAuthentication
from knox.crypto import hash_token
from knox.models import AuthToken
from rest_framework.exceptions import AuthenticationFailed

from brokerage.models import User


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
