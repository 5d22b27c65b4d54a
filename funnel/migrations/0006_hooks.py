from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("funnel", "0005_notifications")]

    operations = []
