from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("trades", "0003_client_reference_first")]

    operations = [
        migrations.AddField(
            model_name="traderequest",
            name="reached_at",
            field=models.DateTimeField(
                blank=True, help_text="When it came to its stage, RECEIVED excepted.", null=True
            ),
        ),
        migrations.AddIndex(
            model_name="traderequest",
            index=models.Index(
                condition=~Q(stage="SENT") & Q(outcome__isnull=True) & Q(parked__isnull=True),
                fields=["created_at"],
                name="request_unprocessed",
            ),
        ),
    ]
