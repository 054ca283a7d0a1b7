"""Logging in and out: a token per device, and whose money a caller acts for."""

from typing import Any

from django.contrib.auth import authenticate
from django.utils import timezone
from knox.models import AuthToken
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from brokerage.api.callers import known
from brokerage.api.fields import Nothing, Shape, Text
from brokerage.api.problems import Problem
from brokerage.api.times import rfc3339
from brokerage.models import User
from brokerage.observability.auth_log import log_login, log_logout


class Credentials(Shape):
    """Who logs in."""

    username = Text(most=150)
    password = Text(most=1024, printable=False)


class Login(APIView):
    """POST: a new token for this device. Unknown user, wrong password and inactive user are one answer."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []

    def post(self, request: Request) -> Response:
        given = Credentials.read(request.data)
        # Also hashes the password of a user who does not exist: the time it takes tells nobody who does.
        user = authenticate(request, **given)
        if user is None:
            raise Problem(401, code="BAD_CREDENTIALS", detail="The username or the password is wrong.")
        session = open_session(user)
        log_login(user.pk)
        return Response(session)


class Logout(APIView):
    """POST: this device's token is worth nothing any more."""

    def post(self, request: Request) -> Response:
        Nothing.read(request.data)
        request.auth.delete()
        log_logout(known(request.user).pk)
        return Response(status=204)


class LogoutAll(APIView):
    """POST: the same for every device of the user."""

    def post(self, request: Request) -> Response:
        Nothing.read(request.data)
        AuthToken.objects.filter(user=request.user).delete()
        log_logout(known(request.user).pk)
        return Response(status=204)


def open_session(user: User) -> dict[str, Any]:
    """Make a token for `user`, and take those that have expired out of the way."""
    AuthToken.objects.filter(user=user, expiry__lte=timezone.now()).delete()
    known, token = AuthToken.objects.create(user=user)
    return {"token": token, "expires_at": rfc3339(known.expiry), "trader_id": user.trader_id}
