"""Which company a message speaks of, and what it says about it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from django.contrib.auth.models import User
from django.db.backends.utils import CursorWrapper

from contacts.enums import SourceKind
from contacts.ingest.identifiers import normalise_company_name
from contacts.ingest.incoming import IngestionWarning
from contacts.models import Source
from contacts.services.rows import Item, Raced, as_json

ATTRIBUTES: Final = ("name", "industry", "employees", "country")

# Of several companies of one name the oldest is meant, one that is known by name alone before all others.
FIND_COMPANIES: Final = """
SELECT id, name, normalised_name, domain FROM contacts_company
WHERE domain = ANY(%s) OR normalised_name = ANY(%s)
ORDER BY domain IS NOT NULL, id
"""
ALLOCATE_IDS: Final = """
SELECT nextval(pg_get_serial_sequence('contacts_company', 'id')) FROM generate_series(1, %s)
"""
INSERT_COMPANIES: Final = """
INSERT INTO contacts_company (id, name, normalised_name, domain, industry, country, created_at, updated_at)
SELECT r.id, r.name, r.normalised_name, r.domain, '', '', %s, %s
FROM jsonb_to_recordset(%s::jsonb) AS r(id bigint, name text, normalised_name text, domain text)
ORDER BY r.domain NULLS LAST, r.normalised_name
ON CONFLICT DO NOTHING
"""
# Ahead of all locks on contacts: their updates lock the company that they point to.
LOCK_COMPANIES: Final = "SELECT id FROM contacts_company WHERE id = ANY(%s) ORDER BY id FOR UPDATE"
SET_DOMAINS: Final = """
UPDATE contacts_company c SET domain = r.domain, updated_at = %s
FROM jsonb_to_recordset(%s::jsonb) AS r(id bigint, domain text)
WHERE c.id = r.id AND c.domain IS NULL AND NOT EXISTS (SELECT FROM contacts_company o WHERE o.domain = r.domain)
"""
SET_NORMALISED_NAMES: Final = """
UPDATE contacts_company c SET normalised_name = r.normalised_name
FROM jsonb_to_recordset(%s::jsonb) AS r(id bigint, normalised_name text)
WHERE c.id = r.id AND c.normalised_name = ''
"""
INSERT_CHANGES: Final = """
INSERT INTO contacts_companychange (company_id, name, value, effective_at, received_at, source_id, by_id, message)
SELECT r.company_id, r.name, r.value, r.effective_at, %s, %s, %s, r.message
FROM jsonb_to_recordset(%s::jsonb)
    AS r(company_id bigint, name text, value jsonb, effective_at timestamptz, message uuid)
ON CONFLICT (company_id, name, effective_at, message) DO NOTHING
"""
# What was not already so just before: only then anybody who is or was with the company must be judged again.
FIND_REAL_CHANGES: Final = """
SELECT r.company_id, min(r.effective_at), bool_or(r.name = 'name')
FROM jsonb_to_recordset(%s::jsonb)
    AS r(company_id bigint, name text, value jsonb, effective_at timestamptz, message uuid)
LEFT JOIN LATERAL (
    SELECT o.value FROM contacts_companychange o
    WHERE o.company_id = r.company_id AND o.name = r.name
        AND (o.effective_at, o.message) < (r.effective_at, r.message)
    ORDER BY o.effective_at DESC, o.message DESC LIMIT 1
) before ON true
WHERE coalesce(before.value, 'null') <> coalesce(r.value, 'null')
GROUP BY r.company_id
ORDER BY r.company_id
"""
UPDATE_COMPANIES: Final = """
UPDATE contacts_company c SET
    name = CASE WHEN f.changed ? 'name' THEN coalesce(f.changed ->> 'name', '') ELSE c.name END,
    industry = CASE WHEN f.changed ? 'industry' THEN coalesce(f.changed ->> 'industry', '') ELSE c.industry END,
    country = CASE WHEN f.changed ? 'country' THEN coalesce(f.changed ->> 'country', '') ELSE c.country END,
    employees = CASE WHEN f.changed ? 'employees' THEN (f.changed ->> 'employees')::integer ELSE c.employees END,
    updated_at = %s
FROM (
    SELECT touched.company_id, jsonb_object_agg(touched.name, in_force.value) AS changed
    FROM (
        SELECT DISTINCT r.company_id, r.name FROM jsonb_to_recordset(%s::jsonb) AS r(company_id bigint, name text)
    ) touched
    CROSS JOIN LATERAL (
        SELECT o.value FROM contacts_companychange o
        WHERE o.company_id = touched.company_id AND o.name = touched.name
        ORDER BY o.effective_at DESC, o.message DESC LIMIT 1
    ) in_force
    GROUP BY touched.company_id
) f
WHERE c.id = f.company_id AND c.id = ANY(%s)
"""


class CompanyCall(msgspec.Struct):
    """One message's mention of a company: what it gives, and the company once that is found."""

    item: Item
    given: dict[str, Any]
    company_id: int = 0


class Companies(msgspec.Struct):
    """What came of the mentions: companies whose attributes really changed, and the warnings."""

    changed: dict[int, datetime] = {}
    renamed: list[int] = []
    warnings: list[IngestionWarning] = []


class _New(msgspec.Struct):
    id: int
    name: str
    normalised_name: str
    domain: str | None


class _Known(msgspec.Struct):
    id: int
    normalised_name: str
    domain: str | None


class CompanyRow(msgspec.Struct):
    """One attribute of a company took a value. ``value`` None clears it."""

    company_id: int
    name: str
    value: Any
    effective_at: datetime
    message: str


class _Directory(msgspec.Struct):
    """The companies that a batch may mean; those it makes have negative ids until they are written."""

    by_domain: dict[str, _Known] = {}
    by_name: dict[str, _Known] = {}
    created: list[_New] = []
    domains: dict[int, str] = {}
    names: dict[int, str] = {}

    def create(self, name: str, domain: str | None) -> _Known:
        normalised = normalise_company_name(name)
        company = _Known(-len(self.created) - 1, normalised, domain)
        self.created.append(_New(company.id, name, normalised, domain))
        if domain is not None:
            self.by_domain[domain] = company
        if normalised:
            self.by_name.setdefault(normalised, company)
        return company


def record_companies(
    cursor: CursorWrapper, *, source: Source, calls: Sequence[CompanyCall], received_at: datetime
) -> Companies:
    """Find or make the company of each call and record what is said about it. At most seven statements.

    A company resolves by domain, else by its exact normalised name. A name that contradicts the domain's company makes
    a company of its own and a warning, never an overwrite. A public source leads to companies and describes none.

    Raises:
        Raced: a concurrent writer was first with one of the companies.
    """
    outcome = Companies()
    if not calls:
        return outcome
    directory = _look_up(cursor, calls)
    public = source.kind == SourceKind.PUBLIC
    for call in calls:
        _find(call, directory, outcome, public=public)
    _write_new(cursor, calls, directory, received_at)
    changes = [] if public else _changes_of(calls)
    existing = sorted({change.company_id for change in changes} | directory.domains.keys() | directory.names.keys())
    if not existing:
        return outcome
    lock_companies(cursor, company_ids=existing)
    if directory.domains:
        rows = [{"id": company_id, "domain": domain} for company_id, domain in directory.domains.items()]
        cursor.execute(SET_DOMAINS, [received_at, as_json(rows)])
        if cursor.rowcount != len(rows):
            raise Raced
    if directory.names:
        rows = [{"id": company_id, "normalised_name": name} for company_id, name in directory.names.items()]
        cursor.execute(SET_NORMALISED_NAMES, [as_json(rows)])
    if changes:
        append_changes(cursor, source=source, changes=changes, received_at=received_at, outcome=outcome)
    return outcome


def lock_companies(cursor: CursorWrapper, *, company_ids: Sequence[int]) -> None:
    """Wait for others who change these companies; in id order, ahead of any lock on contacts."""
    cursor.execute(LOCK_COMPANIES, [list(company_ids)])


def append_changes(
    cursor: CursorWrapper,
    *,
    source: Source,
    changes: Sequence[CompanyRow],
    received_at: datetime,
    outcome: Companies,
    by: User | None = None,
) -> None:
    """Append to the history of locked companies and bring their columns in step. Three statements."""
    payload = as_json(changes)
    cursor.execute(INSERT_CHANGES, [received_at, source.pk, by.pk if by else None, payload])
    cursor.execute(FIND_REAL_CHANGES, [payload])
    for company_id, since, renamed in cursor.fetchall():
        outcome.changed[company_id] = since
        if renamed:
            outcome.renamed.append(company_id)
    cursor.execute(UPDATE_COMPANIES, [received_at, payload, list(outcome.changed)])


def _look_up(cursor: CursorWrapper, calls: Iterable[CompanyCall]) -> _Directory:
    domains = sorted({call.given["domain"] for call in calls if call.given.get("domain")})
    names = sorted({normalise_company_name(call.given["name"]) for call in calls if call.given.get("name")})
    directory = _Directory()
    cursor.execute(FIND_COMPANIES, [domains, [name for name in names if name]])
    for company_id, _, normalised_name, domain in cursor.fetchall():
        company = _Known(company_id, normalised_name, domain)
        if domain is not None:
            directory.by_domain[domain] = company
        if normalised_name:
            directory.by_name.setdefault(normalised_name, company)
    return directory


def _find(call: CompanyCall, directory: _Directory, outcome: Companies, *, public: bool) -> None:
    name, domain = call.given.get("name") or "", call.given.get("domain")
    normalised = normalise_company_name(name)
    company = directory.by_domain.get(domain) if domain else None
    if company is not None and normalised and company.normalised_name not in {"", normalised}:
        event = call.item.event
        outcome.warnings.append(
            IngestionWarning(
                index=event.index,
                message_id=event.message_id,
                code="company_contradicts_domain",
                field="traits.company.name",
                message=f"The domain {domain} belongs to another company; “{name}” was kept as one of its own.",
            )
        )
        company, domain = None, None
    if company is None and normalised:
        company = directory.by_name.get(normalised)
        if company is not None and domain:
            company = _give_domain(company, domain, directory)
    if company is None:
        company = directory.create(name, domain)
    if normalised and not company.normalised_name and not public:
        company.normalised_name = normalised
        if company.id > 0:
            directory.names[company.id] = normalised
        else:
            directory.created[-company.id - 1].normalised_name = normalised
        directory.by_name.setdefault(normalised, company)
    call.company_id = company.id


def _give_domain(company: _Known, domain: str, directory: _Directory) -> _Known | None:
    """Let a company that was known by name alone have a domain; None where it has another already."""
    if company.domain is not None:
        return None
    company.domain = domain
    directory.by_domain[domain] = company
    if company.id > 0:
        directory.domains[company.id] = domain
    else:
        directory.created[-company.id - 1].domain = domain
    return company


def _write_new(
    cursor: CursorWrapper, calls: Iterable[CompanyCall], directory: _Directory, received_at: datetime
) -> None:
    if not directory.created:
        return
    cursor.execute(ALLOCATE_IDS, [len(directory.created)])
    for company, (company_id,) in zip(directory.created, cursor.fetchall(), strict=True):
        company.id = company_id
    for call in calls:
        if call.company_id < 0:
            call.company_id = directory.created[-call.company_id - 1].id
    cursor.execute(INSERT_COMPANIES, [received_at, received_at, as_json(directory.created)])
    if cursor.rowcount != len(directory.created):
        raise Raced


def _changes_of(calls: Iterable[CompanyCall]) -> list[CompanyRow]:
    return [
        CompanyRow(call.company_id, name, call.given[name], call.item.event.occurred_at, call.item.dedupe_id)
        for call in calls
        for name in ATTRIBUTES
        if name in call.given
    ]
