from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("funnel", "0004_shipped_rows")]

    operations = []
