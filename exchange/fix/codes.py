"""The codes of FIX 5.0 SP2 that broker and exchange use, each once, by the field that carries them.

Pure Python. Names and values are FIX's own (fiximate.fixtrading.org); the members of Side and TimeInForce are named as
a trade names them, so that `Side[trade.side]` is the code.
"""

from enum import StrEnum


class MsgType(StrEnum):
    """Tag 35."""

    NEW_ORDER_SINGLE = "D"
    ORDER_CANCEL_REPLACE_REQUEST = "G"
    ORDER_CANCEL_REQUEST = "F"
    ORDER_STATUS_REQUEST = "H"
    EXECUTION_REPORT = "8"
    ORDER_CANCEL_REJECT = "9"


class ExecType(StrEnum):
    """Tag 150: what an ExecutionReport reports."""

    NEW = "0"
    DONE_FOR_DAY = "3"
    CANCELED = "4"
    REPLACED = "5"
    PENDING_CANCEL = "6"
    REJECTED = "8"
    SUSPENDED = "9"
    PENDING_NEW = "A"
    EXPIRED = "C"
    RESTATED = "D"
    PENDING_REPLACE = "E"
    TRADE = "F"
    TRADE_CORRECT = "G"
    TRADE_CANCEL = "H"
    ORDER_STATUS = "I"


class OrdStatus(StrEnum):
    """Tag 39: how an order stands."""

    NEW = "0"
    PARTIALLY_FILLED = "1"
    FILLED = "2"
    DONE_FOR_DAY = "3"
    CANCELED = "4"
    PENDING_CANCEL = "6"
    REJECTED = "8"
    SUSPENDED = "9"
    PENDING_NEW = "A"
    EXPIRED = "C"
    PENDING_REPLACE = "E"


class OrdRejReason(StrEnum):
    """Tag 103: why an order was rejected."""

    UNKNOWN_SYMBOL = "1"
    EXCHANGE_CLOSED = "2"
    UNKNOWN_ORDER = "5"
    DUPLICATE_ORDER = "6"
    DUPLICATE_OF_VERBAL_ORDER = "7"
    UNSUPPORTED_ORDER_CHARACTERISTIC = "11"
    INCORRECT_QUANTITY = "13"
    INVALID_PRICE_INCREMENT = "18"
    OTHER = "99"


class CxlRejReason(StrEnum):
    """Tag 102: why a cancellation or an amendment was refused."""

    TOO_LATE_TO_CANCEL = "0"
    UNKNOWN_ORDER = "1"
    EXCHANGE_OPTION = "2"
    ALREADY_PENDING = "3"
    DUPLICATE_CL_ORD_ID = "6"
    INVALID_PRICE_INCREMENT = "18"
    OTHER = "99"


class CxlRejResponseTo(StrEnum):
    """Tag 434: the kind of request that an OrderCancelReject answers."""

    CANCEL = "1"
    REPLACE = "2"


class Side(StrEnum):
    """Tag 54."""

    BUY = "1"
    SELL = "2"


SIDE_NAMES: dict[str, str] = {side: side.name for side in Side}
"""BUY or SELL, by the code that came."""


class OrdType(StrEnum):
    """Tag 40."""

    LIMIT = "2"


class TimeInForce(StrEnum):
    """Tag 59."""

    DAY = "0"
    GTC = "1"
    IOC = "3"
    FOK = "4"


TIME_IN_FORCE_NAMES: dict[str, str] = {time_in_force: time_in_force.name for time_in_force in TimeInForce}
"""DAY, GTC, IOC or FOK, by the code that came."""
