"""Checks the servers that the environment names before anything is started, as every process would fail on them."""

from __future__ import annotations

import amqp
import psycopg

from config.devstack import rabbitmq
from config.devstack.errors import StackError


def check_database(variable: str, url: str) -> None:
    """Log in once at the database that this variable of the environment names."""
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.Error as error:
        raise _unusable(variable, error, "PostgreSQL") from error


def check_broker(variable: str, url: str) -> None:
    """Log in once at the broker that this variable of the environment names."""
    try:
        rabbitmq.connect(url).close()
    except (OSError, ValueError, amqp.AMQPError) as error:
        raise _unusable(variable, error, "RabbitMQ") from error


def _unusable(variable: str, error: Exception, server: str) -> StackError:
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    return StackError(
        f"{variable} does not let us in ({reason}): correct it, start that server, or unset it for a private {server}"
    )
