"""The one way in which the database lets go of an entry: it is archived, and old enough.

The customer's role has no right to delete entries. It may call a function of the owner's, and the trigger holds the
owner too: an entry goes only if its index lies in an archived part and it is older than a week.
"""

from django.db import migrations

ALLOW = """
CREATE FUNCTION trail_refuse_loss() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.at < now() - interval '7 days' AND EXISTS (
        SELECT 1 FROM trail_leaf leaf JOIN trail_archivedpart part
            ON part.start <= leaf.index AND leaf.index < part."end" AND part.first <= leaf.index AND leaf.index <= part.last
        WHERE leaf.entry_id = OLD.id
    ) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the trail is append-only: DELETE refused' USING ERRCODE = 'insufficient_privilege';
END $$;
DROP TRIGGER trail_entry_is_append_only ON trail_entry;
CREATE TRIGGER trail_entry_is_append_only BEFORE UPDATE ON trail_entry
    FOR EACH ROW EXECUTE FUNCTION trail_refuse_change();
CREATE TRIGGER trail_entry_is_kept BEFORE DELETE ON trail_entry
    FOR EACH ROW EXECUTE FUNCTION trail_refuse_loss();
CREATE FUNCTION trail_let_go(from_index bigint, to_index bigint, older_than timestamptz) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE gone bigint;
BEGIN
    DELETE FROM public.trail_entry entry USING public.trail_leaf leaf
        WHERE leaf.entry_id = entry.id AND leaf.index >= from_index AND leaf.index < to_index
            AND entry.at < older_than;
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END $$;
"""
GUARD = """
CREATE TRIGGER trail_{0}_is_append_only BEFORE UPDATE OR DELETE ON trail_{0}
    FOR EACH ROW EXECUTE FUNCTION trail_refuse_change();
CREATE TRIGGER trail_{0}_is_not_emptied BEFORE TRUNCATE ON trail_{0}
    FOR EACH STATEMENT EXECUTE FUNCTION trail_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("trail", "0007_archive")]
    operations = [
        migrations.RunSQL(ALLOW, migrations.RunSQL.noop),
        *(migrations.RunSQL(GUARD.format(name), migrations.RunSQL.noop) for name in ("archivedpart", "removedpart")),
    ]
