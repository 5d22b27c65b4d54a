"""What a ``details_confirmed`` event says of its contact: true while the event counts, and only then."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from django.db.backends.utils import CursorWrapper

from contacts.selectors.history import value_in_force

WITHDRAW_CONFIRMATIONS: Final = """
DELETE FROM contacts_attributechange o USING contacts_event e JOIN contacts_kind k ON k.id = e.kind_id
WHERE e.id = ANY(%s) AND k.name = 'details_confirmed'
    AND o.contact_id = e.contact_id AND o.name = k.name AND o.message = e.dedupe_id AND o.source_id = e.source_id
RETURNING o.contact_id
"""
RETURN_CONFIRMATIONS: Final = """
INSERT INTO contacts_attributechange (
    contact_id, origin_contact_id, name, value, effective_at, received_at, source_id, message)
SELECT e.contact_id, nullif(e.origin_contact_id, e.contact_id), k.name, 'true', e.occurred_at, %s, e.source_id,
    e.dedupe_id
FROM contacts_event e JOIN contacts_kind k ON k.id = e.kind_id
WHERE e.id = ANY(%s) AND k.name = 'details_confirmed'
ON CONFLICT (contact_id, name, weak, effective_at, message, source_id) DO NOTHING
RETURNING contact_id
"""
UPDATE_CONTACTS: Final = f"""
UPDATE contacts_contact c SET details_confirmed = n.confirmed, updated_at = %s
FROM (
    SELECT asked.id, coalesce((in_force.value #>> '{{}}')::boolean, false) AS confirmed
    FROM contacts_contact asked
    LEFT JOIN LATERAL ({value_in_force(contact="asked.id", name="'details_confirmed'")}) in_force ON true
    WHERE asked.id = ANY(%s)
) n WHERE c.id = n.id AND c.details_confirmed <> n.confirmed
"""  # noqa: S608  constants only


def restate_confirmations(cursor: CursorWrapper, *, gone: Sequence[int], back: Sequence[int], now: datetime) -> None:
    """Put right whose details are confirmed when events (ids) cease to count, or count again; contacts are locked.

    Three statements at most. A confirmation that another message told as an attribute stays.
    """
    touched: list[int] = []
    if gone:
        cursor.execute(WITHDRAW_CONFIRMATIONS, [list(gone)])
        touched += [contact_id for (contact_id,) in cursor.fetchall()]
    if back:
        cursor.execute(RETURN_CONFIRMATIONS, [now, list(back)])
        touched += [contact_id for (contact_id,) in cursor.fetchall()]
    if touched:
        cursor.execute(UPDATE_CONTACTS, [now, touched])
