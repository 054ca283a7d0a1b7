"""A client's own names for its calls: the same key is one request and one answer, for ever."""

import json
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import OperationalError, connection

from brokerage.db.transactions import transaction_required
from trades.models import IdempotencyKey

KEY_WAIT = "2s"
"""How long a call waits for another one with the same key before it is told to come again."""


@dataclass(frozen=True, slots=True)
class RequestContext:
    """Who asks, through which channel, and under which key of their own, if any.

    `fingerprint` stands for what was asked (method, path, JSON body): the same key with another one is refused.
    """

    trader_id: int
    username: str
    channel: str
    key: str | None = None
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """The answer of acceptance, byte for byte as it was stored with the key."""

    trade_id: UUID
    body: bytes
    revision: int
    """The trade's revision at acceptance."""
    replayed: bool = False


class KeyBusyError(Exception):
    """Another call with the same key has not finished yet."""


class KeyReusedError(Exception):
    """The key stands for another call."""


@transaction_required
def lock_key(context: RequestContext) -> None:
    """Hold the key until our commit. Two calls with one key meet here; the second goes on when the first is done.

    An advisory lock, because the row itself can only be written once its answer is known. It comes before every row
    lock, as the first class of the lock order.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [KEY_WAIT])
        try:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_fold(context.trader_id), context.key])
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) == "55P03":
                raise KeyBusyError from None
            raise


def _fold(trader_id: int) -> int:
    """A bigint as the 32 signed bits that an advisory lock takes. A collision only makes two calls wait."""
    folded = (trader_id ^ (trader_id >> 32)) & 0xFFFFFFFF
    return folded - (1 << 32) if folded >= 1 << 31 else folded


@transaction_required
def stored_response(context: RequestContext) -> StoredResponse | None:
    """Return what the first call with this key was answered; None if there was none. Raises KeyReusedError."""
    known = IdempotencyKey.objects.filter(trader_id=context.trader_id, key=context.key).first()
    if known is None:
        return None
    if known.fingerprint != context.fingerprint:
        raise KeyReusedError
    body = bytes(known.response)
    return StoredResponse(known.trade_id, body, json.loads(body)["revision"], replayed=True)


@transaction_required
def store_response(context: RequestContext, response: StoredResponse, *, now: datetime) -> None:
    """Store the answer of acceptance under its key, in the accepting commit."""
    if context.key is None:
        raise ValueError("a call without a key")
    IdempotencyKey.objects.create(
        trader_id=context.trader_id,
        key=context.key,
        fingerprint=context.fingerprint,
        trade_id=response.trade_id,
        response=response.body,
        created_at=now,
    )
