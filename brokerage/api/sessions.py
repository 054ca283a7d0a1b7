"""Log-in and log-out: a token per device."""

from typing import Any

from django.contrib.auth import authenticate
from django.utils import timezone
from knox.models import AuthToken
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from brokerage.api.authentication import authenticated
from brokerage.api.problems import Problem
from brokerage.api.serializers import EmptyBodySerializer, StrictCharField, StrictSerializer, rfc3339
from brokerage.models import User
from brokerage.observability.auth_log import log_login, log_logout


class CredentialsSerializer(StrictSerializer):
    """Who logs in."""

    username = StrictCharField(max_length=150)
    password = StrictCharField(max_length=1024, printable=False)


class LoginView(APIView):
    """POST: a new token for this device. Unknown user, wrong password and inactive user are one answer."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []

    def post(self, request: Request) -> Response:
        credentials = CredentialsSerializer.read(request.data)
        # Also hashes the password of a user who does not exist: the time it takes tells nobody who does.
        user = authenticate(request, **credentials)
        if user is None:
            raise Problem(401, code="BAD_CREDENTIALS", detail="The username or the password is wrong.")
        session = open_session(user)
        log_login(user.pk)
        return Response(session)


class LogoutView(APIView):
    """POST: this device's token is worth nothing any more."""

    def post(self, request: Request) -> Response:
        EmptyBodySerializer.read(request.data)
        request.auth.delete()
        log_logout(authenticated(request.user).pk)
        return Response(status=204)


class LogoutAllView(APIView):
    """POST: the same for every device of the user."""

    def post(self, request: Request) -> Response:
        EmptyBodySerializer.read(request.data)
        AuthToken.objects.filter(user=request.user).delete()
        log_logout(authenticated(request.user).pk)
        return Response(status=204)


def open_session(user: User) -> dict[str, Any]:
    """Make a token for `user`, and delete those that have expired. Return it as the log-in does."""
    AuthToken.objects.filter(user=user, expiry__lte=timezone.now()).delete()
    session, token = AuthToken.objects.create(user=user)
    return {"token": token, "expires_at": rfc3339(session.expiry), "trader_id": user.trader_id}
