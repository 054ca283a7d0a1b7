"""Every HTTP request has an id, in the logs, in the answer and in every problem."""

from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse
from uuid_utils.compat import uuid7


class RequestContextMiddleware:
    """Bind a fresh `request_id` to the log context and send it back as `X-Request-Id`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.id = str(uuid7())
        with structlog.contextvars.bound_contextvars(request_id=request.id):
            response = self.get_response(request)
        response["X-Request-Id"] = request.id
        return response
