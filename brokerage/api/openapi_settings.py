"""Settings of drf-spectacular, with the introduction of the OpenAPI document. Plain data: the settings read it."""

INTRODUCTION = """\
A brokerage that takes trade requests, blocks the money or the shares, sends them to a share exchange, and shows what
became of them at any time.

## Log in

`POST /api/v1/auth/login` answers a `token`, this device's own. Every other call about people, money or trades takes it
in the header `Authorization: Token …`. On this page: send the log-in, and the page keeps the token for the calls that
follow; or press *Authorize* and enter `Token`, a space, and the token.

## Numbers and times

Money and prices are **decimal strings** (`"101.50"`), never JSON floats: read them with a decimal type. Quantities are
JSON integers: `10.0` is none. Times are RFC 3339 in UTC. A field of a body, or a query parameter of a call that takes
some, is an error if it is not described, so that a misspelt one is never ignored. Answers may gain fields: ignore what
you do not know.

## 202, and then

Placing, amending and cancelling answer **202 Accepted**: it is written down and will be dealt with. Read the trade to
see what became of it. What the business cannot do (no money, wrong tick, share halted) is not an error of the call:
the trade becomes `REJECTED`, or the request `REJECTED` in the trade, with a `reason`: a code out of a closed list, a
sentence, and the numbers.

## Ask again without fear

Give a call a key: the header `Idempotency-Key`, or `client_reference` in a new trade. When no answer arrives, repeat
the call as it was. If the first one was accepted, the same bytes come back with `Idempotent-Replayed: true`, whatever
happened since; if not, it is done now. Keys belong to a trader, are one space for all calls, and are good for ever. A
call that was refused (4xx) has not used its key up.

## Errors

Every error is `application/problem+json` (RFC 9457) with a `code`. Beside what the calls list: an address that there
is not is 404, and a method that an address does not have is 405 with the header `Allow`. There is no other 5xx than
503, which says in `Retry-After` when to come again.
"""

SETTINGS = {
    "TITLE": "Brokerage API",
    "DESCRIPTION": INTRODUCTION,
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "LICENSE": {"name": "MIT"},
    "TAGS": [
        {"name": "Session", "description": "Who you are: a token per device."},
        {"name": "Trades", "description": "Ask for a trade, change it, give it up, and see what became of it."},
        {"name": "Money", "description": "The wallet, and every movement of it."},
        {"name": "Shares", "description": "The holdings, and every movement of them."},
        {"name": "Description", "description": "This description."},
    ],
    "COMPONENT_SPLIT_PATCH": False,  # our PATCH has a serializer of its own
    "POSTPROCESSING_HOOKS": [],  # enums are named where we name them
    "SORT_OPERATION_PARAMETERS": False,
    "GENERIC_ADDITIONAL_PROPERTIES": None,
}
