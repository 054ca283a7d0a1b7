"""Middleware of every HTTP call: a request id, a required Content-Length, and the check of the host."""

from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.middleware import common
from uuid_utils.compat import uuid7

from brokerage.api.problems import problem_response


class RequestContextMiddleware:
    """Bind a fresh id as `http_request_id` to the log context and send it back as `X-Request-Id`.

    In the log, `request_id` is the trade request, which outlives the HTTP call.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = str(uuid7())
        request.id = request_id  # type: ignore[attr-defined]  # not declared by HttpRequest
        with structlog.contextvars.bound_contextvars(http_request_id=request_id):
            response = self.get_response(request)
        response["X-Request-Id"] = request_id
        return response


class LengthRequiredMiddleware:
    """Answer 411 to a chunked body: Django would read it as empty, and the client be told of missing fields."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "Transfer-Encoding" in request.headers and not request.headers.get("Content-Length"):
            return problem_response(request, 411, "Send the body with a Content-Length, not in chunks.")
        return self.get_response(request)


class CommonMiddleware(common.CommonMiddleware):
    """Django's, without the check of the host for the paths in `settings.INSIDE`.

    Probes and Prometheus address a container or a service, not a public name of ALLOWED_HOSTS, and nothing on those
    pages is made of the host.
    """

    def process_request(self, request: HttpRequest) -> HttpResponsePermanentRedirect | None:
        return None if request.path in settings.INSIDE else super().process_request(request)
