"""From an HTTP call to the context that intake takes, and from intake's response and errors back to HTTP."""

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

from brokerage.api.authentication import require_acting_for
from brokerage.api.problems import Problem, invalid
from brokerage.api.serializers import StrictCharField
from brokerage.reasons import Code
from trades.api.serializers import CHANNEL, KEY
from trades.intake.change import ConflictError, TradeBusyError
from trades.intake.idempotency import KeyBusyError, KeyReusedError, RequestContext, StoredResponse
from trades.models import Channel, Trade


def request_context(
    request: Request, *, trader_id: int, path: str, client_reference: str | None = None
) -> RequestContext:
    """Return who calls, through which channel, under which idempotency key. Raises Problem, ValidationError.

    `path` is the call's, with the trade's own id in it, so that a trade called by its reference is the same call.
    Staff need the permission to take orders for traders: an auditor looks and changes nothing.
    """
    require_acting_for(request.user, trader_id)
    channel = _header(request, "X-Channel", CHANNEL) if "X-Channel" in request.headers else str(Channel.API)
    if channel == Channel.CALL and not request.user.is_staff:
        raise Problem(403, detail="Only staff take orders by phone (channel CALL).")
    key = _header(request, "Idempotency-Key", KEY) if "Idempotency-Key" in request.headers else None
    if key and client_reference and key != client_reference:
        raise invalid("/client_reference", "differs", "Must equal the Idempotency-Key header if both are sent.")
    # Equal for equal JSON, whatever the order of its names and the space between them.
    canonical = json.dumps(request.data, sort_keys=True, separators=(",", ":"))
    return RequestContext(
        trader_id=trader_id,
        username=request.user.get_username(),
        channel=channel,
        key=key or client_reference,
        fingerprint=hashlib.sha256(f"{request.method} {path}\n{canonical}".encode()).hexdigest(),
    )


def _header(request: Request, name: str, field: StrictCharField) -> Any:
    """Return a header's value, validated by `field`. Beyond ASCII it is UTF-8."""
    try:
        return field.run_validation(request.headers[name].encode("latin-1").decode("utf-8"))
    except UnicodeError:
        raise invalid(f"/{name}", "malformed", "Must be UTF-8.") from None
    except ValidationError as error:
        raise ValidationError({name: error.detail}) from None


def if_match(request: Request) -> Callable[[Trade], None]:
    """Return the check of `If-Match` against the revision, to be made under the trade's lock; without it, of nothing.

    A weak tag never matches here (RFC 9110, 13.1.1).
    """
    header = request.headers.get("If-Match")
    tags = parse_etags(header) if header is not None else ["*"]
    if not tags:
        raise invalid("/If-Match", "malformed", 'Must look like "7": the revision, in quotes.')

    def check(trade: Trade) -> None:
        if tags != ["*"] and etag(trade.revision) not in tags:
            raise Problem(412, detail=f"The trade is at revision {trade.revision} now.")

    return check


def etag(revision: int) -> str:
    """Write a trade's revision as its entity tag."""
    return f'"{revision}"'


def accepted_response(stored: StoredResponse, **headers: str) -> HttpResponse:
    """Return 202 with the bytes that were stored: the first response and every repetition are the same."""
    response = HttpResponse(stored.body, status=202, content_type="application/json", headers=headers)
    response["ETag"] = f'"{stored.revision}"'
    if stored.replayed:
        response["Idempotent-Replayed"] = "true"
    return response


class IntakeView(APIView):
    """An endpoint whose calls are accepted, or refused for what stands in the database: then with a problem."""

    def handle_exception(self, error: Exception) -> Response:
        match error:
            case ConflictError(reason=reason):
                error = Problem.from_reason(409, reason)
            case KeyReusedError():
                detail = "The idempotency key stands for another call: method, path or body differ."
                error = Problem(422, code=str(Code.IDEMPOTENCY_KEY_REUSED), detail=detail)
            case KeyBusyError():
                detail = "Another call with this idempotency key has not finished. Repeat this one."
                error = Problem(409, code="IDEMPOTENCY_KEY_BUSY", detail=detail, headers={"Retry-After": "1"})
            case TradeBusyError():
                detail = "The trade is being changed by somebody else. Repeat this call."
                error = Problem(503, code="TRADE_BUSY", detail=detail, headers={"Retry-After": "1"})
        return super().handle_exception(error)
