"""The roles of staff, as groups: agent, supervisor, ops, auditor. docs/back-office.md tells who may do what.

Run again, or where groups of these names are already, it adds what is missing and takes nothing away.
"""

from django.db import migrations

EVERYBODY = {
    "trades": {"view": ["trade", "traderequest", "execution", "tradeevent"]},
    "wallets": {"view": ["wallet", "walletentry"]},
    "holdings": {"view": ["holding", "holdingentry"]},
    "brokerage": {"view": ["trader", "instrument", "tradingsession", "feeschedule"]},
}
ROLES = {
    "agent": [EVERYBODY, {"brokerage": {"change": ["trader"], "act_for": ["trader"]}}],
    "supervisor": [
        EVERYBODY,
        {
            "brokerage": {
                "add": ["trader", "feeschedule"],
                "change": ["trader", "feeschedule"],
                "restrict": ["trader"],
                "act_for": ["trader"],
            }
        },
    ],
    "ops": [
        EVERYBODY,
        {
            "brokerage": {
                "add": ["instrument", "tradingsession"],
                "change": ["instrument", "tradingsession"],
                "delete": ["tradingsession"],
            },
            "exchange": {"view": ["quarantinedmessage"]},
        },
    ],
    "auditor": [
        EVERYBODY,
        {
            "brokerage": {"view": ["user"]},
            "auth": {"view": ["group"]},
            "admin": {"view": ["logentry"]},
            "exchange": {"view": ["quarantinedmessage"]},
        },
    ],
}
NAMES = {
    "restrict_trader": "Can change what a trader may do",
    "act_for_trader": "Can place, amend and cancel trades for a trader",
}


def make_roles(apps, schema_editor):
    """Make the groups, and the permissions they need: Django itself makes those only after the last migration."""
    database = schema_editor.connection.alias
    groups = apps.get_model("auth", "Group").objects.using(database)
    content_types = apps.get_model("contenttypes", "ContentType").objects.using(database)
    permissions = apps.get_model("auth", "Permission").objects.using(database)
    for role, grants in ROLES.items():
        group, _ = groups.get_or_create(name=role)
        for app, verbs in (item for grant in grants for item in grant.items()):
            for verb, model in ((verb, model) for verb, models in verbs.items() for model in models):
                kind, _ = content_types.get_or_create(app_label=app, model=model)
                codename = f"{verb}_{model}"
                shown = apps.get_model(app, model)._meta.verbose_name
                name = NAMES.get(codename, f"Can {verb} {shown}")
                permission, _ = permissions.get_or_create(content_type=kind, codename=codename, defaults={"name": name})
                group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("trades", "0002_append_only_and_references"),
        ("wallets", "0001_initial"),
        ("holdings", "0001_initial"),
        ("exchange", "0001_initial"),
        ("brokerage", "0001_initial"),
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]
