from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("funnel", "0008_rollups")]

    operations = []
