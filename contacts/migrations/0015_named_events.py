"""Two-way events with a named individual get an index of their own, made while others go on writing."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("contacts", "0013_audit")]

    operations = [
        AddIndexConcurrently(
            model_name="event",
            index=models.Index(
                condition=models.Q(
                    ("kind__in", (8, 24, 25, 26, 27, 29)),
                    ("properties__with__regex", r"\S"),
                    ("retracted_at", None),
                    ("suspect_reason", ""),
                ),
                fields=["contact", "occurred_at"],
                include=("kind",),
                name="event_named",
            ),
        ),
    ]
