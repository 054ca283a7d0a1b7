"""Logging: one line per event, JSON in production, columns in development, with the ids bound to the context.

Our own lines and those of every library go through the same formatter. No line holds a secret.
"""

import logging
import logging.config
import re
import sys
from collections.abc import MutableMapping
from functools import lru_cache
from types import TracebackType
from typing import Any

import structlog

HIDDEN = "***"
_SECRET_NAME = re.compile(r"pass(word|wd|phrase)?$|token$|secret|authorization|cookie|credential|api_?key|phone", re.I)
_PASSWORD_IN_URL = re.compile(r"(://[^\s:/@]*):[^\s/@]+@")
_TOKEN_IN_HEADER = re.compile(r"\b(Token|Bearer|Basic)\s+[\w.~+/=-]{16,}")


def redact(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide secrets by their names, and passwords in URLs. The first guard is not to log them."""
    for name, value in line.items():
        if _is_secret(name):
            line[name] = HIDDEN
        elif isinstance(value, str) and (" " in value or "://" in value):
            line[name] = _without_secrets(value)
    return line


def _without_secrets(text: str) -> str:
    return _TOKEN_IN_HEADER.sub(rf"\1 {HIDDEN}", _PASSWORD_IN_URL.sub(rf"\1:{HIDDEN}@", text))


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
    redact,
]


def configuration(*, json: bool, level: str) -> dict[str, Any]:
    """Return the `dictConfig` of the standard library's logging: one formatter, to standard error."""
    renderer = (
        structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=False, pad_event_to=24)
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": _SHARED,
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "amqp": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},  # our steps log what they did
            "celery.worker.strategy": {"level": "WARNING"},
            "flower.inspector": {"level": "ERROR"},  # it asks the workers before they are there
            "django.server": {"level": "WARNING"},
            "django.request": {"level": "ERROR"},  # a refused call is the caller's concern
            "gunicorn.error": {"level": "INFO", "handlers": [], "propagate": True},  # all lines, not only errors
        },
    }


def configure_logging(*, json: bool, level: str) -> None:
    """Send structlog, the standard library's loggers, warnings and uncaught exceptions through one formatter."""
    logging.config.dictConfig(configuration(json=json, level=level))
    logging.captureWarnings(True)
    if json:
        sys.excepthook = _log_uncaught
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _log_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Log an exception that nothing caught as a line like any other."""
    logging.getLogger("brokerage").critical("process_ends", exc_info=(kind, error, traceback))
