"""An entry waits to be sealed from the moment it is there: the database sees to it, not our good manners."""

from django.db import migrations

AWAIT = """
CREATE FUNCTION trail_await_sealing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO trail_waiting (entry_id) SELECT id FROM added;
    RETURN NULL;
END $$;
CREATE TRIGGER trail_entry_awaits_sealing AFTER INSERT ON trail_entry
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION trail_await_sealing();
INSERT INTO trail_waiting (entry_id) SELECT id FROM trail_entry;
"""
GUARD = """
CREATE TRIGGER trail_{0}_is_append_only BEFORE UPDATE OR DELETE ON trail_{0}
    FOR EACH ROW EXECUTE FUNCTION trail_refuse_change();
CREATE TRIGGER trail_{0}_is_not_emptied BEFORE TRUNCATE ON trail_{0}
    FOR EACH STATEMENT EXECUTE FUNCTION trail_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("trail", "0003_log")]
    operations = [
        migrations.RunSQL(
            AWAIT, "DROP TRIGGER trail_entry_awaits_sealing ON trail_entry; DROP FUNCTION trail_await_sealing();"
        ),
        *(migrations.RunSQL(GUARD.format(name), migrations.RunSQL.noop) for name in ("leaf", "signedcheckpoint")),
    ]
