from django.db import migrations

PURPOSES = (
    # key, label, description, basis, at most, within days
    ("newsletter", "Newsletter", "News and articles we write regularly.", "consent", 2, 7),
    ("marketing", "Offers and invitations", "Events, content and offers that may interest you.", "consent", 3, 7),
    ("sales", "Personal contact", "A person of ours writes about your enquiry.", "legitimate_interest", 5, 7),
    ("service", "Service", "What your contract or order needs.", "contract", None, 7),
)
# What was recorded as filling only, before rows said so themselves.
MARK_WEAK = """
UPDATE contacts_attributechange o SET weak = true
WHERE o.name <> 'email' AND (o.source_id IS NULL OR o.source_id IN (
    SELECT s.id FROM contacts_source s WHERE s.kind = 'public'))
"""


def ship(apps, schema_editor):
    Purpose = apps.get_model("contacts", "Purpose")
    for key, label, description, basis, at_most, within_days in PURPOSES:
        Purpose.objects.get_or_create(
            key=key,
            defaults={
                "label": label,
                "description": description,
                "basis": basis,
                "at_most": at_most,
                "within_days": within_days,
            },
        )


class Migration(migrations.Migration):
    dependencies = [("contacts", "0007_the_facts")]

    operations = [
        migrations.RunPython(ship, migrations.RunPython.noop),
        migrations.RunSQL(MARK_WEAK, migrations.RunSQL.noop),
    ]
