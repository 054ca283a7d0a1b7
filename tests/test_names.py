"""One idea, one word, and the word is the field's: no private name comes back. docs/glossary.md says what is said."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import yaml
from django.apps import apps
from django.conf import settings
from django.template.engine import Engine

from brokerage.observability import metrics

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("brokerage", "config", "exchange", "holdings", "trades", "wallets")
SOURCES = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if "migrations" not in path.parts]

PRIVATE_WORDS = frozenset(
    """
    abandoned agenda asked asking askings asks backlog contrary desk dice docket dockets elsewhere exposition keeper
    lasting outgoing picture pictures settling shown spoken standing teller telling told uncovered wished withdrawn
    wording
    """.split()  # noqa: SIM905
)
"""Words that stand in no name, whatever they are joined with."""

PRIVATE_NAMES = frozenset(
    """
    Advanced Answer Caller MemberOrder Movement NeverArrived Plan Refused RequestKey Shape Share also ask attempt claim
    day figures floor from_desk increase instruction is_passing keep keys known_answer layout listen moved player
    plan_forgotten program programs question refusals rules sentence shapes take tell to_desk tries unsent_claim
    ASK_LIMIT ASK_MAX ASK_PATIENCE ASK_RATE ASK_SWEEP GATHER GIVE_BACK IDLE_POLL LEASE TRIES
    """.split()  # noqa: SIM905
)
"""Names that are not given to anything; as a part of another name their words may be right."""


def is_private(name: str) -> bool:
    """Tell whether a name is one of the words that are not used here."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return name.lstrip("_") in PRIVATE_NAMES or any(word.lower() in PRIVATE_WORDS for word in words)


def definitions(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and name of every class, function and module-level or class-level name that the source defines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.name
        if isinstance(node, ast.Module | ast.ClassDef):
            for statement in node.body:
                targets = statement.targets if isinstance(statement, ast.Assign) else []
                targets = [statement.target] if isinstance(statement, ast.AnnAssign) else targets
                for target in targets:
                    if isinstance(target, ast.Name):
                        yield statement.lineno, target.id


def log_events(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and name of every event that the source logs."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "log"
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            yield node.lineno, str(node.args[0].value)


def test_no_module_class_function_or_log_event_has_a_private_name() -> None:
    found = []
    for path in SOURCES:
        tree, where = ast.parse(path.read_text()), str(path.relative_to(ROOT))
        found += [f"{where}:{line} {name}" for line, name in definitions(tree) if is_private(name)]
        found += [f"{where}:{line} {name}" for line, name in log_events(tree) if is_private(name)]
        found += [where] * is_private(path.stem)
    assert not found, "\n".join(found)


def test_no_folder_has_a_private_name() -> None:
    assert not {path.parent.name for path in SOURCES if is_private(path.parent.name)}


def test_no_table_or_column_has_a_private_name() -> None:
    names = [
        f"{model._meta.db_table}.{field.column}"
        for package in PACKAGES
        if apps.is_installed(package)
        for model in apps.get_app_config(package).get_models()
        for field in model._meta.concrete_fields
    ]
    assert names, "nothing was looked at"
    assert not [name for name in names if any(is_private(part) for part in name.split("."))]


def test_no_setting_has_a_private_name() -> None:
    own = [name for name in dir(settings) if name.isupper()]
    assert not [name for name in (*own, *settings.PIPELINE) if is_private(name)]


def test_durations_among_the_settings_end_in_their_unit() -> None:
    timers = [name for name, value in settings.PIPELINE.items() if isinstance(value, float)]
    assert timers
    assert not [name for name in timers if not name.endswith("_S")]


def test_no_metric_or_alert_has_a_private_name() -> None:
    source = Path(metrics.__file__).read_text()
    names = re.findall(r'"(brokerage_\w+)"', source)
    rules = yaml.safe_load((ROOT / "config" / "deploy" / "alerts.yml").read_text())
    names += [rule["alert"] for group in rules["groups"] for rule in group["rules"]]
    assert len(names) > 20, "too few to be all of them"
    assert not [name for name in names if is_private(name)]


def test_no_template_tag_has_a_private_name() -> None:
    libraries = Engine.get_default().template_libraries.values()
    tags = {name: tag for library in libraries for name, tag in {**library.tags, **library.filters}.items()}
    own = [name for name, tag in tags.items() if tag.__module__.startswith(PACKAGES)]
    assert not [name for name in own if is_private(name)]


def test_the_check_sees_what_it_is_for() -> None:
    """Had it no eyes, it would be green for ever."""
    tree = ast.parse("class Docket:\n    ask_at = 1\n\n    def tell(self):\n        log.info('asking_given_up')\n")
    assert [name for _, name in definitions(tree) if is_private(name)] == ["Docket", "tell"]
    assert [name for _, name in log_events(tree) if is_private(name)] == ["asking_given_up"]
    assert not any(map(is_private, ("task", "shares", "STATUS_CHECK_SWEEP_S")))
