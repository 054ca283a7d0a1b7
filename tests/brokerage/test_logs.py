"""The form of the log: one line of JSON in production, whoever speaks, and no secret in it."""

import http
import http.client
import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from brokerage.observability.logging import HIDDEN, configuration, redact
from config.devstack.paths import ROOT
from config.devstack.ports import HOST, is_free
from config.devstack.readiness import responds

NOBODY = {
    "ENVIRONMENT": "production",
    "SECRET_KEY": "secret-of-this-test-0123456789-abcdefghijklmnopqrstuvwxyz",
    "ALLOWED_HOSTS": HOST,
    "DATABASE_URL": f"postgresql://nobody:pw-of-postgres@{HOST}:1/none",
    "CELERY_BROKER_URL": f"amqp://nobody:pw-of-rabbitmq@{HOST}:1//",
    "EXCHANGE_URL": f"amqp://nobody:pw-of-exchange@{HOST}:1//",
    "PYTHONUNBUFFERED": "1",
}
ROLES = {
    "dispatcher": ("manage.py", "run_dispatcher"),
    "reports": ("manage.py", "consume_reports"),
    "worker": ("-m", "celery", "--app", "config", "worker", "--concurrency", "1"),
    "beat": ("-m", "celery", "--app", "config", "beat", "--pidfile="),
}


class Process:
    """One role in production, where no server answers. Its log is standard error; Celery says goodbye on the other."""

    def __init__(self, output: Path, *command: str) -> None:
        self.output = output
        with output.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, *command], cwd=ROOT, env=os.environ | NOBODY, stdout=subprocess.DEVNULL, stderr=file
            )

    def wait_for(self, word: str) -> None:
        deadline = time.monotonic() + 60
        while word not in self.output.read_text() and self._process.poll() is None:
            assert time.monotonic() < deadline, self.output.read_text()
            time.sleep(0.1)

    def stop(self) -> list[dict[str, Any]]:
        """Tell it to stop, and return its lines, each an object of JSON."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        finally:
            self._process.kill()
        text = self.output.read_text()
        assert "pw-of" not in text
        assert NOBODY["SECRET_KEY"] not in text
        return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(
    ("role", "word"),
    [("dispatcher", "waiting"), ("reports", "link_down"), ("worker", "Cannot connect"), ("beat", "beat: Starting")],
)
def test_every_line_of_a_role_is_json(role: str, word: str, tmp_path: Path) -> None:
    schedule = ("--schedule", str(tmp_path / "schedule")) if role == "beat" else ()
    process = Process(tmp_path / "output", *ROLES[role], *schedule)
    process.wait_for(word)
    lines = process.stop()
    assert any(word in line["event"] for line in lines)
    assert all(line["level"] and line["timestamp"].endswith("Z") and line["logger"] for line in lines)


def test_every_line_of_the_web_is_json_gunicorns_own_and_tracebacks_too(tmp_path: Path) -> None:
    port = next(port for port in range(33_000, 33_100) if is_free(port))
    options = ("--config", "config/gunicorn.py", "--bind", f"{HOST}:{port}")
    process = Process(tmp_path / "output", "-m", "gunicorn", "config.wsgi:application", *options)
    process.wait_for("Booting worker")
    deadline = time.monotonic() + 60
    while not responds(f"http://{HOST}:{port}/livez"):
        assert time.monotonic() < deadline, process.output.read_text()
        time.sleep(0.2)
    connection = http.client.HTTPConnection(HOST, port, timeout=20)
    connection.request("GET", "/admin/", headers={"Cookie": f"sessionid={'s' * 32}", "X-Forwarded-Proto": "https"})
    assert connection.getresponse().status == http.HTTPStatus.SERVICE_UNAVAILABLE  # no database
    lines = process.stop()
    assert any(line["logger"] == "gunicorn.error" and "Listening at" in line["event"] for line in lines)
    [failed] = [line for line in lines if line["logger"] == "django.request"]
    assert "OperationalError" in failed["exception"]
    assert failed["http_request_id"]


def test_what_ends_a_process_is_a_line_with_the_traceback(tmp_path: Path) -> None:
    command = "import django; django.setup(); {}['nothing']"
    environment = os.environ | NOBODY | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    line = json.loads(done.stderr)
    assert (line["event"], line["level"]) == ("process_ends", "critical")
    assert "KeyError: 'nothing'" in line["exception"]


class TestRedaction:
    @pytest.mark.parametrize(
        "name", ["password", "new_password", "token", "Authorization", "secret_key", "set_cookie", "api_key", "phone"]
    )
    def test_hides_what_is_secret_by_its_name(self, name: str) -> None:
        assert redact(None, "", {"event": "x", name: "s3cr3t"}) == {"event": "x", name: HIDDEN}

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("amqp://me:s3cr3t@rabbit:5672/v is away", "amqp://me:***@rabbit:5672/v is away"),
            ("refused: Token 0123456789abcdef0123", "refused: Token ***"),
            ("https://example.org/a?b=c", "https://example.org/a?b=c"),
        ],
    )
    def test_hides_passwords_in_addresses_and_tokens_in_headers(self, text: str, expected: str) -> None:
        assert redact(None, "", {"event": text})["event"] == expected

    def test_leaves_everything_else(self) -> None:
        line = {"event": "sent", "trade_id": "t", "request_id": "r", "trader_id": 7, "step": "send", "passed": True}
        assert redact(None, "", dict(line)) == line

    def test_holds_for_the_lines_of_libraries(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The standard library's loggers take the same way; here with a logger of their own to the same formatter."""
        made = configuration(json=True, level="INFO")["formatters"]["line"]
        formatter = made["()"](foreign_pre_chain=made["foreign_pre_chain"], processors=made["processors"])
        record = logging.LogRecord("amqp", logging.ERROR, "f.py", 1, "lost %s", ("amqp://u:p@h/",), None)
        assert json.loads(formatter.format(record))["event"] == "lost amqp://u:***@h/"
