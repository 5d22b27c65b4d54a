"""What a row would change: known contacts are read once a chunk, and only what differs is recorded.

Recording the same value again would be true but useless: every re-import would append to every history. What counts
is the value in force at the row's own moment, so a file with dates of its own is compared with the history.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from django.db.backends.utils import CursorWrapper

from contacts.ingest.csv_escaping import as_cell
from contacts.ingest.incoming import IncomingEvent, dedupe_id
from contacts.models import Source
from contacts.selectors.history import COUNTS, LATEST_FIRST
from contacts.services.identities import Resolution, resolve
from contacts.services.imports.engine import Change
from contacts.services.imports.rows import Row
from contacts.services.rows import Item, as_json

_FIND_KNOWN: Final = f"""
SELECT wanted.place, c.source_at,
    CASE WHEN wanted.at IS NULL THEN jsonb_build_object(
        'phone', c.phone, 'first_name', c.first_name, 'last_name', c.last_name, 'job_title', c.job_title,
        'role', c.role, 'country', c.country, 'means', c.means, 'authority', c.authority,
        'details_confirmed', c.details_confirmed, 'company', c.company_id, 'attributes', c.attributes)
    ELSE (
        SELECT coalesce(jsonb_object_agg(latest.name, latest.value), '{{}}')
        FROM (
            SELECT DISTINCT ON (o.name) o.name, o.value FROM contacts_attributechange o
            WHERE o.contact_id = c.id AND o.effective_at <= wanted.at AND {COUNTS}
            ORDER BY o.name, {LATEST_FIRST}
        ) latest
    ) END::text
FROM jsonb_to_recordset(%s::jsonb) AS wanted(place integer, id bigint, at timestamptz)
JOIN contacts_contact c ON c.id = wanted.id
"""  # noqa: S608  constants only
_FIND_COMPANIES: Final = """
SELECT id, name, normalised_name, domain, industry, employees, country FROM contacts_company
WHERE id = ANY(%s) OR domain = ANY(%s)
"""
_FIND_EVENTS: Final = "SELECT dedupe_id::text FROM contacts_event WHERE source_id = %s AND dedupe_id = ANY(%s::uuid[])"
_FIND_SUGGESTIONS: Final = """
SELECT contact_id, other_id FROM contacts_mergesuggestion WHERE contact_id = ANY(%s) OR other_id = ANY(%s)
"""
_NAMES_ANYBODY: Final = """
SELECT EXISTS (
    SELECT FROM jsonb_to_recordset(%s::jsonb) AS wanted(kind text, value text)
    JOIN contacts_identity i ON i.value = wanted.value AND i.kind = wanted.kind)
"""
_COMPANY_FIELDS: Final = ("industry", "employees", "country")


class _Wanted(msgspec.Struct):
    place: int
    id: int
    at: datetime | None


class _Name(msgspec.Struct, gc=False):
    kind: str
    value: str


class _Known(msgspec.Struct):
    """A contact as it was known at a row's moment. ``began_at`` is the moment of its earliest fact."""

    contact_id: int
    began_at: datetime | None
    values: dict[str, Any]


class _Company(msgspec.Struct):
    id: int
    name: str
    normalised_name: str
    domain: str | None
    industry: str
    employees: int | None
    country: str


class Comparison:
    """A chunk of rows against what is known; no two of the rows name the same contact.

    ``dated``: the rows carry moments of their own. A number of statements that does not depend on the number of rows.
    """

    def __init__(self, cursor: CursorWrapper, *, source: Source, rows: Sequence[Row], dated: bool) -> None:
        self._source_id = source.pk
        self._dated = dated
        self._recorded = _find_events(cursor, source, rows)
        self._known: dict[int, _Known] = {}
        self._growing: set[int] = set()
        self._companies: dict[int, _Company] = {}
        self._by_domain: dict[str, _Company] = {}
        if _names_anybody(cursor, rows):
            self._compare(cursor, source, rows)
        self._companies, self._by_domain = _find_companies(cursor, rows, self._known.values())

    def _compare(self, cursor: CursorWrapper, source: Source, rows: Sequence[Row]) -> None:
        items = [Item(row.message, None, dedupe_id(source.pk, row.message.message_id), list(row.names)) for row in rows]
        found = resolve(cursor, source=source, items=items)
        self._growing = {found.owners[name] for name in found.new_names} | _undecided(cursor, found)
        wanted = [
            _Wanted(item.event.index, item.contact_id, item.event.occurred_at if self._dated else None)
            for item in items
            if item.contact_id > 0
        ]
        if wanted:
            contact_ids = {one.place: one.id for one in wanted}
            cursor.execute(_FIND_KNOWN, [as_json(wanted)])
            for place, began_at, values in cursor.fetchall():
                self._known[place] = _Known(contact_ids[place], began_at, msgspec.json.decode(values))

    def is_known(self, row: Row) -> bool:
        """Whether the row names a contact that exists."""
        return row.message.index in self._known

    def message_for(self, row: Row) -> IncomingEvent | None:
        """The row's message reduced to what is new; None when the row says nothing new."""
        known = self._known.get(row.message.index)
        message = row.message
        if row.event_id:
            if dedupe_id(self._source_id, row.event_id) in self._recorded:
                message = msgspec.structs.replace(message, kind=None, properties={})
            else:
                message = msgspec.structs.replace(message, message_id=row.event_id)
        if known is None:
            return self._without_known_company(message)
        news = {name: value for name, value in message.traits.items() if not self._is_in_force(name, value, known)}
        message = msgspec.structs.replace(message, traits=news)
        earlier = known.began_at is None or message.occurred_at < known.began_at
        if message.kind is None and not message.traits and not earlier and known.contact_id not in self._growing:
            return None
        return message

    def _without_known_company(self, message: IncomingEvent) -> IncomingEvent:
        """A newcomer's message without what its company, named by its domain, is known to be already."""
        given = message.traits.get("company")
        company = self._by_domain.get(given.get("domain", "")) if given else None
        if given is None or company is None or self._dated:
            return message
        news = {name: value for name, value in given.items() if name == "domain" or value != getattr(company, name)}
        return msgspec.structs.replace(message, traits={**message.traits, "company": news})

    def changes(self, row: Row, message: IncomingEvent) -> list[Change]:
        """What the message of a known contact's row would change, as texts before and after."""
        known = self._known[row.message.index]
        found: list[Change] = []
        for name, value in message.traits.items():
            if name == "company":
                company = self._companies.get(known.values.get("company") or 0)
                old = (company.name or company.domain or "") if company is not None else ""
                found.append(Change(name, old, ", ".join(str(part) for part in value.values() if part is not None)))
            else:
                found.append(Change(name, _as_text(self._current(name, known)), _as_text(value)))
        return found

    def _current(self, name: str, known: _Known) -> Any:
        attributes = known.values.get("attributes")
        if name.startswith("attributes.") and attributes is not None:
            return attributes.get(name.removeprefix("attributes."))
        return known.values.get(name)

    def _is_in_force(self, name: str, value: Any, known: _Known) -> bool:
        if name == "company":
            return self._is_company_in_force(value, known.values.get("company"))
        current = self._current(name, known)
        if isinstance(value, str) and not isinstance(current, str):
            # A cell is text: one that reads as the number, the truth or the list that is known says nothing new.
            return current is not None and as_cell(current) == value
        return bool(current == value) and isinstance(current, bool) == isinstance(value, bool)

    def _is_company_in_force(self, given: Mapping[str, Any], company_id: int | None) -> bool:
        company = self._companies.get(company_id) if company_id is not None else None
        if company is None:
            return False
        domain, name = given.get("domain"), given.get("name")
        if domain and domain != company.domain:
            # A name that contradicted the domain's company made a company of its own, known by that name alone.
            other = self._by_domain.get(domain)
            if company.domain is not None or other is None or not name:
                return False
        if name and name != company.name:
            return False
        return all(given[field] in {None, "", getattr(company, field)} for field in _COMPANY_FIELDS if field in given)


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _names_anybody(cursor: CursorWrapper, rows: Sequence[Row]) -> bool:
    """Whether somebody of a chunk is known: of a first import nobody is, which saves asking everything else."""
    if any(row.message.id is not None for row in rows):
        return True
    names = [_Name(kind, value) for row in rows for kind, value in row.names]
    cursor.execute(_NAMES_ANYBODY, [as_json(names)])
    return bool(cursor.fetchone()[0])


def _undecided(cursor: CursorWrapper, found: Resolution) -> set[int]:
    """Return the contacts that rows name together with others, where no merge suggestion says so yet."""
    if not found.suggestions:
        return set()
    contact_ids = [contact_id for contact_id, _ in found.suggestions]
    cursor.execute(_FIND_SUGGESTIONS, [contact_ids, contact_ids])
    filed = set(cursor.fetchall())
    return {one for one, other in found.suggestions if (min(one, other), max(one, other)) not in filed}


def _find_companies(
    cursor: CursorWrapper, rows: Sequence[Row], known: Iterable[_Known]
) -> tuple[dict[int, _Company], dict[str, _Company]]:
    given = [row.message.traits["company"] for row in rows if row.message.traits.get("company")]
    if not given:
        return {}, {}
    company_ids = sorted({one.values["company"] for one in known if one.values.get("company")})
    cursor.execute(_FIND_COMPANIES, [company_ids, [one["domain"] for one in given if one.get("domain")]])
    companies = [_Company(*row) for row in cursor.fetchall()]
    return (
        {company.id: company for company in companies},
        {company.domain: company for company in companies if company.domain},
    )


def _find_events(cursor: CursorWrapper, source: Source, rows: Sequence[Row]) -> frozenset[Any]:
    ids = [dedupe_id(source.pk, row.event_id) for row in rows if row.event_id]
    if not ids:
        return frozenset()
    cursor.execute(_FIND_EVENTS, [source.pk, ids])
    return frozenset(recorded for (recorded,) in cursor.fetchall())
