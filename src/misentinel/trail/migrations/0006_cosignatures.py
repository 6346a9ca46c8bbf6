"""What witnesses signed of checkpoints. Like everything else of a log it is added and read, never changed."""

from django.db import migrations, models

import misentinel.kernel.clock

GUARD = """
CREATE TRIGGER trail_cosignature_is_append_only BEFORE UPDATE OR DELETE ON trail_cosignature
    FOR EACH ROW EXECUTE FUNCTION trail_refuse_change();
CREATE TRIGGER trail_cosignature_is_not_emptied BEFORE TRUNCATE ON trail_cosignature
    FOR EACH STATEMENT EXECUTE FUNCTION trail_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("trail", "0005_sinks")]
    operations = [
        migrations.CreateModel(
            name="Cosignature",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("size", models.BigIntegerField()),
                ("key", models.CharField(max_length=400)),
                ("lines", models.TextField()),
                ("at", models.DateTimeField(default=misentinel.kernel.clock.now)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("key", "size"), name="trail_one_cosignature")],
            },
        ),
        migrations.RunSQL(GUARD, migrations.RunSQL.noop),
    ]
