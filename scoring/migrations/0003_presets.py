"""Offer the five presets as drafts to start from."""

from pathlib import Path
from typing import Any

import yaml
from django.db import migrations

PRESETS = ("demand-gen", "reaction", "prospective-leads", "bona-fide", "scored-vetted")


def offer_presets(apps: Any, schema_editor: Any) -> None:
    """Store each preset as version 1, unless its key is taken."""
    definition_model = apps.get_model("scoring", "Definition")
    folder = Path(__file__).resolve().parent.parent / "presets"
    for key in PRESETS:
        document = yaml.safe_load((folder / f"{key}.yaml").read_text(encoding="utf-8"))
        definition_model.objects.get_or_create(
            key=key, version=1, defaults={"name": document["name"], "state": "draft", "document": document}
        )


class Migration(migrations.Migration):
    """See the module's docstring."""

    dependencies = [("scoring", "0002_default_definition")]

    operations = [migrations.RunPython(offer_presets, migrations.RunPython.noop)]
