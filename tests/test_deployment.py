"""The image and compose.yaml start what is really there. No engine is needed: both are read, and their words tried."""

import ast
import os
import re
import shlex
import subprocess
import sys
import time
from importlib.metadata import packages_distributions
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from celery.bin.celery import celery
from django.conf import settings
from django.core.management import get_commands, load_command_class
from flower.command import is_flower_option
from gunicorn.config import Config
from gunicorn.util import import_app

from config.celery import HOUSEKEEPING, PIPELINE_QUEUES, app
from config.devstack import process_specs
from config.devstack.paths import StackPaths
from config.devstack.ports import Ports
from exchange.simulator.journal import Journal

ROOT = Path(__file__).resolve().parent.parent
ROLES = {"web", "stream", "dispatcher", "worker", "audit", "reports", "beat", "flower", "simulator"}
OURS = ("brokerage", "config", "exchange", "holdings", "trades", "wallets")
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SCRAPED = yaml.safe_load((ROOT / "config" / "deploy" / "prometheus.yml").read_text())["scrape_configs"]
TARGETS = [target for job in SCRAPED for static in job["static_configs"] for target in static["targets"]]
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
FINAL_STAGE = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]


def command_of(service: str) -> list[str]:
    """What the container runs: the service's own command, else the image's."""
    if command := SERVICES[service].get("command"):
        return command
    [command] = re.findall(r"^CMD (\[.*\])$", FINAL_STAGE, re.MULTILINE)
    return yaml.safe_load(command)


def option(command: list[str], name: str) -> str:
    return next(value for key, value in pairwise(command) if key == name)


def queue_of(task: str) -> str:
    return app.amqp.router.route({}, task)["queue"].name


def environment_of(service: str) -> dict[str, str]:
    return SERVICES[service]["environment"]


def check_of(service: str) -> str:
    """The health check as a shell runs it; Compose takes `$$` for one `$`."""
    kind, *words = SERVICES[service]["healthcheck"]["test"]
    return (words[0] if kind == "CMD-SHELL" else shlex.join(words)).replace("$$", "$")


def try_words(command: list[str]) -> None:
    """Raise unless the program knows the command and each of its options."""
    match command:
        case ["python", "manage.py", name, *rest]:
            found = load_command_class(get_commands()[name], name)
            found.create_parser("manage.py", name).parse_args(rest)
        case ["celery", "--app", "config", "flower", *rest]:
            assert "flower" in celery.commands
            assert all(map(is_flower_option, rest))
        case ["celery", "--app", "config", name, *rest]:
            found = celery.commands[name]
            found.make_parser(click.Context(found)).parse_args(list(rest))
        case ["gunicorn", application, *rest]:
            assert callable(import_app(application))
            options = Config().parser().parse_args(rest)
            assert (ROOT / options.config).is_file()
        case ["sh", "-ec", script]:
            for part in script.split("&&"):
                try_words(shlex.split(part))
        case _:
            raise AssertionError(f"nobody knows what this starts: {command}")


class TestCompose:
    def test_every_role_is_a_service(self) -> None:
        assert set(SERVICES) == ROLES | {"postgres", "rabbitmq", "migrate"}

    @pytest.mark.parametrize("service", sorted(ROLES | {"migrate"}))
    def test_what_it_starts_is_there(self, service: str) -> None:
        try_words(command_of(service))

    @pytest.mark.parametrize(
        "wrong",
        [
            ["python", "manage.py", "run_nothing"],
            ["python", "manage.py", "run_exchange", "--jurnal", "x"],
            ["celery", "--app", "config", "work"],
            ["celery", "--app", "config", "beat", "--shedule", "x"],
            ["celery", "--app", "config", "flower", "--prot=5555"],
            ["gunicorn", "config.wsgi:app", "--config", "config/gunicorn.py"],
            ["gunicorn", "config.wsgi:application", "--config", "config/unicorn.py"],
        ],
        ids=" ".join,
    )
    def test_a_slip_of_the_pen_would_be_noticed(self, wrong: list[str]) -> None:
        with pytest.raises((Exception, SystemExit)):
            try_words(wrong)

    def test_nothing_is_published_beyond_this_machine(self) -> None:
        ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
        assert len(ports) == 3
        assert all(port.startswith("127.0.0.1:") for port in ports)

    def test_no_role_may_write_to_the_image_or_gain_rights(self) -> None:
        for service in ROLES:
            assert SERVICES[service]["read_only"]
            assert SERVICES[service]["cap_drop"] == ["ALL"]
            assert not SERVICES[service].get("privileged")

    def test_every_role_waits_for_the_migrations(self) -> None:
        waits = {service: SERVICES[service]["depends_on"]["migrate"]["condition"] for service in ROLES}
        assert set(waits.values()) == {"service_completed_successfully"}

    def test_the_web_does_not_wait_for_the_broker(self) -> None:
        assert [role for role in sorted(ROLES) if "rabbitmq" not in SERVICES[role]["depends_on"]] == ["stream", "web"]


class TestQueues:
    """No trade waits for the audit: its queue and its process are not those that validate, book and send."""

    @pytest.fixture(params=["compose.yaml", "the local stack"])
    def commands(self, request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, list[str]]:
        """The commands of all Celery workers, by the name of the process."""
        if request.param == "compose.yaml":
            found = {service: command_of(service) for service in SERVICES if "command" in SERVICES[service]}
        else:
            ports = Ports(tmp_path / "ports.json")
            specs = process_specs.application_specs(StackPaths(tmp_path), ports, {}, process_specs.StackOptions())
            found = {spec.name: list(spec.command) for spec in specs}
            ports.release()
        return {name: command for name, command in found.items() if "celery" in command and "worker" in command}

    def test_each_is_taken_from_by_one_role(self, commands: dict[str, list[str]]) -> None:
        taken = {name: tuple(option(command, "--queues").split(",")) for name, command in commands.items()}
        assert taken == {"worker": PIPELINE_QUEUES, "audit": (HOUSEKEEPING,)}

    def test_audits_are_done_one_at_a_time_by_a_worker_with_a_name_of_its_own(
        self, commands: dict[str, list[str]]
    ) -> None:
        assert option(commands["audit"], "--concurrency") == "1"
        assert option(commands["audit"], "--hostname") == "audit@%h"
        assert "--hostname" not in commands["worker"]

    def test_what_beat_asks_for_is_housekeeping_and_never_piles_up(self) -> None:
        assert app.conf.beat_schedule
        for entry in app.conf.beat_schedule.values():
            assert queue_of(entry["task"]) == HOUSEKEEPING
            assert 0 < entry["options"]["expires"] <= entry["schedule"]

    def test_what_nobody_routed_is_housekeeping(self) -> None:
        assert queue_of("trades.tasks.of_tomorrow") == HOUSEKEEPING

    def test_every_step_has_its_own(self) -> None:
        assert [queue_of(f"trades.tasks.{step}") for step in ("validate", "book", "send")] == list(PIPELINE_QUEUES)

    def test_what_expires_in_housekeeping_does_not_lie_among_the_dead_letters(self) -> None:
        queues = app.amqp.queues
        assert "x-dead-letter-exchange" in queues["trades.book"].queue_arguments
        assert "x-dead-letter-exchange" not in queues[HOUSEKEEPING].queue_arguments

    def test_a_long_audit_is_not_begun_again_before_it_ends(self) -> None:
        """What is acknowledged late is delivered again when RabbitMQ has waited for 15 minutes (`consumer_timeout`)."""
        assert not app.tasks["trades.tasks.audit_books"].acks_late
        assert app.tasks["trades.tasks.book"].acks_late


class TestHealth:
    @pytest.mark.parametrize("service", sorted(ROLES | {"postgres", "rabbitmq"}))
    def test_every_service_has_a_check(self, service: str) -> None:
        assert SERVICES[service]["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")

    @pytest.mark.parametrize("service", ["dispatcher", "reports"])
    def test_who_has_no_web_server_is_asked_where_it_answers_scrapes(self, service: str) -> None:
        assert f"127.0.0.1:{environment_of(service)['METRICS_PORT']}/metrics" in check_of(service)

    @pytest.mark.parametrize("service", ["web", "stream", "worker", "audit", "dispatcher", "reports"])
    def test_who_answers_scrapes_has_a_folder_to_count_in(self, service: str) -> None:
        folder = environment_of(service)["PROMETHEUS_MULTIPROC_DIR"]
        assert [place for place in SERVICES[service]["tmpfs"] if place.startswith(f"{folder}:mode=1777")]

    @pytest.mark.parametrize(
        ("service", "address"),
        [
            ("web", "127.0.0.1:8000/readyz"),
            ("stream", "127.0.0.1:8000/livez"),
            ("flower", "127.0.0.1:5555/healthcheck"),
        ],
    )
    def test_who_has_one_is_asked_at_the_port_it_has(self, service: str, address: str) -> None:
        assert address in check_of(service)
        assert any(word.endswith((":8000", "=5555")) for word in command_of(service))

    @pytest.mark.parametrize(("service", "name"), [("worker", "celery@$HOSTNAME"), ("audit", "audit@$HOSTNAME")])
    def test_each_worker_answers_for_itself(self, service: str, name: str) -> None:
        program, unset, *command = shlex.split(check_of(service))
        assert (program, unset) == ("env", "--unset=PROMETHEUS_MULTIPROC_DIR")
        try_words(command)
        assert option(command, "--destination") == name

    def test_the_exchange_is_well_while_it_holds_its_journal(self, tmp_path: Path) -> None:
        path = option(command_of("simulator"), "--journal")
        assert f"{path}.lock" in check_of("simulator")
        check = check_of("simulator").replace(path, shlex.quote(str(tmp_path / "journal.sqlite3")))
        assert not passes(check)
        journal = Journal(tmp_path / "journal.sqlite3")
        assert passes(check)
        journal.close()
        assert not passes(check)

    def test_beat_is_well_while_it_writes_down_what_it_started(self, tmp_path: Path) -> None:
        path = option(command_of("beat"), "--schedule")
        check = check_of("beat").replace(path, str(tmp_path / "schedule"))
        assert not passes(check)
        (tmp_path / "schedule.db").touch()
        assert passes(check)
        long_ago = time.time() - 20 * 60
        os.utime(tmp_path / "schedule.db", (long_ago, long_ago))
        assert not passes(check)
        assert settings.AUDIT_INTERVAL_S + 180 < 15 * 60  # an audit, and Celery's own pause between two writings


class TestPrometheus:
    @pytest.mark.parametrize("target", TARGETS)
    def test_looks_where_a_service_answers(self, target: str) -> None:
        service, port = target.split(":")
        serves = re.findall(r":(\d+)$|--port=(\d+)$", "\n".join(command_of(service)), re.MULTILINE)
        assert port in {*chain(*serves), environment_of(service).get("METRICS_PORT")}

    def test_looks_at_all_that_show_their_numbers(self) -> None:
        counted = {name for name in ROLES if "PROMETHEUS_MULTIPROC_DIR" in environment_of(name)}
        assert {target.split(":")[0] for target in TARGETS} == counted | {"flower"}


class TestImage:
    def test_runs_as_nobody_in_particular(self) -> None:
        [user] = re.findall(r"^USER (.*)$", FINAL_STAGE, re.MULTILINE)
        assert user.isdecimal()
        assert int(user) >= 1000

    def test_both_stages_stand_on_one_base_of_a_named_version(self) -> None:
        bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
        assert len(bases) == 2
        [base] = set(bases)
        assert re.fullmatch(r"python:3\.\d+-slim-\w+", base)

    def test_installs_the_locked_requirements_and_nothing_else(self) -> None:
        installs = re.findall(r"pip .*?install .*", DOCKERFILE)
        assert len(installs) == 1
        assert "--require-hashes --requirement requirements.txt" in installs[0]

    def test_nothing_it_runs_is_left_out_of_it(self) -> None:
        lines = (ROOT / ".dockerignore").read_text().splitlines()
        assert {f"!{name}" for name in (*OURS, "manage.py", "requirements.txt")} <= set(lines)
        assert "config/devstack" in lines
        assert not [path for path in sources() if "config.devstack" in path.read_text()]

    def test_what_it_imports_is_among_its_requirements(self) -> None:
        text = (ROOT / "requirements.txt").read_text()
        required = set(re.findall(r"^([a-z0-9-]+)(?:\[[a-z,-]+\])?==", text, re.MULTILINE))
        providers = packages_distributions()
        imported = {name for path in sources() for name in imports(path)}
        imported |= {name.split(".")[0] for name in (*settings.INSTALLED_APPS, *settings.MIDDLEWARE)}
        foreign = imported - set(OURS) - sys.stdlib_module_names
        assert len(foreign) > 10
        assert {name for name in foreign if not required & {normal(it) for it in providers.get(name, [])}} == set()


def sources() -> list[Path]:
    """The Python files of the image."""
    found = [path for package in OURS for path in (ROOT / package).rglob("*.py")]
    return [path for path in found if "devstack" not in path.relative_to(ROOT).parts] + [ROOT / "manage.py"]


def imports(path: Path) -> set[str]:
    """The top-level names of all that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def normal(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def passes(check: str) -> bool:
    return subprocess.run(["/bin/sh", "-c", check], capture_output=True, check=False).returncode == 0
