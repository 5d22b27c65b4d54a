"""What is known about contacts: appending to the history of their attributes, and keeping the columns in step.

A row that only fills what nothing before it has said is *weak*: the company that an e-mail's domain suggests, and
whatever a public source says. A weak row exists exactly where nothing else precedes it in event time, so what the
history holds does not depend on the order of arrival.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from django.db.backends.utils import CursorWrapper

from contacts.services.rows import as_json

_ROWS: Final = """jsonb_to_recordset(%s::jsonb) AS r(
    contact_id bigint, name text, value jsonb, effective_at timestamptz, message uuid, source_id bigint,
    weak boolean)"""
_IS_WEAK: Final = """(o.name <> 'email' AND (o.source_id IS NULL OR o.source_id IN (
    SELECT s.id FROM contacts_source s WHERE s.kind = 'public')))"""

# Ahead of the rows: whoever changes attributes of a contact waits here for others who do, always in id order.
LOCK_CONTACTS: Final = """
SELECT id FROM contacts_contact WHERE id = ANY(%s) OR company_id = ANY(%s) ORDER BY id FOR NO KEY UPDATE
"""
MOVE_FIRST_APPEARANCES: Final = f"""
UPDATE contacts_attributechange o SET effective_at = least(o.effective_at, r.effective_at)
FROM {_ROWS}
WHERE o.contact_id = r.contact_id AND o.name = 'email' AND o.message = r.message
"""  # noqa: S608  constants only
KEEP_FIRST_SEEN: Final = f"""
UPDATE contacts_identity i SET seen_at = r.effective_at
FROM {_ROWS}
WHERE i.kind = 'email' AND i.value = r.value #>> '{{}}' AND (i.seen_at IS NULL OR i.seen_at > r.effective_at)
"""  # noqa: S608  constants only
INSERT_FIRST_APPEARANCES: Final = f"""
INSERT INTO contacts_attributechange (contact_id, name, value, effective_at, received_at, source_id, message)
SELECT r.contact_id, 'email', r.value, r.effective_at, %s, NULL, r.message
FROM {_ROWS}
WHERE NOT EXISTS (
    SELECT FROM contacts_attributechange o
    WHERE o.contact_id = r.contact_id AND o.name = 'email' AND o.message = r.message)
"""  # noqa: S608  constants only
DELETE_PRECEDED: Final = f"""
DELETE FROM contacts_attributechange o USING {_ROWS}
WHERE o.contact_id = r.contact_id AND o.name = r.name AND {_IS_WEAK}
    AND CASE WHEN r.weak THEN (o.effective_at, o.message) > (r.effective_at, r.message)
        ELSE o.effective_at >= r.effective_at END
"""  # noqa: S608  constants only
INSERT_CHANGES: Final = f"""
INSERT INTO contacts_attributechange (contact_id, name, value, effective_at, received_at, source_id, message)
SELECT r.contact_id, r.name, r.value, r.effective_at, %s, r.source_id, r.message
FROM {_ROWS}
WHERE NOT r.weak OR NOT EXISTS (
    SELECT FROM contacts_attributechange o
    WHERE o.contact_id = r.contact_id AND o.name = r.name AND (
        o.effective_at < r.effective_at
        OR (o.effective_at = r.effective_at AND (o.message < r.message OR NOT {_IS_WEAK}))))
ON CONFLICT (contact_id, name, effective_at, message) DO NOTHING
"""  # noqa: S608  constants only
_SEARCH_TEXT: Final = """lower(concat_ws(' ', nullif(n.first_name, ''), nullif(n.last_name, ''),
    nullif(n.email, ''), nullif(company.name, '')))"""
_TEXTS: Final = ("email", "phone", "first_name", "last_name", "job_title", "role", "country")
_SAID_TEXTS: Final = ",\n        ".join(
    f"CASE WHEN f.said ? '{name}' THEN coalesce(f.said ->> '{name}', '') ELSE c.{name} END AS {name}" for name in _TEXTS
)
# Columns become the values in force, those of the greatest (effective_at, message); what was not touched stays.
UPDATE_CONTACTS: Final = f"""
WITH in_force AS (
    SELECT touched.contact_id, touched.name, latest.value
    FROM (SELECT DISTINCT r.contact_id, r.name FROM {_ROWS}) touched
    CROSS JOIN LATERAL (
        SELECT o.value FROM contacts_attributechange o
        WHERE o.contact_id = touched.contact_id AND o.name = touched.name
        ORDER BY o.effective_at DESC, o.message DESC LIMIT 1
    ) latest
), folded AS (
    SELECT contact_id,
        coalesce(jsonb_object_agg(name, value) FILTER (WHERE name NOT LIKE 'attributes.%%'), '{{}}') AS said,
        coalesce(jsonb_object_agg(substr(name, 12), value) FILTER (WHERE name LIKE 'attributes.%%'), '{{}}') AS free
    FROM in_force GROUP BY contact_id
), now_known AS (
    SELECT c.id,
        {_SAID_TEXTS},
        CASE WHEN f.said ? 'means' THEN coalesce(f.said ->> 'means', 'unknown') ELSE c.means END AS means,
        CASE WHEN f.said ? 'authority' THEN coalesce(f.said ->> 'authority', 'unknown') ELSE c.authority END
            AS authority,
        CASE WHEN f.said ? 'details_confirmed' THEN coalesce((f.said ->> 'details_confirmed')::boolean, false)
            ELSE c.details_confirmed END AS details_confirmed,
        CASE WHEN f.said ? 'company' THEN (f.said ->> 'company')::bigint ELSE c.company_id END AS company_id,
        (c.attributes || f.free) - ARRAY(SELECT e.key FROM jsonb_each(f.free) e WHERE e.value = 'null') AS attributes
    FROM folded f JOIN contacts_contact c ON c.id = f.contact_id
)
UPDATE contacts_contact c SET
    email = n.email, phone = n.phone, first_name = n.first_name, last_name = n.last_name, job_title = n.job_title,
    role = n.role, country = n.country, means = n.means, authority = n.authority,
    details_confirmed = n.details_confirmed, company_id = n.company_id, attributes = n.attributes,
    search_text = {_SEARCH_TEXT}, updated_at = %s
FROM now_known n LEFT JOIN contacts_company company ON company.id = n.company_id
WHERE c.id = n.id AND (
    c.email, c.phone, c.first_name, c.last_name, c.job_title, c.role, c.country, c.means, c.authority,
    c.details_confirmed, c.attributes, coalesce(c.company_id, 0)
) <> (
    n.email, n.phone, n.first_name, n.last_name, n.job_title, n.role, n.country, n.means, n.authority,
    n.details_confirmed, n.attributes, coalesce(n.company_id, 0))
"""  # noqa: S608  constants only
RENAME_COMPANY: Final = f"""
UPDATE contacts_contact n SET search_text = {_SEARCH_TEXT}
FROM contacts_company company
WHERE n.company_id = company.id AND company.id = ANY(%s)
"""  # noqa: S608  constants only


class AttributeRow(msgspec.Struct, gc=False):
    """One attribute took a value. ``value`` None clears it; ``source_id`` None marks what an address suggests."""

    contact_id: int
    name: str
    value: Any
    effective_at: datetime
    message: str
    source_id: int | None
    weak: bool = False
    origin_id: int | None = None


def lock_contacts(cursor: CursorWrapper, *, contact_ids: Sequence[int], company_ids: Sequence[int]) -> None:
    """Wait for others who change these contacts, or contacts of these (renamed) companies; in id order."""
    cursor.execute(LOCK_CONTACTS, [list(contact_ids), list(company_ids)])


def record_appearances(cursor: CursorWrapper, *, rows: Sequence[AttributeRow], received_at: datetime) -> None:
    """Record since when each address is known; evidence of an earlier first appearance moves it. Three statements."""
    payload = as_json(rows)
    cursor.execute(MOVE_FIRST_APPEARANCES, [payload])
    cursor.execute(INSERT_FIRST_APPEARANCES, [received_at, payload])
    cursor.execute(KEEP_FIRST_SEEN, [payload])


def record_attributes(
    cursor: CursorWrapper, *, rows: Sequence[AttributeRow], touched: Sequence[AttributeRow], received_at: datetime
) -> None:
    """Append ``rows`` to the history and bring the columns of ``rows`` and ``touched`` in step. Three statements.

    The contacts must be locked, or made by this transaction.
    """
    kept = _without_outdone(rows)
    if kept:
        payload = as_json(kept)
        cursor.execute(DELETE_PRECEDED, [payload])
        cursor.execute(INSERT_CHANGES, [received_at, payload])
    cursor.execute(UPDATE_CONTACTS, [as_json([*kept, *touched]), received_at])


def rename_companies(cursor: CursorWrapper, *, company_ids: Sequence[int]) -> None:
    """Let the contacts of renamed companies be found under the new name. One statement; they must be locked."""
    cursor.execute(RENAME_COMPANY, [list(company_ids)])


def _without_outdone(rows: Sequence[AttributeRow]) -> list[AttributeRow]:
    """Leave out the weak rows that another row of the same batch precedes; the tables are asked about the rest."""
    if not any(row.weak for row in rows):
        return list(rows)
    strong: dict[tuple[int, str], datetime] = {}
    weak: dict[tuple[int, str], AttributeRow] = {}
    for row in rows:
        key = (row.contact_id, row.name)
        if not row.weak:
            strong[key] = min(row.effective_at, strong.get(key, row.effective_at))
        elif key not in weak or (row.effective_at, row.message) < (weak[key].effective_at, weak[key].message):
            weak[key] = row
    return [
        *(row for row in rows if not row.weak),
        *(row for key, row in weak.items() if key not in strong or row.effective_at < strong[key]),
    ]
