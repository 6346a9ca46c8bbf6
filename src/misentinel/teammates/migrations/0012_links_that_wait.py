from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('teammates', '0011_operator_access'),
    ]

    operations = [
        migrations.AddField(
            model_name='enrolment',
            name='opens_at',
            field=models.DateTimeField(null=True),
        ),
    ]
