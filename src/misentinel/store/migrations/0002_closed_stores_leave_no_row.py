"""A closed customer's store leaves no row, so there is nothing to mark as closed."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('store', '0001_initial'),
    ]

    operations = [
        migrations.RemoveField(
            model_name='placement',
            name='closed_at',
        ),
    ]
