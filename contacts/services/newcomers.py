"""Writing contacts that a large batch makes: as finished rows, instead of blank ones that are then brought in step.

Nobody else can see such a contact before the batch is committed, so all that is known of it is in the batch: which
value is in force is decided here under the rule of contacts/selectors/history.py, and the history needs no comparison.
The rows are those that the statements of contacts/services/traits.py and beginnings.py would have left.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from django.db import connection
from django.db.backends.utils import CursorWrapper

from contacts.services.beginnings import BeginningRow
from contacts.services.traits import ANSWERS, TEXTS, AttributeRow

# From so many on COPY of finished rows is faster than the statements, which are fewer.
MANY: Final = 100
_ATTRIBUTES: Final = "attributes."
_COPY_CHANGES: Final = """
COPY contacts_attributechange (
    contact_id, name, value, effective_at, received_at, source_id, message, weak, origin_contact_id) FROM STDIN
"""
_COPY_CONTACTS: Final = f"""
COPY contacts_contact (
    id, {", ".join(TEXTS)}, {", ".join(ANSWERS)}, details_confirmed, company_id, attributes, source_channel,
    source_direction, source_motion, source_campaign, source_at, source_message, search_text, created_at, updated_at)
FROM STDIN
"""
_FIND_COMPANY_NAMES: Final = "SELECT id, name FROM contacts_company WHERE id = ANY(%s)"
_LOWER: Final = "SELECT lower(t.text) FROM unnest(%s::text[]) WITH ORDINALITY AS t(text, place) ORDER BY t.place"
_encode: Final = msgspec.json.Encoder().encode


def write_newcomers(
    cursor: CursorWrapper,
    *,
    contact_ids: Sequence[int],
    rows: Sequence[AttributeRow],
    beginnings: Iterable[BeginningRow],
    received_at: datetime,
) -> None:
    """Write contacts with all that ``rows``, everything the batch says of them, amounts to. At most four statements.

    ``contact_ids`` were allocated by this transaction; ``beginnings`` has at most one for each.
    """
    in_force = _fold(rows)
    company_ids = {values["company"] for values in in_force.values() if values.get("company") is not None}
    company_names: dict[int, str] = {}
    if company_ids:
        cursor.execute(_FIND_COMPANY_NAMES, [list(company_ids)])
        company_names = dict(cursor.fetchall())
    known = [in_force.get(contact_id, {}) for contact_id in contact_ids]
    searched = _lower(cursor, [_search_text(values, company_names) for values in known])
    began = {row.contact_id: row for row in beginnings}
    arrival = received_at.isoformat()
    _copy(
        cursor,
        _COPY_CONTACTS,
        [
            _contact_line(contact_id, values, began.get(contact_id), search_text, arrival)
            for contact_id, values, search_text in zip(contact_ids, known, searched, strict=True)
        ],
    )
    _copy(cursor, _COPY_CHANGES, _change_lines(rows, arrival))


def _fold(rows: Iterable[AttributeRow]) -> dict[int, dict[str, Any]]:
    """The values in force, by contact and name: the latest strong row's, else the earliest weak one's."""
    best: dict[int, dict[str, AttributeRow]] = {}
    for row in rows:
        of_contact = best.get(row.contact_id)
        if of_contact is None:
            best[row.contact_id] = {row.name: row}
            continue
        other = of_contact.get(row.name)
        if other is None or _counts_before(row, other):
            of_contact[row.name] = row
    return {
        contact_id: {name: row.value for name, row in of_contact.items()} for contact_id, of_contact in best.items()
    }


def _counts_before(row: AttributeRow, other: AttributeRow) -> bool:
    if row.weak != other.weak:
        return other.weak
    is_later = (row.effective_at, row.message) > (other.effective_at, other.message)
    return is_later != row.weak


def _search_text(values: Mapping[str, Any], company_names: Mapping[int, str]) -> str:
    parts = [values.get(name) for name in ("first_name", "last_name", "email")]
    parts.append(company_names.get(values.get("company") or 0))
    return " ".join(part for part in parts if part)


def _lower(cursor: CursorWrapper, texts: list[str]) -> list[str]:
    """Lower-case as PostgreSQL does, which is asked about what is not plain ASCII."""
    lowered = [text.lower() for text in texts]
    foreign = [place for place, text in enumerate(texts) if not text.isascii()]
    if foreign:
        cursor.execute(_LOWER, [[texts[place] for place in foreign]])
        for place, (text,) in zip(foreign, cursor.fetchall(), strict=True):
            lowered[place] = text
    return lowered


def _contact_line(
    contact_id: int, values: Mapping[str, Any], began: BeginningRow | None, search_text: str, arrival: str
) -> str:
    free = {
        name.removeprefix(_ATTRIBUTES): value
        for name, value in values.items()
        if value is not None and name.startswith(_ATTRIBUTES)
    }
    company_id = values.get("company")
    fields = [
        *(values.get(name) or "" for name in TEXTS),
        *(values.get(name) or "unknown" for name in ANSWERS),
        "t" if values.get("details_confirmed") else "f",
    ]
    source = (
        (began.channel, began.direction, began.motion, began.campaign, began.at.isoformat(), began.message)
        if began is not None
        else ("", "", "", "", None, None)
    )
    return (
        f"{contact_id}\t"
        + "\t".join(map(_text, fields))
        + f"\t{_plain(company_id)}\t{_text(_encode(free).decode())}\t"
        + "\t".join(_NULL if part is None else _text(part) for part in source)
        + f"\t{_text(search_text)}\t{arrival}\t{arrival}\n"
    )


def _change_lines(rows: Iterable[AttributeRow], arrival: str) -> list[str]:
    moments: dict[datetime, str] = {}
    names: dict[str, str] = {}
    lines: list[str] = []
    for row in rows:
        at = moments.get(row.effective_at)
        if at is None:
            at = moments[row.effective_at] = row.effective_at.isoformat()
        name = names.get(row.name)
        if name is None:
            name = names[row.name] = _text(row.name)
        # JSON has no tabs or line ends of its own.
        value = _NULL if row.value is None else _encode(row.value).decode().replace("\\", "\\\\")
        source_id = _NULL if row.source_id is None else row.source_id
        origin_id = _NULL if row.origin_id is None else row.origin_id
        lines.append(
            f"{row.contact_id}\t{name}\t{value}\t{at}\t{arrival}\t{source_id}\t{row.message}"
            f"\t{'t' if row.weak else 'f'}\t{origin_id}\n"
        )
    return lines


_NULL: Final = r"\N"
_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def _text(value: str) -> str:
    return value.translate(_ESCAPES) if not value.isprintable() or "\\" in value else value


def _plain(value: Any) -> str:
    return _NULL if value is None else str(value)


def _copy(cursor: CursorWrapper, sql: str, lines: Sequence[str]) -> None:
    # Django wraps the errors of execute(), not those of COPY.
    with connection.wrap_database_errors:
        cursor.copy_expert(sql, io.StringIO("".join(lines)))
