"""Transactions: which errors are transient, how a whole transaction is retried, and who requires an open one."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import update_wrapper, wraps
from typing import Any, Generic, ParamSpec, TypeVar

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction

log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

MAX_ATTEMPTS = 3

# Nothing was committed, and the same work may simply be done again: deadlock, serialization failure, lock not
# available; a statement that took too long; admin shutdown, crash shutdown, cannot connect now; a transaction that
# stood still too long, because its process was frozen; a server that only reads, because another one took over.
_READ_ONLY = "25006"
_TRANSIENT = {"40P01", "40001", "55P03", "57014", "57P01", "57P02", "57P03", "57P05", "25P03", "25P04", _READ_ONLY}

_AWAY = {"57P01", "57P02", "57P03", "57P05", _READ_ONLY}
_TIMEOUTS = {"57014", "25P03", "25P04"}  # of a statement, of a pause inside a transaction, of the transaction

# Connection lost, resources (disk, memory, connections) exhausted, an error of the operating system.
_TRANSIENT_CLASSES = ("08", "53", "58")


def is_transient(error: BaseException) -> bool:
    """Tell whether `error` is the weather (a lock, a lost connection, a restart) and not the data."""
    if isinstance(error, InterfaceError):
        return True
    if not isinstance(error, DatabaseError):
        return False
    sqlstate = sqlstate_of(error)
    if sqlstate is None:
        return isinstance(error, OperationalError)
    return sqlstate in _TRANSIENT or sqlstate.startswith(_TRANSIENT_CLASSES)


def is_outage(error: BaseException) -> bool:
    """Tell whether a transient error says that the server is away, and not that it was slow or busy with others."""
    sqlstate = sqlstate_of(error)
    return sqlstate is None or sqlstate in _AWAY or sqlstate.startswith(_TRANSIENT_CLASSES)


def is_timeout(error: BaseException) -> bool:
    """Tell whether `error` says that the work itself took too long, and not that it waited for somebody else."""
    return sqlstate_of(error) in _TIMEOUTS


def sqlstate_of(error: BaseException) -> str | None:
    """Return PostgreSQL's code for what went wrong (Appendix A of its manual); None if it did not say."""
    return getattr(error.__cause__, "sqlstate", None)


def drop_bad_connection(error: BaseException) -> None:
    """After a failure: let the next query open a new connection if this one is lost, or leads to a standby."""
    if connection.in_atomic_block:
        return  # within a transaction nothing can be replaced: whoever opened it will see to it
    if sqlstate_of(error) == _READ_ONLY:
        connection.close()
    connection.close_if_unusable_or_obsolete()


class _DurableTransaction(Generic[P, T]):
    """A function that opens its own transaction; see `opens_transaction`."""

    def __init__(self, function: Callable[P, T], attempts: int = MAX_ATTEMPTS) -> None:
        self.joined, self._attempts = function, attempts
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        for attempt in range(1, self._attempts + 1):
            try:
                with transaction.atomic(durable=True):
                    return self.joined(*args, **kwargs)
            except (DatabaseError, InterfaceError) as error:
                if attempt == self._attempts or not is_transient(error):
                    raise
                name = self.joined.__name__
                log.warning("transaction_retried", function=name, attempt=attempt, error=str(error).strip())
                drop_bad_connection(error)
                time.sleep(random.uniform(0.01, 0.1) * attempt)  # noqa: S311  (jitter, not a secret)
        raise AssertionError("unreachable: the last attempt returns or raises")


def opens_transaction(function: Callable[P, T]) -> _DurableTransaction[P, T]:
    """Run a function as one durable transaction, at most three times with jitter when it fails for a transient reason.

    The function must be safe to run any number of times. What is to happen after the commit it leaves to `on_commit`.
    `function.joined(…)` runs it within the caller's transaction instead.
    """
    return _DurableTransaction(function)


def opens_transaction_once(function: Callable[P, T]) -> _DurableTransaction[P, T]:
    """As `opens_transaction`, but fail at the first error: for a caller who tries again in a way of its own."""
    return _DurableTransaction(function, attempts=1)


def retrying(function: Callable[..., T]) -> Callable[..., T]:
    """Run a whole transaction again, at most three times with jitter, when it failed for a passing reason.

    For functions that open their own durable transaction and are safe to run any number of times.
    """

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> T:
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                return function(*args, **kwargs)
            except (DatabaseError, InterfaceError) as error:
                if attempt == MAX_ATTEMPTS or not is_transient(error):
                    raise
                log.warning(
                    "transaction_retried", function=function.__name__, attempt=attempt, error=str(error).strip()
                )
                drop_bad_connection(error)
                time.sleep(random.uniform(0.01, 0.1) * attempt)  # noqa: S311  (jitter, not a secret)
        raise AssertionError("unreachable: the last attempt returns or raises")

    return run


def transaction_required(function: Callable[..., T]) -> Callable[..., T]:
    """Refuse to run outside a transaction: what it locks and writes must be one commit with the caller's facts."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> T:
        if not connection.in_atomic_block:
            raise transaction.TransactionManagementError(f"{function.__qualname__} needs an open transaction")
        return function(*args, **kwargs)

    return run
