"""Leave room on each page of deliveries, so that the changes of their state stay on it and touch no index."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("messages", "0001_initial")]
    operations = [
        migrations.RunSQL(
            "ALTER TABLE messages_delivery SET (fillfactor = 60)",
            "ALTER TABLE messages_delivery RESET (fillfactor)",
        )
    ]
