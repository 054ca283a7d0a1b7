"""Permissions of the back office: every page of the admin, by every role, as one table says."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from psycopg import sql

from brokerage.models import FeeSchedule, Instrument, Trader, TradingSession, User
from exchange.models import QuarantinedMessage
from holdings.models import Holding, HoldingEntry
from tests.back_office.conftest import STAFF, SignIn
from trades.models import Trade
from wallets.models import Wallet, WalletEntry

pytestmark = pytest.mark.django_db

VIEW = "view"
World = dict[type[Model], Any]

# What each role may do, in the order of STAFF: agent, supervisor, ops, auditor, admin.
TABLE: dict[type[Model], tuple[str, ...]] = {
    Trade: (VIEW, VIEW, VIEW, VIEW, VIEW),
    Wallet: (VIEW, VIEW, VIEW, VIEW, VIEW),
    WalletEntry: (VIEW, VIEW, VIEW, VIEW, VIEW),
    Holding: (VIEW, VIEW, VIEW, VIEW, VIEW),
    HoldingEntry: (VIEW, VIEW, VIEW, VIEW, VIEW),
    Trader: ("view change", "view add change", VIEW, VIEW, "view add change"),
    FeeSchedule: (VIEW, "view add change", VIEW, VIEW, "view add change"),
    Instrument: (VIEW, VIEW, "view add change", VIEW, "view add change"),
    TradingSession: (VIEW, VIEW, "view add change delete", VIEW, "view add change delete"),
    QuarantinedMessage: ("", "", VIEW, VIEW, VIEW),
    User: ("", "", "", VIEW, "view add change"),
    Group: ("", "", "", VIEW, "view add change delete"),
    LogEntry: ("", "", "", VIEW, VIEW),
}
NEEDED = {"changelist": "view", "history": "view", "add": "add", "delete": "delete"}

# Pages that belong to no model: the roles that may open them, and their URLs.
OTHERS: dict[str, tuple[tuple[str, ...], list[Any], str]] = {
    "index": (STAFF, [], ""),
    "app_list": (STAFF, ["trades"], ""),
    "autocomplete": (STAFF, [], "?app_label=brokerage&model_name=user&field_name=trader"),
    "password_change": (STAFF, [], ""),
    "password_change_done": (STAFF, [], ""),
    "auth_user_password_change": (("admin",), [User], ""),
}
# Open to all; or leading nowhere, as nothing here has a page elsewhere.
HARMLESS = {"login", "logout", "jsi18n", "view_on_site"}
UNNAMED = {r"<path:object_id>/", r"(?P<url>.*)$"}


def pages() -> Iterator[URLPattern]:
    """Every page of the admin."""

    def walk(patterns: list[URLPattern | URLResolver]) -> Iterator[URLPattern]:
        for pattern in patterns:
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns)
            else:
                yield pattern

    [office] = [one for one in get_resolver().url_patterns if getattr(one, "namespace", None) == "admin"]
    yield from walk(office.url_patterns)


def name(model: type[Model], page: str) -> str:
    return f"{model._meta.app_label}_{model._meta.model_name}_{page}"


def address(model: type[Model], page: str, pk: Any) -> str:
    return reverse(f"admin:{name(model, page)}", args=[] if page in ("changelist", "add") else [pk])


def other_addresses(world: World) -> Iterator[tuple[str, tuple[str, ...]]]:
    for page, (roles, args, query) in OTHERS.items():
        yield reverse(f"admin:{page}", args=[world.get(arg, arg) for arg in args]) + query, roles


def test_every_page_of_the_admin_is_in_the_table() -> None:
    known = {name(model, page) for model in TABLE for page in (*NEEDED, "change")} | OTHERS.keys() | HARMLESS
    found = {pattern.name for pattern in pages() if pattern.name}
    assert found == known
    assert {str(pattern.pattern) for pattern in pages() if not pattern.name} == UNNAMED


@pytest.mark.parametrize("role", STAFF)
def test_staff_may_do_what_the_table_says_and_nothing_else(role: str, sign_in: SignIn, world: World) -> None:
    client, wrong = sign_in(role), []
    for model, cells in TABLE.items():
        may = cells[STAFF.index(role)].split()
        expected = {(page, method): need in may for page, need in NEEDED.items() for method in ("get", "post")}
        expected |= {("change", "get"): "view" in may, ("change", "post"): "change" in may}
        for (page, method), allowed in expected.items():
            status = getattr(client, method)(address(model, page, world[model])).status_code
            if (status in (200, 302)) != allowed or (status == 403) == allowed:
                wrong.append((name(model, page), method, status))
    for page, roles in other_addresses(world):
        status = client.get(page).status_code
        if (status == 200) != (role in roles):
            wrong.append((page, "get", status))
    assert not wrong


@pytest.mark.parametrize("role", ["trader", "nobody"])
def test_others_are_asked_to_log_in_as_staff(role: str, sign_in: SignIn, world: World) -> None:
    client = sign_in(role)
    everything = [address(model, page, world[model]) for model in TABLE for page in (*NEEDED, "change")]
    everything += [page for page, _ in other_addresses(world)]
    for page in everything:
        for response in (client.get(page), client.post(page)):
            assert response.status_code == 302, page
            assert response.headers["Location"].startswith("/admin/login/"), page


# --- Nothing an auditor sends changes anything ------------------------------------------------------------------------

FORMS: dict[type[Model], dict[str, Any]] = {
    Trader: {"name": "Mallory", "phone": "1", "status": "SUSPENDED"},
    FeeSchedule: {"name": "Evil", "rate": "1", "minimum": "1", "cap": "1"},
    Instrument: {
        "symbol": "EVIL",
        "name": "Evil",
        "tick": "1",
        "lot": "1",
        "reference_price": "1",
        "band_percent": "1",
        "halted": "on",
    },
    TradingSession: {
        "opens_at_0": "2020-01-01",
        "opens_at_1": "09:00:00",
        "closes_at_0": "2020-01-01",
        "closes_at_1": "15:00:00",
    },
    User: {"username": "mallory", "password1": "Xy12-secret-99", "password2": "Xy12-secret-99", "is_staff": "on"},
    Group: {"name": "mallory"},
}


def send_everything(client: Client, world: World) -> None:
    """Post to every page whatever could change something there."""
    for model in TABLE:
        pk, form = world[model], FORMS.get(model, {"quantity": "1", "balance": "1", "status": "FILLED"})
        deletion = {"action": "delete_selected", "_selected_action": [str(pk)], "index": "0", "post": "yes"}
        client.post(address(model, "changelist", pk), deletion)
        client.post(address(model, "change", pk), {**form, "_save": "Save"})
        client.post(address(model, "add", pk), {**form, "_save": "Save"})
        client.post(address(model, "history", pk), form)
        client.post(address(model, "delete", pk), {"post": "yes"})
    for page, _ in other_addresses(world):
        client.post(page, {"password1": "Xy12-secret-99", "password2": "Xy12-secret-99", "usable_password": "true"})


def digests() -> dict[str, Any]:
    """What stands in every table, sessions excepted."""
    tables = set(connection.introspection.table_names()) - {"django_session"}
    found = {}
    with connection.cursor() as cursor:
        for table in sorted(tables):
            rows = sql.SQL("SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {} t")
            cursor.execute(rows.format(sql.Identifier(table)))
            found[table] = cursor.fetchone()
    return found


def test_nothing_that_an_auditor_sends_changes_anything(sign_in: SignIn, world: World) -> None:
    client = sign_in("auditor")
    before = digests()
    send_everything(client, world)
    assert digests() == before


def test_the_same_from_an_admin_does_change_what_an_admin_may(sign_in: SignIn, world: World) -> None:
    """Or the test above could not fail. What happened to trades, money and shares stays as it is even so."""
    client = sign_in("admin")
    before = digests()
    send_everything(client, world)
    changed = {table for table, digest in digests().items() if digest != before[table]}
    assert changed == {
        *("brokerage_trader", "brokerage_instrument", "brokerage_tradingsession", "brokerage_user"),
        "brokerage_feeschedule",
        *("auth_group", "auth_group_permissions", "django_admin_log"),
    }
