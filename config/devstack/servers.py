"""Starts PostgreSQL and RabbitMQ of one stack, unless the environment names them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from config.devstack import external_servers, postgres, postgres_roles, rabbitmq
from config.devstack.paths import DOWNLOADS
from config.devstack.rabbitmq_packages import find_installation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from config.devstack.paths import StackPaths
    from config.devstack.ports import Ports
    from config.devstack.supervisor import Supervisor

POSTGRES_TIMEOUT_S = 60
RABBITMQ_TIMEOUT_S = 90


@dataclass(frozen=True)
class Addresses:
    """The URLs of the servers. The processes use `database`; `database_owner` migrates."""

    database: str
    database_owner: str
    celery_broker: str
    exchange: str

    def as_environment(self) -> dict[str, str]:
        """Return the variables that the processes read."""
        return {
            "DATABASE_URL": self.database,
            "CELERY_BROKER_URL": self.celery_broker,
            "EXCHANGE_URL": self.exchange,
        }


class Servers:
    """Starts what the environment does not name. Both start side by side: RabbitMQ takes seconds."""

    def __init__(
        self,
        paths: StackPaths,
        ports: Ports,
        secrets: Mapping[str, str],
        supervisor: Supervisor,
        announce: Callable[[str], None],
    ) -> None:
        self._paths = paths
        self._ports = ports
        self._secrets = secrets
        self._supervisor = supervisor
        self._announce = announce
        self.has_own_postgres = not os.environ.get("DATABASE_URL")
        self._has_own_rabbitmq = not os.environ.get("CELERY_BROKER_URL")
        self.addresses = self._choose_addresses()

    def start(self, *, throwaway: bool) -> None:
        """Start the private servers; `throwaway` gives up PostgreSQL's safety for the speed of tests."""
        self._check_external_servers()
        if self._has_own_rabbitmq:
            self._start_rabbitmq()
        if self.has_own_postgres:
            self.start_postgres(throwaway=throwaway)

    def wait_for_postgres(self) -> None:
        """Return when the database answers and has its roles."""
        if self.has_own_postgres:
            password, port = self._secrets["postgres_superuser"], self._ports.get("postgres")
            failure = self._supervisor.monitor("postgres").startup_failure
            postgres_roles.wait_for_server(password, port, timeout_s=POSTGRES_TIMEOUT_S, failure=failure)
            postgres_roles.make_roles(self._secrets, port)

    def wait_for_rabbitmq(self) -> None:
        """Return when clients can log in on both links."""
        if self._has_own_rabbitmq:
            failure = self._supervisor.monitor("rabbitmq").startup_failure
            for url in (self.addresses.celery_broker, self.addresses.exchange):
                rabbitmq.wait_for_server(url, timeout_s=RABBITMQ_TIMEOUT_S, failure=failure)

    def _start_rabbitmq(self) -> None:
        installation = find_installation(DOWNLOADS["rabbitmq-server"], announce=self._announce)
        self._announce(f"RabbitMQ {'.'.join(map(str, installation.version))}: starting …")
        for spec in rabbitmq.process_specs(self._paths, self._ports, self._secrets, installation):
            self._supervisor.start(spec)

    def start_postgres(self, *, throwaway: bool) -> None:
        """Start the private PostgreSQL alone, on a new cluster if there is none."""
        if not self._paths.postgres.exists():
            self._announce("PostgreSQL: creating the database cluster …")
            postgres.make_cluster(self._paths, self._secrets["postgres_superuser"])
        postgres.check_cluster(self._paths)
        self._announce("PostgreSQL: starting …")
        self._supervisor.start(postgres.process_spec(self._paths, self._ports.get("postgres"), throwaway=throwaway))

    def _check_external_servers(self) -> None:
        """Log in at the servers that the environment names, before anything is started."""
        if not self.has_own_postgres:
            external_servers.check_database("DATABASE_URL", self.addresses.database)
            external_servers.check_database("DATABASE_OWNER_URL", self.addresses.database_owner)
        if not self._has_own_rabbitmq:
            external_servers.check_broker("CELERY_BROKER_URL", self.addresses.celery_broker)
        if os.environ.get("EXCHANGE_URL"):
            external_servers.check_broker("EXCHANGE_URL", self.addresses.exchange)

    def _choose_addresses(self) -> Addresses:
        variable = os.environ.get
        if self.has_own_postgres:
            port = self._ports.get("postgres")
            database = postgres.url(postgres.RUNTIME, self._secrets["postgres_runtime"], port)
            owner = postgres.url(postgres.OWNER, self._secrets["postgres_owner"], port)
        else:
            database = variable("DATABASE_URL", "")
            owner = variable("DATABASE_OWNER_URL") or database
        if self._has_own_rabbitmq:
            port = self._ports.get("rabbitmq")
            broker = rabbitmq.url(rabbitmq.CELERY, self._secrets["rabbitmq_celery"], port)
            exchange = variable("EXCHANGE_URL") or rabbitmq.url(
                rabbitmq.EXCHANGE, self._secrets["rabbitmq_exchange"], port
            )
        else:
            broker = variable("CELERY_BROKER_URL", "")
            exchange = variable("EXCHANGE_URL") or broker
        return Addresses(database, owner, broker, exchange)
