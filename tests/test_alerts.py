"""The alert rules: Prometheus accepts them, each fires when it must and only then, and each has its section to read."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from brokerage.observability import metrics

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "config" / "deploy"
RULES = DEPLOY / "alerts.yml"
TESTS = DEPLOY / "alerts_test.yml"
OF_PROMETHEUS = {"up"}


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def exported() -> set[str]:
    """Return the names of our metrics as they are exported."""
    declared = [metric for metric in vars(metrics).values() if isinstance(metric, MetricWrapperBase)]
    suffixes = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
    names = {f"{metric._name}{suffix}" for metric in declared for suffix in suffixes[metric._type]}
    return names | set(metrics.DATABASE_GAUGES)


@pytest.mark.parametrize(
    "arguments",
    [("check", "rules", RULES), ("check", "config", DEPLOY / "prometheus.yml"), ("test", "rules", TESTS)],
    ids=["the rules are well formed", "the scrape config is well formed", "the rules do what their tests say"],
)
def test_promtool_agrees(promtool: Path, arguments: tuple[str, str, Path]) -> None:
    done = subprocess.run([promtool, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
class TestEachAlert:
    def test_is_tested_as_it_fires_and_as_it_must_not(self, rule: dict[str, Any]) -> None:
        cases = [case for test in yaml.safe_load(TESTS.read_text())["tests"] for case in test["alert_rule_test"]]
        fires = [bool(case["exp_alerts"]) for case in cases if case["alertname"] == rule["alert"]]
        assert set(fires) == {True, False}

    def test_uses_metrics_that_exist(self, rule: dict[str, Any]) -> None:
        used = set(re.findall(r"\b(?:up|brokerage_\w+)\b", rule["expr"]))
        assert used
        assert used <= exported() | OF_PROMETHEUS

    def test_says_how_bad_it_is_and_what_to_do(self, rule: dict[str, Any]) -> None:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"].keys() == {"summary", "description"}
        page = (ROOT / "docs" / "monitoring.md").read_text()
        assert f"docs/monitoring.md#{rule['alert'].lower()}." in rule["annotations"]["description"]
        assert f"\n### {rule['alert']}\n" in page


def test_the_page_has_every_metric() -> None:
    page = (ROOT / "docs" / "monitoring.md").read_text()
    named = {re.sub(r"_(bucket|sum|count)$", "", name) for name in exported()}
    assert not {name for name in named if f"`{name}`" not in page}
