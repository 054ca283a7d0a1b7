"""The private PostgreSQL and RabbitMQ: what is decided before they run."""

import os
import shutil
import subprocess

import pytest

from config.devstack import postgres, rabbitmq, rabbitmq_packages
from config.devstack.errors import StackError
from config.devstack.paths import SECRET_NAMES, StackPaths
from config.devstack.ports import Ports
from config.devstack.servers import Servers
from config.devstack.supervisor import Supervisor
from config.devstack.terminal import Terminal
from config.devstack.up import options_from_environment
from tests.running import STACK_VARIABLES


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in STACK_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def addresses(tmp_path):
    """The addresses of a stack with the environment as it is when called."""

    def choose():
        paths = StackPaths(tmp_path)
        secrets = dict.fromkeys(SECRET_NAMES, "p/w")
        supervisor = Supervisor(paths, Terminal(quiet=True))
        return Servers(paths, Ports(paths.ports_file), secrets, supervisor, announce=print).addresses

    return choose


class TestAddresses:
    def test_are_private_ones_by_default_with_separate_users(self, addresses):
        chosen = addresses()
        assert chosen.database.startswith("postgresql://brokerage:p%2Fw@127.0.0.1:")
        assert chosen.database_owner.startswith("postgresql://brokerage_owner:p%2Fw@127.0.0.1:")
        assert chosen.celery_broker.endswith("/brokerage")
        assert chosen.exchange.startswith("amqp://exchange:")
        assert chosen.exchange.endswith("/exchange")

    def test_come_from_the_environment_where_it_names_them(self, addresses, monkeypatch):
        monkeypatch.setenv("DATABASE_URL", "postgresql://there/db")
        monkeypatch.setenv("CELERY_BROKER_URL", "amqp://there")
        chosen = addresses()
        assert (chosen.database, chosen.database_owner) == ("postgresql://there/db", "postgresql://there/db")
        assert (chosen.celery_broker, chosen.exchange) == ("amqp://there", "amqp://there")

    def test_the_exchange_alone_may_be_external(self, addresses, monkeypatch):
        monkeypatch.setenv("EXCHANGE_URL", "amqp://exchange.example")
        chosen = addresses()
        assert chosen.exchange == "amqp://exchange.example"
        assert chosen.celery_broker.startswith("amqp://brokerage:")


class TestRabbitMQ:
    def test_hashes_passwords_as_the_server_does(self):
        # The example of RabbitMQ's own documentation of the algorithm.
        hashed = rabbitmq.hash_password("test12", bytes.fromhex("908DC60A"))
        assert hashed == "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"

    def test_has_no_guest_and_no_password_in_the_clear(self):
        made = rabbitmq.definitions({"brokerage": "one", "exchange": "two"}, (3, 10, 8))
        assert [user["name"] for user in made["users"]] == ["brokerage", "exchange"]
        assert all(user.keys() == {"name", "password_hash", "hashing_algorithm", "tags"} for user in made["users"])
        assert all(right["user"] == right["vhost"] for right in made["permissions"])

    @pytest.mark.parametrize(
        ("version", "limits"), [((3, 10, 8), []), ((3, 13), []), ((4, 0, 5), [-1]), ((4, 3), [-1])]
    )
    def test_lifts_the_delivery_limit_only_where_there_is_one_by_default(self, version, limits):
        policies = rabbitmq.definitions({"brokerage": "one", "exchange": "two"}, version)["policies"]
        assert [policy["definition"]["delivery-limit"] for policy in policies] == limits

    def test_nobody_home_means_no_consumers(self):
        assert rabbitmq.count_consumers("amqp://nobody:nothing@127.0.0.1:1/none", "exchange.orders") == 0


class TestRabbitMQPackages:
    def test_what_cannot_be_had_is_refused_with_the_remedies(self, tmp_path, monkeypatch):
        monkeypatch.setattr(rabbitmq_packages, "SYSTEM_ROOT", tmp_path / "machine")
        monkeypatch.setattr(shutil, "which", lambda name: None)
        with pytest.raises(StackError) as refused:
            rabbitmq_packages.find_installation(tmp_path / "packages", announce=print)
        assert "CELERY_BROKER_URL" in str(refused.value)
        assert "docker compose up" in str(refused.value)
        assert "\n" not in str(refused.value)

    def test_prefers_the_machines_own_newest(self, tmp_path, monkeypatch):
        monkeypatch.setattr(rabbitmq_packages, "SYSTEM_ROOT", tmp_path)
        for version in ("3.9.13", "3.10.8"):
            server = tmp_path / f"usr/lib/rabbitmq/lib/rabbitmq_server-{version}/sbin/rabbitmq-server"
            server.parent.mkdir(parents=True)
            server.touch()
        erl = tmp_path / "usr/lib/erlang/bin/erl"
        erl.parent.mkdir(parents=True)
        erl.touch()
        assert rabbitmq_packages.find_installation(tmp_path / "unused", announce=print).version == (3, 10, 8)
        assert not (tmp_path / "unused").exists()


class TestPostgres:
    @pytest.fixture
    def as_root(self, monkeypatch):
        """Root, where only the commands that a test allows work."""
        allowed = set()

        def run(command, **_):
            works = any(set(command) >= set(words) for words in allowed)
            return subprocess.CompletedProcess(command, returncode=0, stderr=b"" if works else b"Permission denied")

        monkeypatch.setattr(os, "geteuid", lambda: 0)
        monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
        monkeypatch.setattr(subprocess, "run", run)
        return allowed

    def test_an_ordinary_user_has_no_power_to_give_up(self, monkeypatch):
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        assert postgres.privileges(1000) == ()

    def test_root_becomes_the_owner_of_the_cluster(self, as_root):
        as_root.add(("setpriv",))
        assert {"--reuid=1234", "--ambient-caps=+dac_override"} <= set(postgres.privileges(1234))

    def test_a_cluster_of_root_itself_wants_a_user_namespace(self, as_root):
        as_root.add(("unshare",))
        assert postgres.privileges(0)[0] == "unshare"

    def test_no_way_is_an_error_with_a_cure(self, as_root):
        with pytest.raises(StackError, match="DATABASE_URL"):
            postgres.privileges(postgres.NOBODY)

    def test_a_cluster_of_another_version_is_refused_in_words(self, tmp_path):
        paths = StackPaths(tmp_path)
        paths.postgres.mkdir()
        (paths.postgres / "PG_VERSION").write_text("9.6\n")
        with pytest.raises(StackError, match="was made by PostgreSQL 9"):
            postgres.check_cluster(paths)


class TestOptions:
    def test_simulator_and_market_maker_by_default(self):
        options = options_from_environment()
        assert (options.simulator, options.market_maker, options.port) == (True, True, None)

    def test_an_external_exchange_leaves_the_simulator_out(self, monkeypatch):
        monkeypatch.setenv("EXCHANGE", "external")
        assert not options_from_environment().simulator

    def test_the_exchange_plays_scripts_and_misbehaves_on_request(self, monkeypatch):
        assert (options_from_environment().scripts, options_from_environment().faults) == (False, "")
        monkeypatch.setenv("EXCHANGE_SCRIPTS", "1")
        monkeypatch.setenv("EXCHANGE_FAULTS", "drops=0.1")
        assert (options_from_environment().scripts, options_from_environment().faults) == (True, "drops=0.1")

    @pytest.mark.parametrize(
        ("name", "value"), [("PORT", "web"), ("PORT", "70000"), ("EXCHANGE", "nyse"), ("EXCHANGE_SCRIPTS", "off")]
    )
    def test_nonsense_is_refused_with_its_name(self, monkeypatch, name, value):
        monkeypatch.setenv(name, value)
        with pytest.raises(StackError, match=f"{name}={value}"):
            options_from_environment()
