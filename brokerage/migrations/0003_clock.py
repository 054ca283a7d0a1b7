"""The clock of everything that is due: one function, read by all, replaced by nobody but tests."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("brokerage", "0002_trader_numbers")]

    operations = [
        migrations.RunSQL(
            "CREATE FUNCTION brokerage_now() RETURNS timestamptz LANGUAGE sql STABLE AS"
            " 'SELECT statement_timestamp()'",
            "DROP FUNCTION brokerage_now()",
        )
    ]
