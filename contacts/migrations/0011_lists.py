from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("contacts", "0010_people")]

    operations = []
