"""Rows that every installation has: the event kinds, the internal source, a group for each role; storage settings."""

from typing import Any

from django.db import migrations

from contacts.enums import SHIPPED_KINDS, Role, SourceKind

INTERNAL_SOURCE_NAME = "ripen"

# Without vacuum after inserts the index-only scan that judgement lives on costs three times as much.
STORAGE_SETTINGS = """
ALTER TABLE contacts_event SET (
    autovacuum_vacuum_insert_scale_factor = 0.01, autovacuum_vacuum_insert_threshold = 50000);
ALTER TABLE contacts_standing SET (fillfactor = 80);
ALTER TABLE contacts_due SET (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000);
"""


def create_shipped_rows(apps: Any, schema_editor: Any) -> None:
    """Insert the shipped kinds with their fixed ids, the source for facts that people enter, and the role groups."""
    kind_model = apps.get_model("contacts", "Kind")
    kind_model.objects.bulk_create(
        [
            kind_model(
                id=kind.id,
                name=kind.name,
                initiator=kind.initiator,
                reach=kind.reach,
                two_way=kind.two_way,
                system=kind.system,
            )
            for kind in SHIPPED_KINDS
        ],
        ignore_conflicts=True,
    )
    apps.get_model("contacts", "Source").objects.get_or_create(
        name=INTERNAL_SOURCE_NAME, defaults={"kind": SourceKind.INTERNAL}
    )
    group_model = apps.get_model("auth", "Group")
    for role in Role:
        group_model.objects.get_or_create(name=role.value)


class Migration(migrations.Migration):
    """See the module's docstring."""

    dependencies = [
        ("contacts", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.RunPython(create_shipped_rows, migrations.RunPython.noop),
        migrations.RunSQL(STORAGE_SETTINGS, migrations.RunSQL.noop),
    ]
