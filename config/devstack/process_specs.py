"""The processes of the brokerage itself, and how each is started."""

from __future__ import annotations

import shutil
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from config.devstack.ports import HOST
from config.devstack.process_spec import Program

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from config.devstack.paths import Layout
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

# These have no web server: they answer Prometheus on a port of its own.
SCRAPED = ("worker", "audit", "dispatcher", "reports")

# These need no broker, so they start while RabbitMQ still does.
EARLY = ("web", "stream")
# Those that take work in are stopped before those that carry it out; the servers come last.
TAKES_IN, CARRIES_OUT = 0, 1


@dataclass(frozen=True)
class Choice:
    """What differs between one stack and another."""

    simulator: bool = True
    market_maker: bool = True
    scripts: bool = False
    """The simulated exchange lets prices on TEST say what happens to an order."""
    faults: str = ""
    """What goes wrong at the simulated exchange, and how often."""
    port: int | None = None


@dataclass(frozen=True)
class WebAddresses:
    """The doors of the stack."""

    web: str
    stream: str
    flower: str
    metrics: Mapping[str, str]
    """Where each role shows its numbers to Prometheus."""


def web_addresses(ports: Ports, choice: Choice) -> WebAddresses:
    """Claim the ports people see: the well-known ones where they are free."""
    web = ports.pin("web", choice.port) if choice.port else ports.get("web", preferred=WEB_PORT)
    stream, flower = ports.get("stream", preferred=STREAM_PORT), ports.get("flower", preferred=FLOWER_PORT)
    scraped = {"web": web, "stream": stream, **{name: ports.get(_metrics_port(name)) for name in SCRAPED}}
    return WebAddresses(
        web=f"http://{HOST}:{web}",
        stream=f"http://{HOST}:{stream}",
        flower=f"http://{HOST}:{flower}",
        metrics={name: f"http://{HOST}:{port}/metrics" for name, port in scraped.items()},
    )


def programs(layout: Layout, ports: Ports, env: Mapping[str, str], choice: Choice) -> list[Program]:
    """All processes beside the servers, in the order to start them."""

    def program(name: str, *command: str, **options: Any) -> Program:
        return Program(name=name, command=command, env={**env, "PROCESS_NAME": name}, **options)

    def scraped(name: str, *command: str, **options: Any) -> Program:
        port = ports.get(_metrics_port(name))
        own = {"PROCESS_NAME": name, "METRICS_PORT": str(port), **_metrics_folder(layout, name)}
        empty = _emptier(layout.metrics / name)
        return Program(name=name, command=command, env={**env, **own}, port=port, before_start=empty, **options)

    # The two workers have nothing to say to each other: asking and listening would cost a second at each start.
    alone = ("--without-mingle", "--without-gossip", "--task-events", "--loglevel", "INFO")
    worker = ("worker", "--queues", ",".join(PIPELINE_QUEUES), "--concurrency", "2", *alone)
    audit = ("worker", "--queues", HOUSEKEEPING, "--concurrency", "1", "--hostname", "audit@%h", *alone)
    beat = ("beat", "--schedule", str(layout.var / "celerybeat-schedule"), "--pidfile=", "--loglevel", "INFO")
    # The workers send events already.
    flower = ("flower", f"--address={HOST}", f"--port={ports.get('flower')}", "--enable-events=False")
    chosen = [
        _gunicorn("web", layout, ports, env, "config.wsgi:application"),
        _gunicorn("stream", layout, ports, env, "config.asgi:application", "--worker-class", "asgi"),
        scraped("worker", *CELERY, *worker, stop_rank=CARRIES_OUT),
        scraped("audit", *CELERY, *audit),
        scraped("reports", *MANAGE, "consume_reports", stop_rank=CARRIES_OUT),
        scraped("dispatcher", *MANAGE, "run_dispatcher"),
        program("beat", *CELERY, *beat),
        # Flower keeps nothing worth a goodbye, and its threads hang on for long after a SIGTERM.
        program("flower", *CELERY, *flower, stop_signal=signal.SIGKILL),
    ]
    if choice.simulator:
        journal = ("--journal", str(layout.var / "exchange.sqlite3"), "--seed", "1")
        maker = ("--market-maker",) if choice.market_maker else ()
        scripts = ("--scripts",) if choice.scripts else ()
        odd = (*scripts, "--faults", choice.faults)
        chosen.append(program("simulator", *MANAGE, "run_exchange", *journal, *maker, *odd, stop_rank=CARRIES_OUT))
    return chosen


def command(name: str, env: Mapping[str, str], *arguments: str) -> Program:
    """A management command that runs once."""
    return Program(name=name, command=(*MANAGE, *arguments), env={**env, "PROCESS_NAME": name})


def _gunicorn(
    name: str, layout: Layout, ports: Ports, env: Mapping[str, str], application: str, *options: str
) -> Program:
    port = ports.get(name)
    own = {"PROCESS_NAME": name, "GUNICORN_ROLE": name, **_metrics_folder(layout, name)}
    bind = ("--config", "config/gunicorn.py", "--bind", f"{HOST}:{port}")
    return Program(
        name=name,
        command=(*PYTHON, "gunicorn", application, *bind, *options),
        env={**env, **own},
        port=port,
        before_start=_emptier(layout.metrics / name),
    )


def _metrics_port(name: str) -> str:
    return f"{name}-metrics"


def _metrics_folder(layout: Layout, name: str) -> dict[str, str]:
    return {"PROMETHEUS_MULTIPROC_DIR": str(layout.metrics / name)}


def _emptier(folder: Path) -> Callable[[], None]:
    """The counters of an earlier life would be counted again."""

    def empty() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)

    return empty
