"""How far the servers' logs were read for logins."""

from django.db import migrations, models



class Migration(migrations.Migration):

    dependencies = [
        ('trail', '0008_letting_go'),
    ]

    operations = [
        migrations.CreateModel(
            name='ServerLogReading',
            fields=[
                ('cluster', models.CharField(max_length=40, primary_key=True, serialize=False)),
                ('file', models.CharField(default='', max_length=80)),
                ('offset', models.BigIntegerField(default=0)),
            ],
        ),
    ]
