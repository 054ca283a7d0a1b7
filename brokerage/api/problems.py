"""Every error of the API is a problem of RFC 9457: `application/problem+json` with a code and a pointer per field."""

from collections.abc import Iterator
from typing import Any

import structlog
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, JsonResponse
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import set_rollback

from brokerage.db import is_passing
from brokerage.reasons import Reason

log = structlog.get_logger(__name__)

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER = "2"  # seconds

_TITLES = {
    400: "Bad request",
    401: "Not logged in",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    409: "Conflict",
    412: "Changed meanwhile",
    413: "Too large",
    415: "Unsupported media type",
    422: "Cannot be processed",
    429: "Too many requests",
    500: "Internal error",
    503: "Unavailable",
}
_CODES = {
    400: "BAD_REQUEST",
    401: "NOT_AUTHENTICATED",
    403: "NOT_ALLOWED",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    406: "NOT_ACCEPTABLE",
    412: "REVISION_CHANGED",
    413: "TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    429: "RATE_LIMITED",
    500: "INTERNAL_ERROR",
    503: "UNAVAILABLE",
}


class Problem(exceptions.APIException):
    """A refusal of the call itself, by a service's reason or an endpoint's own."""

    def __init__(self, status_code: int, *, code: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail=detail, code=code)
        self.status_code = status_code
        self.headers = headers or {}

    @classmethod
    def because(cls, status_code: int, reason: Reason) -> "Problem":
        return cls(status_code, code=str(reason.code), detail=reason.message)


def body(
    request: HttpRequest, status_code: int, *, code: str, detail: str, errors: list[dict[str, str]] | None = None
) -> dict[str, Any]:
    """The problem as JSON. `request.id` ties it to the log lines of the call."""
    return {
        "type": "about:blank",
        "title": _TITLES.get(status_code, "Error"),
        "status": status_code,
        "detail": detail,
        "instance": request.path,
        "code": code,
        "errors": errors or [],
        "request_id": getattr(request, "id", None),
    }


def handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn any exception of an endpoint into a problem. A database that is away is 503, never another 5xx."""
    request = context["request"]
    set_rollback()
    if isinstance(error, (DatabaseError, InterfaceError)) and is_passing(error):
        log.warning("database_unavailable", error=str(error).strip())
        error = Problem(503, code="UNAVAILABLE", detail="The service is busy or restarting. Try again.")
    if not isinstance(error, exceptions.APIException):
        from_django = {"Http404": exceptions.NotFound, "PermissionDenied": exceptions.PermissionDenied}
        known = from_django.get(type(error).__name__)
        if known is None:
            return None
        error = known()
    headers = dict(getattr(error, "headers", {}))
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header
    if error.status_code == status.HTTP_503_SERVICE_UNAVAILABLE:
        headers["Retry-After"] = RETRY_AFTER
    elif getattr(error, "wait", None):
        headers["Retry-After"] = str(int(error.wait) + 1)
    if isinstance(error, exceptions.ValidationError):
        errors = list(_pointers(error.get_full_details()))
        code, detail = "INVALID", "Some fields are missing, unknown or malformed." if errors else "Malformed."
    else:
        errors = []
        code = _CODES.get(error.status_code) if not isinstance(error, Problem) else None
        code, detail = code or str(error.get_codes()).upper(), str(error.detail)
    content = body(request, error.status_code, code=code, detail=detail, errors=errors)
    return Response(content, status=error.status_code, headers=headers, content_type=CONTENT_TYPE)


def _pointers(details: Any, pointer: str = "") -> Iterator[dict[str, str]]:
    """Flatten DRF's error tree into one entry per finding, each with its JSON pointer (RFC 6901)."""
    if isinstance(details, dict) and set(details) == {"message", "code"}:
        yield {"pointer": pointer, "code": str(details["code"]).upper(), "detail": str(details["message"])}
    elif isinstance(details, dict):
        for name, inner in details.items():
            step = "" if name == "non_field_errors" else f"/{str(name).replace('~', '~0').replace('/', '~1')}"
            yield from _pointers(inner, pointer + step)
    else:
        for inner in details:
            yield from _pointers(inner, pointer)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    content = body(request, 404, code="NOT_FOUND", detail="There is nothing at this address.")
    return JsonResponse(content, status=404, content_type=CONTENT_TYPE)


def server_error(request: HttpRequest) -> HttpResponse:
    """The last resort. The cause is in the log under the same request id."""
    content = body(request, 503, code="UNAVAILABLE", detail="Something went wrong on our side. Try again.")
    return JsonResponse(content, status=503, content_type=CONTENT_TYPE, headers={"Retry-After": RETRY_AFTER})
