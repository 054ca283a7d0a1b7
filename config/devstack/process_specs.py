"""Describes how to start each process of the brokerage itself."""

from __future__ import annotations

import shutil
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from config.devstack.ports import HOST
from config.devstack.process_spec import ProcessSpec, StopOrder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from config.devstack.paths import StackPaths
    from config.devstack.ports import Ports

WEB_PORT = 8000
STREAM_PORT = 8001
FLOWER_PORT = 5555
PIPELINE_QUEUES = ("trades.validate", "trades.book", "trades.send")
HOUSEKEEPING = "housekeeping"

# Everything is started as a module: the scripts in .venv/bin begin with a path that may not hold a space.
PYTHON = (sys.executable, "-m")
MANAGE = (sys.executable, "manage.py")
CELERY = (*PYTHON, "celery", "--app", "config")

# These have no web server: they answer Prometheus on a port of their own.
SCRAPED = ("worker", "audit", "dispatcher", "reports")

# These need no broker, so they start while RabbitMQ still does.
WITHOUT_BROKER = ("web", "stream")


@dataclass(frozen=True)
class StackOptions:
    """The choices that differ between one stack and another."""

    simulator: bool = True
    market_maker: bool = True
    scripts: bool = False
    """Whether prices on TEST script what the simulated exchange does with an order."""
    faults: str = ""
    """The faults of the simulated exchange and their rates, as EXCHANGE_FAULTS has them."""
    port: int | None = None


@dataclass(frozen=True)
class WebAddresses:
    """Where the processes of the stack answer HTTP."""

    web: str
    stream: str
    flower: str
    metrics: Mapping[str, str]
    """The URL at which Prometheus scrapes each role."""


def web_addresses(ports: Ports, options: StackOptions) -> WebAddresses:
    """Reserve the ports people see, the well-known ones where they are free, and return their addresses."""
    web = ports.pin("web", options.port) if options.port else ports.get("web", preferred=WEB_PORT)
    stream, flower = ports.get("stream", preferred=STREAM_PORT), ports.get("flower", preferred=FLOWER_PORT)
    scraped = {"web": web, "stream": stream, **{name: ports.get(_metrics_port(name)) for name in SCRAPED}}
    return WebAddresses(
        web=f"http://{HOST}:{web}",
        stream=f"http://{HOST}:{stream}",
        flower=f"http://{HOST}:{flower}",
        metrics={name: f"http://{HOST}:{port}/metrics" for name, port in scraped.items()},
    )


def application_specs(
    paths: StackPaths, ports: Ports, env: Mapping[str, str], options: StackOptions
) -> list[ProcessSpec]:
    """Return all processes beside the servers, in the order to start them."""

    def spec(name: str, *command: str, **details: Any) -> ProcessSpec:
        return ProcessSpec(name=name, command=command, env={**env, "PROCESS_NAME": name}, **details)

    def scraped_spec(name: str, *command: str, **details: Any) -> ProcessSpec:
        port = ports.get(_metrics_port(name))
        own = {"PROCESS_NAME": name, "METRICS_PORT": str(port), **_metrics_folder(paths, name)}
        empty_folder = _folder_emptier(paths.metrics / name)
        return ProcessSpec(
            name=name, command=command, env={**env, **own}, port=port, before_start=empty_folder, **details
        )

    # The two workers have nothing to say to each other: greeting and listening would cost a second at each start.
    alone = ("--without-mingle", "--without-gossip", "--task-events", "--loglevel", "INFO")
    worker = ("worker", "--queues", ",".join(PIPELINE_QUEUES), "--concurrency", "2", *alone)
    audit = ("worker", "--queues", HOUSEKEEPING, "--concurrency", "1", "--hostname", "audit@%h", *alone)
    beat = ("beat", "--schedule", str(paths.var / "celerybeat-schedule"), "--pidfile=", "--loglevel", "INFO")
    # The workers send events already.
    flower = ("flower", f"--address={HOST}", f"--port={ports.get('flower')}", "--enable-events=False")
    specs = [
        _gunicorn("web", paths, ports, env, "config.wsgi:application"),
        _gunicorn("stream", paths, ports, env, "config.asgi:application", "--worker-class", "asgi"),
        scraped_spec("worker", *CELERY, *worker, stop_order=StopOrder.WORK),
        scraped_spec("audit", *CELERY, *audit),
        scraped_spec("reports", *MANAGE, "consume_reports", stop_order=StopOrder.WORK),
        scraped_spec("dispatcher", *MANAGE, "run_dispatcher"),
        spec("beat", *CELERY, *beat),
        # Flower keeps nothing worth a goodbye, and its threads hang on for long after a SIGTERM.
        spec("flower", *CELERY, *flower, stop_signal=signal.SIGKILL),
    ]
    if options.simulator:
        journal = ("--journal", str(paths.var / "exchange.sqlite3"), "--seed", "1")
        maker = ("--market-maker",) if options.market_maker else ()
        scripts = ("--scripts",) if options.scripts else ()
        behaviour = (*scripts, "--faults", options.faults)
        specs.append(
            spec("simulator", *MANAGE, "run_exchange", *journal, *maker, *behaviour, stop_order=StopOrder.WORK)
        )
    return specs


def management_command(name: str, env: Mapping[str, str], *arguments: str) -> ProcessSpec:
    """Return how to run a management command once."""
    return ProcessSpec(name=name, command=(*MANAGE, *arguments), env={**env, "PROCESS_NAME": name})


def _gunicorn(
    name: str, paths: StackPaths, ports: Ports, env: Mapping[str, str], application: str, *options: str
) -> ProcessSpec:
    port = ports.get(name)
    own = {"PROCESS_NAME": name, "GUNICORN_ROLE": name, **_metrics_folder(paths, name)}
    bind = ("--config", "config/gunicorn.py", "--bind", f"{HOST}:{port}")
    return ProcessSpec(
        name=name,
        command=(*PYTHON, "gunicorn", application, *bind, *options),
        env={**env, **own},
        port=port,
        before_start=_folder_emptier(paths.metrics / name),
    )


def _metrics_port(name: str) -> str:
    return f"{name}-metrics"


def _metrics_folder(paths: StackPaths, name: str) -> dict[str, str]:
    return {"PROMETHEUS_MULTIPROC_DIR": str(paths.metrics / name)}


def _folder_emptier(folder: Path) -> Callable[[], None]:
    """Return a function that empties the folder: the counters of an earlier life would be counted again."""

    def empty_folder() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)

    return empty_folder
