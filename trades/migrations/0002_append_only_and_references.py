"""What Django's models cannot say: append-only tables, the sequence of references, room for HOT updates."""

from django.db import migrations

APPEND_ONLY = ("trades_exchangereport", "trades_execution", "trades_tradeevent", "trades_idempotencykey")

GUARD = """
CREATE FUNCTION trades_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$
"""


def _triggers(table: str) -> str:
    return f"""
    CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table}
        FOR EACH ROW EXECUTE FUNCTION trades_append_only();
    CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}
        FOR EACH STATEMENT EXECUTE FUNCTION trades_append_only();
    """


class Migration(migrations.Migration):
    dependencies = [("trades", "0001_initial")]

    operations = [
        migrations.RunSQL(GUARD, "DROP FUNCTION trades_append_only()"),
        *[
            migrations.RunSQL(
                _triggers(table),
                f"DROP TRIGGER {table}_no_change ON {table}; DROP TRIGGER {table}_no_truncate ON {table}",
            )
            for table in APPEND_ONLY
        ],
        migrations.RunSQL(
            "CREATE SEQUENCE trades_reference MINVALUE 0 MAXVALUE 34359738367 CACHE 1",
            "DROP SEQUENCE trades_reference",
        ),
        # Open trades are rewritten several times in their life: leave room in the page for the next version.
        migrations.RunSQL(
            "ALTER TABLE trades_trade SET (fillfactor = 75);"
            " ALTER TABLE trades_traderequest SET (fillfactor = 70,"
            " autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05)",
            "ALTER TABLE trades_trade RESET (fillfactor);"
            " ALTER TABLE trades_traderequest RESET (fillfactor,"
            " autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor)",
        ),
    ]
