"""All staff see the fee schedules; supervisors make and change them. docs/back-office.md tells who may do what."""

from django.db import migrations

ROLES = {
    "agent": ["view"],
    "supervisor": ["view", "add", "change"],
    "ops": ["view"],
    "auditor": ["view"],
}


def extend_roles(apps, schema_editor):
    """Make the permissions, which Django itself does only after the last migration, and give them to the groups."""
    database = schema_editor.connection.alias
    groups = apps.get_model("auth", "Group").objects.using(database)
    content_types = apps.get_model("contenttypes", "ContentType").objects.using(database)
    permissions = apps.get_model("auth", "Permission").objects.using(database)
    kind, _ = content_types.get_or_create(app_label="brokerage", model="feeschedule")
    for role, verbs in ROLES.items():
        group, _ = groups.get_or_create(name=role)
        for verb in verbs:
            permission, _ = permissions.get_or_create(
                content_type=kind, codename=f"{verb}_feeschedule", defaults={"name": f"Can {verb} fee schedule"}
            )
            group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("trades", "0008_frozen_fee_schedule"),
        ("brokerage", "0004_fee_schedules"),
    ]

    operations = [migrations.RunPython(extend_roles, migrations.RunPython.noop)]
