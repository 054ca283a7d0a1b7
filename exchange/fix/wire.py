"""The wire format of FIX messages: JSON bytes with a Header and a Body, and readers of their fields. Pure Python.

Field readers return None for what is absent or cannot be read. A field without which the message cannot be applied is
read through `required`; any other that cannot be read stays in the body and counts as absent.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar

MAX_BYTES = 64 * 1024
MAX_ID = 128
MAX_WHOLE = 2**63 - 1  # BIGINT

BROKER = "BROKER"
EXCHANGE = "EXCHANGE"

# NUMERIC(24,8); zeros on either side do not count. Nothing longer than 64 characters is a number.
_DECIMAL = re.compile(r"0*([0-9]{1,16})(?:\.([0-9]{1,8})0*)?")
_WHOLE = re.compile(r"0*([0-9]{1,19})(?:\.0+)?")
_TIME = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})-([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,12}))?")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_REPLACEMENT = "\ufffd"

T = TypeVar("T")


class MalformedMessage(ValueError):  # noqa: N818  (it names what came, not what we did wrong)
    """These bytes are not a message that can be applied. `code` says how to file it, `detail` what is wrong."""

    def __init__(self, detail: str, *, code: str = "MALFORMED", msg_type: str = "") -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.msg_type = msg_type


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message whose fields are still to be read."""

    msg_type: str
    poss_resend: bool
    body: dict[str, str]


def encode(msg_type: str, body: dict[str, str], *, sending_time: datetime, poss_resend: bool = False) -> bytes:
    """Return the bytes of one message of ours. A resend has the same Body, another SendingTime, and PossResend Y."""
    text = json.dumps(body, separators=(",", ":"))
    return enclose(msg_type, text, sending_time=sending_time, poss_resend=poss_resend)


def body_text(body: dict[str, str]) -> str:
    """Return the Body as JSON, to be stored and enclosed later."""
    return json.dumps(body, separators=(",", ":"))


def enclose(
    msg_type: str,
    body: str,
    *,
    sending_time: datetime,
    poss_resend: bool = False,
    sender: str = BROKER,
    target: str = EXCHANGE,
) -> bytes:
    """Put a Header around a Body that is JSON already."""
    header = {
        "MsgType": msg_type,
        "SenderCompID": sender,
        "TargetCompID": target,
        "SendingTime": timestamp(sending_time)[:-3],
    }
    if poss_resend:
        header["PossResend"] = "Y"
    return f'{{"Header":{json.dumps(header, separators=(",", ":"))},"Body":{body}}}'.encode()


def decode(raw: bytes) -> Envelope:
    """Read the envelope of one message. Raises MalformedMessage, and nothing else, whatever the bytes are."""
    if len(raw) > MAX_BYTES:
        raise MalformedMessage(f"{len(raw)} bytes, at most {MAX_BYTES} are read")
    try:
        text = raw.decode("utf-8")
        content = json.loads(text, object_pairs_hook=_object)
    except RecursionError:
        raise MalformedMessage("nested too deeply") from None
    except MalformedMessage:
        raise
    except ValueError as error:
        raise MalformedMessage(f"not JSON: {error}"[:200]) from None
    if not isinstance(content, dict):
        raise MalformedMessage("not a JSON object")
    escaped = "\\u" in text  # the only way a NUL or a lone surrogate gets through JSON
    header, body = (_strings(content, part, escaped) for part in ("Header", "Body"))
    if not header.get("MsgType"):
        raise MalformedMessage("the Header has no MsgType")
    return Envelope(header["MsgType"], header.get("PossResend") == "Y", body)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name that comes twice: which of the two values counts is anybody's guess."""
    result = dict(pairs)
    if len(result) != len(pairs):
        raise MalformedMessage("a name comes twice in one object")
    return result


def _strings(content: dict[str, Any], part: str, escaped: bool) -> dict[str, str]:
    """Return the Header or the Body, with what no database stores as text (NUL, lone surrogates) replaced."""
    fields = content.get(part)
    if not isinstance(fields, dict):
        raise MalformedMessage(f"no {part} that is an object")
    for name, value in fields.items():
        if not isinstance(value, str):
            raise MalformedMessage(f"{part}.{_storable(name)[:40]} is not a string")
    if not escaped:
        return fields
    return {_storable(name): _storable(value) for name, value in fields.items()}


def _storable(text: str) -> str:
    return _UNSTORABLE.sub(_REPLACEMENT, text)


def required(body: dict[str, str], name: str, read: Callable[[str | None], T | None]) -> T:
    """Read a field without which the message cannot be applied. Raises MalformedMessage."""
    result = read(body.get(name))
    if result is None:
        raise MalformedMessage(f"{name} {f'cannot be read: {body[name][:60]!r}' if name in body else 'is missing'}")
    return result


def identifier(value: str | None) -> str | None:
    """Read an id of 1 to 128 characters."""
    return value if value and len(value) <= MAX_ID and _REPLACEMENT not in value else None


def whole(value: str | None) -> int | None:
    """Read a whole number from 0 that fits BIGINT. `10.00` is ten: FIX writes quantities as decimals."""
    match = _WHOLE.fullmatch(value) if value and len(value) <= 64 else None
    number = int(match[1]) if match else None
    return number if number is not None and number <= MAX_WHOLE else None


def quantity(value: str | None) -> int | None:
    """Read a whole number above 0."""
    return whole(value) or None


def price(value: str | None) -> Decimal | None:
    """Read a decimal from 0 that fits NUMERIC(24,8): no sign, no exponent, no NaN."""
    match = _DECIMAL.fullmatch(value) if value and len(value) <= 64 else None
    return Decimal(f"{match[1]}.{match[2] or '0'}") if match else None


def utc_time(value: str | None) -> datetime | None:
    """Read a UTC time `YYYYMMDD-HH:MM:SS[.fraction]`, to the microsecond."""
    match = _TIME.fullmatch(value) if value else None
    if match is None:
        return None
    *parts, fraction = match.groups(default="0")
    try:
        year, month, day, hour, minute, second = map(int, parts)
        return datetime(year, month, day, hour, minute, second, int(fraction.ljust(6, "0")[:6]), tzinfo=UTC)
    except ValueError:  # a 30th of February; a leap second
        return None


@lru_cache(maxsize=64)  # one batch, one moment
def timestamp(moment: datetime) -> str:
    """Return a time as FIX writes it, in UTC, to the microsecond. Raises ValueError for a time without a zone."""
    if moment.tzinfo is None:
        raise ValueError(f"a time without a zone: {moment!r}")
    return moment.astimezone(UTC).strftime("%Y%m%d-%H:%M:%S.%f")
