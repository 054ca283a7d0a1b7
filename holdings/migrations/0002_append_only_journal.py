"""The journal is append-only, and the rows that change all the time keep room for their next version in the page."""

from django.db import migrations

APPEND_ONLY = """
CREATE FUNCTION holdings_holdingentry_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'holdings_holdingentry is append-only: % refused', TG_OP
        USING ERRCODE = 'restrict_violation', HINT = 'Correct a movement by a further movement.';
END
$$;
CREATE TRIGGER holdings_holdingentry_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON holdings_holdingentry
    FOR EACH STATEMENT EXECUTE FUNCTION holdings_holdingentry_append_only();
"""

REMOVED = """
DROP TRIGGER holdings_holdingentry_append_only ON holdings_holdingentry;
DROP FUNCTION holdings_holdingentry_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("holdings", "0001_initial")]

    operations = [
        migrations.RunSQL(APPEND_ONLY, REMOVED),
        migrations.RunSQL(
            "ALTER TABLE holdings_holding SET (fillfactor = 80)",
            "ALTER TABLE holdings_holding RESET (fillfactor)",
        ),
    ]
