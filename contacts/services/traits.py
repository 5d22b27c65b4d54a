"""What is known about contacts: appending to the history of their attributes, and keeping the columns in step.

Rows are only ever appended. Which of them count, in particular of the weak ones that only fill, is decided where they
are read (contacts/selectors/history.py). Two rows of an address, since when it is known and the company that it
suggests, follow from all messages that show it, and move when an earlier one arrives.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from django.db.backends.utils import CursorWrapper

from contacts.selectors.folding import folded
from contacts.selectors.history import value_in_force
from contacts.services.rows import as_json

_ROWS: Final = """jsonb_to_recordset(%s::jsonb) AS r(
    contact_id bigint, name text, value jsonb, effective_at timestamptz, message uuid, source_id bigint,
    weak boolean, origin_id bigint)"""
_COLUMNS: Final = """(
    contact_id, origin_contact_id, name, value, effective_at, received_at, source_id, message, weak)
SELECT r.contact_id, r.origin_id, r.name, r.value, r.effective_at, %s, r.source_id, r.message, r.weak"""

# Ahead of the rows: whoever changes attributes of a contact waits here for others who do, always in id order.
LOCK_CONTACTS: Final = """
SELECT id FROM contacts_contact WHERE id = ANY(%s) OR company_id = ANY(%s) ORDER BY id FOR NO KEY UPDATE
"""
MOVE_FIRST_APPEARANCES: Final = f"""
UPDATE contacts_attributechange o SET effective_at = r.effective_at
FROM {_ROWS}
WHERE o.contact_id = r.contact_id AND o.name = r.name AND o.message = r.message AND o.source_id IS NULL
    AND o.effective_at > r.effective_at
"""  # noqa: S608  constants only
KEEP_FIRST_SEEN: Final = f"""
UPDATE contacts_identity i SET seen_at = r.effective_at
FROM {_ROWS}
WHERE r.name = 'email' AND i.kind = 'email' AND i.value = r.value #>> '{{}}'
    AND (i.seen_at IS NULL OR i.seen_at > r.effective_at)
"""  # noqa: S608  constants only
INSERT_FIRST_APPEARANCES: Final = f"""
INSERT INTO contacts_attributechange {_COLUMNS}
FROM {_ROWS}
WHERE NOT EXISTS (
    SELECT FROM contacts_attributechange o
    WHERE o.contact_id = r.contact_id AND o.name = r.name AND o.message = r.message AND o.source_id IS NULL)
"""
INSERT_CHANGES: Final = f"""
INSERT INTO contacts_attributechange {_COLUMNS}
FROM {_ROWS}
ON CONFLICT (contact_id, name, weak, effective_at, message, source_id) DO NOTHING
"""
_SEARCH_TEXT: Final = folded(
    "concat_ws(' ', nullif(n.first_name, ''), nullif(n.last_name, ''), nullif(n.email, ''), nullif(company.name, ''))"
)
TEXTS: Final = ("email", "phone", "first_name", "last_name", "job_title", "role", "country")
ANSWERS: Final = ("means", "authority")
_COMPARED: Final = (
    ", ".join(f"{{0}}.{name}" for name in (*TEXTS, *ANSWERS, "details_confirmed", "attributes"))
    + ", coalesce({0}.company_id, 0)"
)


def _bring_in_step(*, touched: str, anew: bool) -> str:
    """Return SQL that sets columns to the values in force, those of names in ``touched`` (contact_id, name).

    ``anew``: all columns of the contacts of a second parameter, blank where nothing is in force; else what was not
    touched stays, and a contact of whom nothing changed is not written.
    """
    said = [
        *((name, f"coalesce(f.said ->> '{name}', '')", "''") for name in TEXTS),
        *((name, f"coalesce(f.said ->> '{name}', 'unknown')", "'unknown'") for name in ANSWERS),
        ("details_confirmed", "coalesce((f.said ->> 'details_confirmed')::boolean, false)", "false"),
        ("company", "(f.said ->> 'company')::bigint", "NULL"),
    ]
    columns = {name: f"{name}_id" if name == "company" else name for name, _, _ in said}
    otherwise = {name: blank if anew else f"c.{columns[name]}" for name, _, blank in said}
    values = ",\n        ".join(
        f"CASE WHEN f.said ? '{name}' THEN {value} ELSE {otherwise[name]} END AS {columns[name]}"
        for name, value, _ in said
    )
    return f"""
WITH in_force AS (
    SELECT touched.contact_id, touched.name, latest.value
    FROM ({touched}) touched
    CROSS JOIN LATERAL ({value_in_force(contact="touched.contact_id", name="touched.name")}) latest
), folded AS (
    SELECT contact_id,
        coalesce(jsonb_object_agg(name, value) FILTER (WHERE name NOT LIKE 'attributes.%%'), '{{}}') AS said,
        coalesce(jsonb_object_agg(substr(name, 12), value) FILTER (WHERE name LIKE 'attributes.%%'), '{{}}') AS free
    FROM in_force GROUP BY contact_id
), now_known AS (
    SELECT c.id,
        {values},
        ({"'{}'::jsonb" if anew else "c.attributes"} || coalesce(f.free, '{{}}'))
            - ARRAY(SELECT e.key FROM jsonb_each(f.free) e WHERE e.value = 'null') AS attributes
    FROM contacts_contact c {"LEFT JOIN" if anew else "JOIN"} folded f ON f.contact_id = c.id
    {"WHERE c.id = ANY(%s)" if anew else ""}
)
UPDATE contacts_contact c SET
    {", ".join(f"{column} = n.{column}" for column in (*columns.values(), "attributes"))},
    search_text = {_SEARCH_TEXT}, updated_at = %s
FROM now_known n LEFT JOIN contacts_company company ON company.id = n.company_id
WHERE c.id = n.id {"" if anew else f"AND ({_COMPARED.format('c')}) <> ({_COMPARED.format('n')})"}
"""  # noqa: S608  constants only


UPDATE_CONTACTS: Final = _bring_in_step(touched=f"SELECT DISTINCT r.contact_id, r.name FROM {_ROWS}", anew=False)  # noqa: S608
RESTATE_CONTACTS: Final = _bring_in_step(
    touched="SELECT DISTINCT o.contact_id, o.name FROM contacts_attributechange o WHERE o.contact_id = ANY(%s)",
    anew=True,
)
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
    """Record what addresses tell by themselves; evidence of an earlier first appearance moves it. Three statements.

    The columns are not brought in step: ``record_attributes`` does that with its own.
    """
    payload = as_json(rows)
    cursor.execute(MOVE_FIRST_APPEARANCES, [payload])
    cursor.execute(INSERT_FIRST_APPEARANCES, [received_at, payload])
    cursor.execute(KEEP_FIRST_SEEN, [payload])


def record_attributes(
    cursor: CursorWrapper, *, rows: Sequence[AttributeRow], touched: Sequence[AttributeRow], received_at: datetime
) -> None:
    """Append ``rows`` to the history and bring the columns of ``rows`` and ``touched`` in step. Two statements.

    The contacts must be locked, or made by this transaction.
    """
    if rows:
        cursor.execute(INSERT_CHANGES, [received_at, as_json(rows)])
    cursor.execute(UPDATE_CONTACTS, [as_json([*rows, *touched]), received_at])


def restate_contacts(cursor: CursorWrapper, *, contact_ids: Sequence[int], now: datetime) -> None:
    """Rebuild all columns of these contacts that hold attributes from their history, after rows came or went.

    What no row speaks of becomes blank. One statement; the contacts must be locked.
    """
    cursor.execute(RESTATE_CONTACTS, [list(contact_ids), list(contact_ids), now])


def rename_companies(cursor: CursorWrapper, *, company_ids: Sequence[int]) -> None:
    """Let the contacts of renamed companies be found under the new name. One statement; they must be locked."""
    cursor.execute(RENAME_COMPANY, [list(company_ids)])
