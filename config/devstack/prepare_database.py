"""`python -m config.devstack.prepare_database`: migrates and seeds.

In one process, as loading Django twice would take seconds of every start.
"""

from __future__ import annotations

import os

import django
from django.core.management import call_command


def main() -> None:
    """Bring the database that DATABASE_URL names up to date, and add the demo data it lacks."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    call_command("migrate", interactive=False)
    call_command("seed_demo")


if __name__ == "__main__":
    main()
