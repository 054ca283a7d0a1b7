"""From an HTTP call to the caller that services know, and from their answer back to HTTP."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from django.utils.http import parse_etags
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from brokerage.api.callers import must_act_for
from brokerage.api.fields import Text
from brokerage.api.problems import Problem, invalid
from brokerage.reasons import Code
from trades.api.serializers import CHANNEL, KEY
from trades.intake.change import ConflictError
from trades.intake.idempotency import KeyBusyError, KeyReusedError, RequestContext, StoredResponse
from trades.models import Channel, Trade


class AcceptingView(APIView):
    """An endpoint whose calls are accepted, or refused for what stands in the database."""

    def handle_exception(self, error: Exception) -> Response:
        return super().handle_exception(_as_problem(error))


def _as_problem(error: Exception) -> Exception:
    match error:
        case ConflictError(reason=reason):
            return Problem.because(409, reason)
        case KeyReusedError():
            detail = "The idempotency key stands for another call: method, path or body differ."
            return Problem(422, code=str(Code.IDEMPOTENCY_KEY_REUSED), detail=detail)
        case KeyBusyError():
            detail = "Another call with this idempotency key has not finished. Repeat this one."
            return Problem(409, code="IDEMPOTENCY_KEY_BUSY", detail=detail, headers={"Retry-After": "1"})
    return error


def caller_of(request: Request, *, trader_id: int, path: str, client_reference: str | None = None) -> RequestContext:
    """Who asks, through which channel, under which key. `path` is the call's, with the trade's own id in it.

    Staff need the right to take orders for traders: an auditor looks and changes nothing.
    """
    must_act_for(request.user, trader_id)
    return RequestContext(
        trader_id=trader_id,
        username=request.user.get_username(),
        channel=_channel(request),
        key=_key(request, client_reference),
        fingerprint=fingerprint(request.method or "", path, request.data),
    )


def fingerprint(method: str, path: str, data: Any) -> str:
    """Stand for a call: equal for equal JSON, whatever the order of its names and the space between them."""
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{method} {path}\n{canonical}".encode()).hexdigest()


def must_match(request: Request) -> Callable[[Trade], None]:
    """The check of `If-Match` against the revision, to be made under the trade's lock; of nothing without the header.

    A weak tag never matches here (RFC 9110, 13.1.1).
    """
    given = request.headers.get("If-Match")
    tags = parse_etags(given) if given is not None else ["*"]
    if not tags:
        raise invalid("/If-Match", "malformed", 'Must look like "7": the revision, in quotes.')

    def check(trade: Trade) -> None:
        if tags != ["*"] and etag(trade.revision) not in tags:
            raise Problem(412, detail=f"The trade is at revision {trade.revision} now.")

    return check


def etag(revision: int) -> str:
    return f'"{revision}"'


def accepted(answer: StoredResponse, **headers: str) -> HttpResponse:
    """202 with the bytes that were stored: the first answer and every repetition are the same."""
    response = HttpResponse(answer.body, status=202, content_type="application/json", headers=headers)
    response["ETag"] = etag(answer.revision)
    if answer.replayed:
        response["Idempotent-Replayed"] = "true"
    return response


def _channel(request: Request) -> str:
    channel = _header(request, "X-Channel", CHANNEL) or str(Channel.API)
    if channel == Channel.CALL and not request.user.is_staff:
        raise Problem(403, detail="Only staff take orders by phone (channel CALL).")
    return channel


def _key(request: Request, client_reference: str | None) -> str | None:
    key = _header(request, "Idempotency-Key", KEY)
    if key and client_reference and key != client_reference:
        raise invalid("/client_reference", "differs", "Must equal the Idempotency-Key header if both are sent.")
    return key or client_reference


def _header(request: Request, name: str, field: Text) -> Any:
    """A header's value, of the shape of `field`; None if it was not sent. Beyond ASCII it is UTF-8."""
    text = request.headers.get(name)
    if text is None:
        return None
    try:
        return field.run_validation(text.encode("latin-1").decode("utf-8"))
    except UnicodeError:
        raise invalid(f"/{name}", "malformed", "Must be UTF-8.") from None
    except ValidationError as error:
        raise ValidationError({name: error.detail}) from None
