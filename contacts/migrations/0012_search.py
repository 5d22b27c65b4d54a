"""Search text is folded: no case, accents or punctuation, every word between blanks (contacts/selectors/folding.py).

What is stored already is folded anew in ranges of ids, each a statement and a transaction of its own: contacts are
locked for some hundredths of a second at a time, and an upgrade that was stopped goes on where it was, for
what is folded is left alone.
"""

from django.contrib.postgres.operations import UnaccentExtension
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

CHUNK = 2_000

_BETWEEN = "".join(f"\\u{ord(sign):04x}" for sign in '.,;:!?@-_+/\\|()[]{}<>"&*#%=~^`\t\n\r')
_DROPPED = "".join(f"\\u{ord(sign):04x}" for sign in "'\N{RIGHT SINGLE QUOTATION MARK}\N{MODIFIER LETTER APOSTROPHE}")
_BLANKS = " " * (len(_BETWEEN) // 6)
FOLD = f"""
WITH part AS (
    SELECT contact.id, ' ' || translate(lower(unaccent(normalize(concat_ws(' ', nullif(contact.first_name, ''),
        nullif(contact.last_name, ''), nullif(contact.email, ''), nullif(company.name, '')), NFKC))),
        E'{_BETWEEN}{_DROPPED}', '{_BLANKS}') || ' ' AS text
    FROM contacts_contact contact LEFT JOIN contacts_company company ON company.id = contact.company_id
    WHERE contact.id > %s AND contact.id <= %s AND contact.search_text <> ''
)
UPDATE contacts_contact contact SET search_text = part.text
FROM part WHERE contact.id = part.id AND contact.search_text <> part.text
"""  # noqa: S608  constants only
# The ids of erased people are far away from all others, so ranges follow the rows and not the numbers.
NEXT = "SELECT max(id) FROM (SELECT id FROM contacts_contact WHERE id > %s ORDER BY id LIMIT %s) part"


def fold_search_texts(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Fold what is stored, range by range."""
    after = 0
    with schema_editor.connection.cursor() as cursor:
        while True:
            cursor.execute(NEXT, [after, CHUNK])
            (last,) = cursor.fetchone()
            if last is None:
                return
            cursor.execute(FOLD, [after, last])
            after = last


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("contacts", "0011_lists")]

    operations = [
        UnaccentExtension(),
        migrations.RunPython(fold_search_texts, migrations.RunPython.noop),
    ]
