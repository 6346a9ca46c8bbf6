"""A destroyed key stays destroyed: the database refuses to fill, change or delete a tombstone, whoever asks.

Emptying a whole table (TRUNCATE) is left to the owner of the database, who could drop it anyway.
"""

from django.db import migrations

_FORWARD = """
CREATE FUNCTION vault_keep_tombstone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a destroyed key stays destroyed'
        USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
END
$$;
CREATE TRIGGER vault_customerkey_tombstone BEFORE UPDATE OR DELETE ON vault_customerkey
    FOR EACH ROW WHEN (OLD.destroyed_at IS NOT NULL) EXECUTE FUNCTION vault_keep_tombstone();
CREATE TRIGGER vault_tokenkey_tombstone BEFORE UPDATE OR DELETE ON vault_tokenkey
    FOR EACH ROW WHEN (OLD.destroyed_at IS NOT NULL) EXECUTE FUNCTION vault_keep_tombstone();
CREATE TRIGGER vault_personkey_tombstone BEFORE UPDATE OR DELETE ON vault_personkey
    FOR EACH ROW WHEN (OLD.destroyed_at IS NOT NULL) EXECUTE FUNCTION vault_keep_tombstone();
"""

_BACKWARD = """
DROP TRIGGER vault_personkey_tombstone ON vault_personkey;
DROP TRIGGER vault_tokenkey_tombstone ON vault_tokenkey;
DROP TRIGGER vault_customerkey_tombstone ON vault_customerkey;
DROP FUNCTION vault_keep_tombstone();
"""


class Migration(migrations.Migration):
    dependencies = [("vault", "0001_keys")]

    operations = [migrations.RunSQL(_FORWARD, _BACKWARD)]
