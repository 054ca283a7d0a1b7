"""PostgreSQL and RabbitMQ of one stack: private ones, or those the environment names."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from config.devstack import external_servers, postgres, postgres_roles, rabbitmq
from config.devstack.paths import DOWNLOADS
from config.devstack.rabbitmq_packages import installation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from config.devstack.paths import Layout
    from config.devstack.ports import Ports
    from config.devstack.supervisor import Supervisor

POSTGRES_SECONDS = 60
RABBITMQ_SECONDS = 90


@dataclass(frozen=True)
class Addresses:
    """Where the servers are. The processes use `database`; `database_owner` migrates."""

    database: str
    database_owner: str
    celery_broker: str
    exchange: str

    def as_environment(self) -> dict[str, str]:
        """What the processes read."""
        return {
            "DATABASE_URL": self.database,
            "CELERY_BROKER_URL": self.celery_broker,
            "EXCHANGE_URL": self.exchange,
        }


class Servers:
    """Starts what the environment does not name. Both start side by side: RabbitMQ takes seconds."""

    def __init__(
        self,
        layout: Layout,
        ports: Ports,
        secrets: Mapping[str, str],
        supervisor: Supervisor,
        say: Callable[[str], None],
    ) -> None:
        self._layout = layout
        self._ports = ports
        self._secrets = secrets
        self._supervisor = supervisor
        self._say = say
        self._own_postgres = not os.environ.get("DATABASE_URL")
        self._own_rabbitmq = not os.environ.get("CELERY_BROKER_URL")
        self.addresses = self._choose_addresses()

    def start(self, *, throwaway: bool) -> None:
        """Start the private servers; `throwaway` gives up PostgreSQL's safety for the speed of tests."""
        self._ask_those_named()
        if self._own_rabbitmq:
            found = installation(DOWNLOADS["rabbitmq-server"], say=self._say)
            self._say(f"RabbitMQ {'.'.join(map(str, found.version))}: starting …")
            for program in rabbitmq.programs(self._layout, self._ports, self._secrets, found):
                self._supervisor.start(program)
        if self._own_postgres:
            if not self._layout.postgres.exists():
                self._say("PostgreSQL: creating the database cluster …")
                postgres.make_cluster(self._layout, self._secrets["postgres_superuser"])
            postgres.check_cluster(self._layout)
            self._say("PostgreSQL: starting …")
            self._supervisor.start(postgres.program(self._layout, self._ports.get("postgres"), throwaway=throwaway))

    def wait_for_postgres(self) -> None:
        """Return when the database answers and has its roles."""
        if self._own_postgres:
            password, port = self._secrets["postgres_superuser"], self._ports.get("postgres")
            failed = self._supervisor.keeper("postgres").why_it_fails
            postgres_roles.wait_for_server(password, port, seconds=POSTGRES_SECONDS, failed=failed)
            postgres_roles.make_roles(self._secrets, port)

    def wait_for_rabbitmq(self) -> None:
        """Return when clients can log in on both links."""
        if self._own_rabbitmq:
            failed = self._supervisor.keeper("rabbitmq").why_it_fails
            for address in (self.addresses.celery_broker, self.addresses.exchange):
                rabbitmq.wait_for_server(address, seconds=RABBITMQ_SECONDS, failed=failed)

    def _ask_those_named(self) -> None:
        """The servers the environment names must answer before anything is started."""
        if not self._own_postgres:
            external_servers.check_database("DATABASE_URL", self.addresses.database)
            external_servers.check_database("DATABASE_OWNER_URL", self.addresses.database_owner)
        if not self._own_rabbitmq:
            external_servers.check_broker("CELERY_BROKER_URL", self.addresses.celery_broker)
        if os.environ.get("EXCHANGE_URL"):
            external_servers.check_broker("EXCHANGE_URL", self.addresses.exchange)

    def _choose_addresses(self) -> Addresses:
        named = os.environ.get
        if self._own_postgres:
            port = self._ports.get("postgres")
            database = postgres.url(postgres.RUNTIME, self._secrets["postgres_runtime"], port)
            owner = postgres.url(postgres.OWNER, self._secrets["postgres_owner"], port)
        else:
            database = named("DATABASE_URL", "")
            owner = named("DATABASE_OWNER_URL") or database
        if self._own_rabbitmq:
            port = self._ports.get("rabbitmq")
            broker = rabbitmq.url(rabbitmq.CELERY, self._secrets["rabbitmq_celery"], port)
            link = named("EXCHANGE_URL") or rabbitmq.url(rabbitmq.EXCHANGE, self._secrets["rabbitmq_exchange"], port)
        else:
            broker = named("CELERY_BROKER_URL", "")
            link = named("EXCHANGE_URL") or broker
        return Addresses(database, owner, broker, link)
