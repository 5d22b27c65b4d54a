"""Writing contacts that a large batch makes: as finished rows, instead of blank ones that are then brought in step.

Nobody else can see such a contact before the batch is committed, so all that is known of it is in the batch: which
value is in force is decided here under the rule of contacts/selectors/history.py, and the history needs no comparison.
The rows are those that the statements of contacts/services/traits.py and beginnings.py would have left.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from django.db.backends.utils import CursorWrapper

from contacts.selectors.folding import fold_texts
from contacts.services.beginnings import BeginningRow
from contacts.services.copying import NULL, Moments, copy_lines, fields, json_field
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


def are_many(contact_ids: Sequence[int]) -> bool:
    """Tell whether so many new contacts are to be written by `write_newcomers`."""
    return len(contact_ids) >= MANY


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
    searched = fold_texts(cursor, [_search_text(values, company_names) for values in known])
    began = {row.contact_id: row for row in beginnings}
    moments = Moments()
    arrival = moments[received_at]
    copy_lines(
        cursor,
        _COPY_CONTACTS,
        [
            _contact_line(contact_id, values, began.get(contact_id), search_text, arrival, moments)
            for contact_id, values, search_text in zip(contact_ids, known, searched, strict=True)
        ],
    )
    copy_lines(cursor, _COPY_CHANGES, _change_lines(rows, arrival, moments))


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


def _contact_line(
    contact_id: int,
    values: Mapping[str, Any],
    began: BeginningRow | None,
    search_text: str,
    arrival: str,
    moments: Moments,
) -> str:
    free = {
        name.removeprefix(_ATTRIBUTES): value
        for name, value in values.items()
        if value is not None and name.startswith(_ATTRIBUTES)
    }
    get = values.get
    company_id = get("company")
    attributes = json_field(free) if free else "{}"
    known = fields([*[get(name) or "" for name in TEXTS], *[get(name) or "unknown" for name in ANSWERS]])
    where, when = "\t\t\t", f"{NULL}\t{NULL}"
    if began is not None:
        where = fields([began.channel, began.direction, began.motion, began.campaign])
        when = f"{moments[began.at]}\t{began.message}"
    return (
        f"{contact_id}\t{known}\t{'t' if get('details_confirmed') else 'f'}"
        f"\t{NULL if company_id is None else company_id}\t{attributes}\t{where}\t{when}"
        f"\t{fields([search_text])}\t{arrival}\t{arrival}\n"
    )


def _change_lines(rows: Iterable[AttributeRow], arrival: str, moments: Moments) -> list[str]:
    names: dict[str, str] = {}
    lines: list[str] = []
    for row in rows:
        name = names.get(row.name)
        if name is None:
            name = names[row.name] = fields([row.name])
        value = NULL if row.value is None else json_field(row.value)
        source_id = NULL if row.source_id is None else row.source_id
        origin_id = NULL if row.origin_id is None else row.origin_id
        lines.append(
            f"{row.contact_id}\t{name}\t{value}\t{moments[row.effective_at]}\t{arrival}\t{source_id}\t{row.message}"
            f"\t{'t' if row.weak else 'f'}\t{origin_id}\n"
        )
    return lines
