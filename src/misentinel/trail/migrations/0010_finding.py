"""Indexes for what people ask of a trail: by whom, on what, what went wrong, and whom a list showed."""

from django.db import migrations, models

SHOWN = """
CREATE INDEX trail_by_shown ON trail_entry USING gin ((details -> 'shown') jsonb_path_ops) WHERE details ? 'shown'
"""


class Migration(migrations.Migration):
    dependencies = [("trail", "0009_database_sessions")]
    operations = [
        migrations.AddIndex("entry", models.Index(fields=["actor_id", "id"], name="trail_by_actor")),
        migrations.AddIndex("entry", models.Index(fields=["object_id", "id"], name="trail_by_object")),
        migrations.AddIndex(
            "entry",
            models.Index(
                fields=["outcome", "id"], name="trail_not_done",
                condition=models.Q(outcome__in=["refused", "failed"]),
            ),
        ),
        migrations.RunSQL(SHOWN, "DROP INDEX trail_by_shown"),
    ]
