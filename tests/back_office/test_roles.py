"""The roles of staff come with the database, and demo staff have them."""

from importlib import import_module
from io import StringIO

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.db import connection

from brokerage.models import User

pytestmark = pytest.mark.django_db
ROLES = {"agent", "supervisor", "ops", "auditor"}


def test_every_right_has_the_name_that_django_gives_it() -> None:
    """Made before Django's own, a permission under another name would stay a second one."""
    granted = Permission.objects.filter(group__name__in=ROLES).distinct()
    for permission in granted:
        model = permission.content_type.model_class()
        verb = permission.codename.partition("_")[0]
        custom = dict(model._meta.permissions).get(permission.codename)
        assert permission.name == custom or f"Can {verb} {model._meta.verbose_name_raw}" == permission.name


def test_made_again_they_lose_nothing() -> None:
    agent, extra = Group.objects.get(name="agent"), Permission.objects.get(codename="delete_group")
    agent.permissions.add(extra)
    before = set(agent.permissions.values_list("codename", flat=True))
    agent.permissions.remove(Permission.objects.get(codename="view_trade"))
    with connection.schema_editor() as editor:
        import_module("trades.migrations.0003_roles").make_roles(apps, editor)
    assert set(agent.permissions.values_list("codename", flat=True)) == before
    assert set(Group.objects.values_list("name", flat=True)) == ROLES


def test_demo_staff_are_moved_into_them() -> None:
    earlier = User.objects.create_user("agent", is_staff=True)
    earlier.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    call_command("seed_demo", stdout=StringIO())
    for role in ROLES:
        user = User.objects.get(username=role)
        assert [group.name for group in user.groups.all()] == [role]
        assert not user.user_permissions.exists()
    assert not User.objects.get(username="admin").groups.exists()
