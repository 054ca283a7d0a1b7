"""Every HTTP call has an id, in the logs, in the answer and in every problem."""

from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse
from uuid_utils.compat import uuid7

from brokerage.api.problems import respond


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
            return respond(request, 411, "Send the body with a Content-Length, not in chunks.")
        return self.get_response(request)
