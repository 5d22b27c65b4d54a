"""Kinds for what people of ours do with a contact, and for handoffs that are released or reassigned."""

from typing import Any

from django.db import migrations

from contacts.enums import SHIPPED_KINDS

ADDED = ("call_attempted", "email_written", "note_added", "handoff_released", "handoff_reassigned")


def ship(apps: Any, schema_editor: Any) -> None:
    """Add them where they are missing; a kind of that name that a source sent before becomes the shipped one."""
    kinds = apps.get_model("contacts", "Kind")
    for kind in SHIPPED_KINDS:
        if kind.name not in ADDED:
            continue
        said = {
            "initiator": kind.initiator,
            "reach": kind.reach,
            "two_way": kind.two_way,
            "system": kind.system,
        }
        if not kinds.objects.filter(name=kind.name).update(**said):
            kinds.objects.create(id=kind.id, name=kind.name, **said)


class Migration(migrations.Migration):
    """See the module's docstring."""

    dependencies = [("contacts", "0008_shipped_purposes")]

    operations = [migrations.RunPython(ship, migrations.RunPython.noop)]
