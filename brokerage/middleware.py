"""What happens around every HTTP call: it has an id, says how long its body is, and comes to a host of ours."""

from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.middleware import common
from uuid_utils.compat import uuid7

from brokerage.api.problems import problem_response


class RequestContextMiddleware:
    """Bind a fresh id as `http_request_id` to the log context and send it back as `X-Request-Id`.

    In the log `request_id` is the request of a trade, which lives on when the call is over.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        name = str(uuid7())
        request.id = name  # type: ignore[attr-defined]  # Django's requests are open for more
        with structlog.contextvars.bound_contextvars(http_request_id=name):
            response = self.get_response(request)
        response["X-Request-Id"] = name
        return response


class LengthRequiredMiddleware:
    """Refuse a body that does not say how long it is: Django would read none, and tell of missing fields instead."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "Transfer-Encoding" in request.headers and not request.headers.get("Content-Length"):
            return problem_response(request, 411, "Send the body with a Content-Length, not in chunks.")
        return self.get_response(request)


class CommonMiddleware(common.CommonMiddleware):
    """Django's, but for the pages asked from inside: who asks there names a container's address or a service.

    ALLOWED_HOSTS is about the world's names for us, and nothing on those pages is made of the name that was used.
    """

    def process_request(self, request: HttpRequest) -> HttpResponsePermanentRedirect | None:
        return None if request.path in settings.INSIDE else super().process_request(request)
