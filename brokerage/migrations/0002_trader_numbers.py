"""Trader numbers start at 1001: nobody mistakes one for a count or an index."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("brokerage", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE brokerage_trader ALTER COLUMN id RESTART WITH 1001",
            "ALTER TABLE brokerage_trader ALTER COLUMN id RESTART WITH 1",
        )
    ]
