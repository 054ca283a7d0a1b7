"""Every error of the API is a problem of RFC 9457: `application/problem+json` with a code and a pointer per field."""

from collections.abc import Iterator
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, InterfaceError, InternalError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response

from brokerage.db.transactions import is_transient
from brokerage.reasons import Reason

log = structlog.get_logger(__name__)

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER = "2"  # seconds

STATUSES = {
    400: ("Bad request", "BAD_REQUEST"),
    401: ("Not logged in", "NOT_AUTHENTICATED"),
    403: ("Not allowed", "NOT_ALLOWED"),
    404: ("Not found", "NOT_FOUND"),
    405: ("Method not allowed", "METHOD_NOT_ALLOWED"),
    409: ("Conflict", "CONFLICT"),
    411: ("Length required", "LENGTH_REQUIRED"),
    412: ("Changed meanwhile", "REVISION_CHANGED"),
    413: ("Too large", "TOO_LARGE"),
    415: ("Unsupported media type", "UNSUPPORTED_MEDIA_TYPE"),
    422: ("Cannot be processed", "CANNOT_BE_PROCESSED"),
    503: ("Unavailable", "UNAVAILABLE"),
}
"""Per status: its title, and the code when nothing more precise is known."""


class Problem(exceptions.APIException):
    """A refusal of the call itself, for a service's reason or an endpoint's own. `code` defaults to the status's."""

    def __init__(
        self,
        status_code: int,
        *,
        detail: str,
        code: str | None = None,
        errors: list[dict[str, str]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail=detail, code=code or STATUSES[status_code][1])
        self.status_code = status_code
        self.errors = errors or []
        self.headers = headers or {}

    @classmethod
    def from_reason(cls, status_code: int, reason: Reason) -> "Problem":
        return cls(status_code, code=str(reason.code), detail=reason.message)


def invalid(pointer: str, code: str, detail: str) -> Problem:
    """Return a 400 about one field, to be raised.

    `pointer` is a JSON pointer into the body; query parameters and headers are pointed at by their name, as `/limit`.
    """
    return _malformed([_finding(pointer, code, detail)])


def _malformed(errors: list[dict[str, str]]) -> Problem:
    whole = len(errors) == 1 and not errors[0]["pointer"]
    detail = errors[0]["detail"] if whole else "Some fields are missing, unknown or malformed."
    return Problem(400, code="INVALID", detail=detail, errors=errors)


def _finding(pointer: str, code: str, detail: str) -> dict[str, str]:
    return {"pointer": pointer, "code": code.upper(), "detail": detail}


def pointer_step(name: str) -> str:
    """Write one step of a JSON pointer (RFC 6901)."""
    return f"/{name.replace('~', '~0').replace('/', '~1')}"


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn an exception of an endpoint into a problem; None for one that nobody expected, which `server_error` answers.

    A database that is away, busy or out of connections is 503 with Retry-After, never another 5xx.
    """
    if _is_unavailable(error):
        log.warning("database_unavailable", error=str(error).strip())
        error = Problem(503, detail="The service is busy or restarting. Try again.")
    elif isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    elif isinstance(error, exceptions.ValidationError):
        error = _malformed(list(_flatten(error.detail, "")))
    if not isinstance(error, exceptions.APIException):
        return None
    content = _body_of(context["request"], error)
    return Response(content, status=error.status_code, headers=_headers(error), content_type=CONTENT_TYPE)


def _is_unavailable(error: Exception) -> bool:
    """Tell an error of the database that may pass from a fault of ours.

    Beyond the transient ones: statement timeouts, too many connections, a server that became a read-only standby.
    """
    if isinstance(error, (OperationalError, InterfaceError, InternalError)):
        return True
    return isinstance(error, DatabaseError) and is_transient(error)


def _body_of(request: HttpRequest, error: exceptions.APIException) -> dict[str, Any]:
    problem = error if isinstance(error, Problem) else None
    return problem_body(
        request,
        error.status_code,
        code=str(problem.get_codes()) if problem else None,
        detail=str(error.detail),
        errors=problem.errors if problem else None,
    )


def _headers(error: exceptions.APIException) -> dict[str, str]:
    headers = dict(getattr(error, "headers", {}))
    if auth_header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = auth_header
    if error.status_code == 503:
        headers.setdefault("Retry-After", RETRY_AFTER)
    return headers


def _flatten(detail: Any, pointer: str) -> Iterator[dict[str, str]]:
    """Flatten the tree of errors into one entry per finding, each with its JSON pointer."""
    if isinstance(detail, exceptions.ErrorDetail):
        yield _finding(pointer, str(detail.code), str(detail))
    elif isinstance(detail, dict):
        for name, inner in detail.items():
            yield from _flatten(inner, pointer + pointer_step(str(name)))
    else:
        for inner in detail:
            yield from _flatten(inner, pointer)


def problem_body(
    request: HttpRequest,
    status_code: int,
    *,
    detail: str,
    code: str | None = None,
    errors: list[dict[str, str]] | None = None,
) -> dict[str, Any]:
    """Return the problem as JSON. `request.id` ties it to the log lines of the call."""
    title, usual_code = STATUSES[status_code]
    return {
        "type": "about:blank",
        "title": title,
        "status": status_code,
        "detail": detail,
        "instance": request.path,
        "code": code or usual_code,
        "errors": errors or [],
        "request_id": getattr(request, "id", None),
    }


def problem_response(request: HttpRequest, status_code: int, detail: str) -> HttpResponse:
    """Return a problem from where DRF has not begun, or has ended."""
    response = JsonResponse(
        problem_body(request, status_code, detail=detail), status=status_code, content_type=CONTENT_TYPE
    )
    if status_code == 503:
        response["Retry-After"] = RETRY_AFTER
    return response


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Handle what Django refuses before any endpoint: an unknown host, a suspicious request."""
    if not _is_api(request):
        return defaults.bad_request(request, exception)
    return problem_response(request, 400, "The request is not one we can answer.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not _is_api(request):
        return defaults.page_not_found(request, exception)
    return problem_response(request, 404, "There is nothing at this address.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Handle what nobody expected, for pages too. The cause is in the log under the same request id."""
    return problem_response(request, 503, "Something went wrong on our side. Try again.")
