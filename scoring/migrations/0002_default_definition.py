"""Publish the shipped default definition, in force since the beginning of time."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from django.db import migrations

BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


def publish_default(apps: Any, schema_editor: Any) -> None:
    """Store presets/default.yaml as version 1 and publish it, unless something is published already."""
    definition_model = apps.get_model("scoring", "Definition")
    publication_model = apps.get_model("scoring", "Publication")
    if publication_model.objects.exists():
        return
    path = Path(__file__).resolve().parent.parent / "presets" / "default.yaml"
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    row = definition_model.objects.create(
        key=document["key"], version=1, name=document["name"], state="published", document=document
    )
    publication_model.objects.create(definition=row, effective_at=BEGINNING, quiet=True)


class Migration(migrations.Migration):
    """See the module's docstring."""

    dependencies = [("scoring", "0001_initial"), ("contacts", "0002_shipped_rows")]

    operations = [migrations.RunPython(publish_default, migrations.RunPython.noop)]
