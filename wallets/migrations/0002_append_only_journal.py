"""The journal is append-only, and the rows that change all the time keep room for their next version in the page."""

from django.db import migrations

APPEND_ONLY = """
CREATE FUNCTION wallets_walletentry_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'wallets_walletentry is append-only: % refused', TG_OP
        USING ERRCODE = 'restrict_violation', HINT = 'Correct a movement by a further movement.';
END
$$;
CREATE TRIGGER wallets_walletentry_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON wallets_walletentry
    FOR EACH STATEMENT EXECUTE FUNCTION wallets_walletentry_append_only();
"""

REMOVED = """
DROP TRIGGER wallets_walletentry_append_only ON wallets_walletentry;
DROP FUNCTION wallets_walletentry_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("wallets", "0001_initial")]

    operations = [
        migrations.RunSQL(APPEND_ONLY, REMOVED),
        migrations.RunSQL(
            "ALTER TABLE wallets_wallet SET (fillfactor = 80)",
            "ALTER TABLE wallets_wallet RESET (fillfactor)",
        ),
    ]
