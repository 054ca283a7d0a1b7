"""Servers that the environment names: asked before anything is started, as every process would fail on them."""

from __future__ import annotations

import amqp
import psycopg

from config.devstack import rabbitmq
from config.devstack.errors import StackError


def check_database(name: str, address: str) -> None:
    """Log in once at the database that this variable names."""
    try:
        psycopg.connect(address, connect_timeout=5).close()
    except psycopg.Error as error:
        raise _unusable(name, error, "PostgreSQL") from error


def check_broker(name: str, address: str) -> None:
    """Log in once at the broker that this variable names."""
    try:
        rabbitmq.connect(address).close()
    except (OSError, ValueError, amqp.AMQPError) as error:
        raise _unusable(name, error, "RabbitMQ") from error


def _unusable(name: str, error: Exception, server: str) -> StackError:
    why = str(error).strip().partition("\n")[0] or type(error).__name__
    return StackError(
        f"{name} does not let us in ({why}): correct it, start that server, or unset it for a private {server}"
    )
