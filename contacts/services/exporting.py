"""CSV exports: streamed as they are read, safe to open in a spreadsheet, and fit to be imported again.

Columns bear the names that an import recognises (contacts/ingest/csv_mapping.py). What an import cannot set, for it
follows from the facts, bears a name that begins with ``ripen_``, which imports leave aside.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils import timezone

from contacts.audit import AuditAct, AuditThing
from contacts.enums import Answer
from contacts.ingest.csv_escaping import as_cell, escape
from contacts.ingest.csv_mapping import What, is_target
from contacts.models import Contact, Source
from contacts.permissions import check_export, check_manage_sources
from contacts.registry import definition_in_force
from contacts.selectors import exporting
from contacts.selectors.browse import Query
from contacts.services.auditing import record_act

logger = structlog.get_logger(__name__)

# Spreadsheets take a file for UTF-8 when it begins so.
_MARK: Final = "\ufeff"

Row = Mapping[str, Any]
# What a column shows of a row: an entry of it, or what a function makes of it.
Cell = str | Callable[[Row], Any]


@dataclass(frozen=True, slots=True)
class Table:
    """What is exported: columns by header, the rows, and free fields that become columns as far as they can.

    ``free``: the entry of a row that holds free fields (``attributes``), under which name their columns go, and how to
    find out which there are: that may take a while, so it is asked only when the first bytes are on their way.
    """

    columns: Mapping[str, Cell]
    rows: Iterable[list[dict[str, Any]]]
    free: str = ""
    keys: Callable[[], Sequence[str]] = tuple
    what: What = "contacts"


def export_contacts(
    *,
    query: Query,
    by: User,
    now: datetime | None = None,
    columns: Sequence[str] = (),
    chosen: Sequence[int] | None = None,
) -> Iterator[bytes]:
    """Return the contacts that the list shows for ``query`` as CSV, in parts, oldest contact first.

    ``columns``: keys of the list's columns, of which only those are written, behind what names the contact; all there
    is by default. ``chosen``: of these contacts only.

    Raises:
        PermissionDenied: ``by`` may not export.
    """
    check_export(by)
    in_force = definition_in_force()
    rows = exporting.contacts_of_view(query, stages=list(in_force.labels), now=now or timezone.now(), chosen=chosen)
    cells = {
        **_CONTACT_COLUMNS,
        "ripen_stage": _stage_of(in_force.label),
        "ripen_furthest_stage": _stage_of(in_force.label, "standing__furthest_stage"),
    }
    if columns:
        wanted = {*_NAMING, *(header for key in columns for header in _OF_COLUMN.get(key, ()))}
        table = Table(
            {header: cell for header, cell in cells.items() if header in wanted}, exporting.contact_rows(rows)
        )
    else:
        table = Table(cells, exporting.contact_rows(rows), "attributes", _attribute_keys(rows))
    return _told(stream_table(table), what="contacts", by=by, filters=query.in_force())


def export_events(*, contact: Contact, by: User) -> Iterator[bytes]:
    """Return the events of a contact as CSV, in parts, in the order in which they arrived.

    Raises:
        PermissionDenied: ``by`` may not export.
    """
    check_export(by)
    # Of several names of a kind the first one stands, as in the export of contacts.
    names = {"email": "", "external_id": "", "anonymous_id": ""}
    names.update(contact.identities.order_by("-id").values_list("kind", "value"))
    names["email"] = contact.email or names["email"]
    columns: dict[str, Cell] = {
        "message_id": "message_id",
        "kind": "kind__name",
        "occurred_at": _moment("occurred_at"),
        **{kind: _always(value) for kind, value in names.items()},
        **_EVENT_COLUMNS,
    }
    table = Table(
        columns,
        exporting.event_rows(contact.pk),
        "properties",
        lambda: exporting.property_keys(contact.pk),
        "events",
    )
    return _told(stream_table(table), what="events", by=by, contact=contact.pk)


def export_companies(*, by: User) -> Iterator[bytes]:
    """Return all companies as CSV, in parts. Raises PermissionDenied where ``by`` may not export."""
    check_export(by)
    return _told(stream_table(Table(_COMPANY_COLUMNS, exporting.company_rows())), what="companies", by=by)


def export_rejected(*, source: Source, by: User) -> Iterator[bytes]:
    """Return what a source sent and was refused as CSV, in parts, each with its reason.

    Raises:
        PermissionDenied: ``by`` may not manage sources.
    """
    check_manage_sources(by)
    table = Table(_REJECTED_COLUMNS, exporting.rejected_rows(source.pk))
    return _told(stream_table(table), what="rejected_messages", by=by, source=source.pk)


def stream_table(table: Table) -> Iterator[bytes]:
    """Return the table as CSV (RFC 4180, UTF-8 with its mark), in parts of up to a chunk of rows.

    The first part comes at once: the fixed columns' headers, before anything is read. Free fields that cannot be a
    column an import recognises, or are too many, go together as JSON into the last one.
    """
    line = csv.writer(_Echo()).writerow
    fixed = list(table.columns)
    yield (_MARK + line([escape(header) for header in fixed]).rstrip("\r\n")).encode()
    keys, has_rest = _split(table.keys(), table) if table.free else ([], False)
    headers = [f"{table.free}.{key}" for key in keys] + ([f"ripen_other_{table.free}"] if has_rest else [])
    head = line(["", *map(escape, headers)]) if headers else "\r\n"
    yield head.encode()
    cells = [_reader(cell) for cell in table.columns.values()]
    own = frozenset(keys)
    for chunk in table.rows:
        lines = []
        for row in chunk:
            values = [cell(row) for cell in cells]
            if headers:
                free = row[table.free] or {}
                values += [free.get(key) for key in keys]
                if has_rest:
                    values.append({key: value for key, value in free.items() if key not in own} or None)
            lines.append(line([escape(as_cell(value)) for value in values]))
        yield "".join(lines).encode()


def _split(keys: Sequence[str], table: Table) -> tuple[list[str], bool]:
    """Return the keys that get a column of their own, and whether others are left."""
    own = [key for key in keys if is_target(f"{table.free}.{key}", table.what)][: exporting.MOST_KEYS]
    return own, len(own) < len(keys)


def _told(parts: Iterator[bytes], *, what: str, by: User, **about: Any) -> Iterator[bytes]:
    """Leave a line in both logs for whoever asks later who took what away; they name nobody but the person who did."""
    record_act(AuditAct.CSV_EXPORTED, by=by, about=(AuditThing.EXPORT, what), **about)
    return _timed(parts, what=what, by=by, **about)


def _timed(parts: Iterator[bytes], *, what: str, by: User, **about: Any) -> Iterator[bytes]:
    logger.info("export_begun", what=what, by=by.pk, **about)
    size = 0
    outcome = "left"
    try:
        for part in parts:
            size += len(part)
            yield part
        outcome = "complete"
    finally:
        logger.info("export_ended", what=what, by=by.pk, bytes=size, outcome=outcome, **about)


class _Echo:
    """What csv.writer writes to: hands each line straight back."""

    def write(self, line: str) -> str:
        return line


def _reader(cell: Cell) -> Callable[[Row], Any]:
    return cell if callable(cell) else lambda row: row[cell]


def _always(value: str) -> Callable[[Row], Any]:
    return lambda _: value


def _moment(name: str) -> Callable[[Row], Any]:
    def read(row: Row) -> str:
        moment: datetime | None = row[name]
        return "" if moment is None else moment.isoformat()

    return read


def _points(name: str) -> Callable[[Row], Any]:
    return lambda row: None if row[name] is None else row[name] / 1000


def _answer(name: str) -> Callable[[Row], Any]:
    """A gate that nobody has answered says nothing, so that importing the file elsewhere answers nothing."""
    return lambda row: "" if row[name] == Answer.UNKNOWN else row[name]


def _stage_of(label: Callable[[str], str], name: str = "standing__stage") -> Callable[[Row], Any]:
    return lambda row: label(row[name]) if row[name] else ""


def _attribute_keys(rows: "QuerySet[Contact]") -> Callable[[], Sequence[str]]:
    return lambda: exporting.attribute_keys(rows)


_CONTACT_COLUMNS: Final[Mapping[str, Cell]] = {
    "ripen_id": "id",
    "email": "email",
    "first_name": "first_name",
    "last_name": "last_name",
    "phone": "phone",
    "job_title": "job_title",
    "role": "role",
    "country": "country",
    "company.name": "company__name",
    "company.domain": "company__domain",
    "company.industry": "company__industry",
    "company.employees": "company__employees",
    "company.country": "company__country",
    "ripen_stage": "standing__stage",
    "ripen_stage_since": _moment("standing__stage_since"),
    "ripen_engagement": _points("standing__engagement_mp"),
    "ripen_fit": _points("standing__fit_mp"),
    "ripen_owner": "standing__owner__email",
    "ripen_last_activity_at": _moment("standing__last_activity_at"),
    "means": _answer("means"),
    "authority": _answer("authority"),
    "details_confirmed": lambda row: "yes" if row["details_confirmed"] else "",
    "source.channel": "source_channel",
    "source.direction": "source_direction",
    "source.motion": "source_motion",
    "source.campaign": "source_campaign",
    "ripen_source_at": _moment("source_at"),
    "ripen_created_at": _moment("created_at"),
    "external_id": "external_id",
    "anonymous_id": "anonymous_id",
    "ripen_furthest_stage": "standing__furthest_stage",
    "ripen_tags": "tags",
}
# What an export of chosen columns begins with, and what each column of the list is in a file.
_NAMING: Final = ("ripen_id", "email", "first_name", "last_name")
_OF_COLUMN: Final[Mapping[str, Sequence[str]]] = {
    "stage": ("ripen_stage",),
    "since": ("ripen_stage_since",),
    "furthest": ("ripen_furthest_stage",),
    "engagement": ("ripen_engagement",),
    "fit": ("ripen_fit",),
    "owner": ("ripen_owner",),
    "source": ("source.channel", "source.direction"),
    "motion": ("source.motion",),
    "campaign": ("source.campaign",),
    "activity": ("ripen_last_activity_at",),
    "company": ("company.name", "company.domain"),
    "job_title": ("job_title",),
    "phone": ("phone",),
    "country": ("country",),
    "means": ("means",),
    "authority": ("authority",),
    "tags": ("ripen_tags",),
    "created": ("ripen_created_at",),
}
_EVENT_COLUMNS: Final[Mapping[str, Cell]] = {
    "ripen_channel": "channel",
    "ripen_source": "source__name",
    "ripen_received_at": _moment("received_at"),
    "ripen_suspect": "suspect_reason",
    "ripen_retracted_at": _moment("retracted_at"),
}
_COMPANY_COLUMNS: Final[Mapping[str, Cell]] = {
    "ripen_id": "id",
    "company.name": "name",
    "company.domain": "domain",
    "company.industry": "industry",
    "company.employees": "employees",
    "company.country": "country",
    "ripen_created_at": _moment("created_at"),
}
_REJECTED_COLUMNS: Final[Mapping[str, Cell]] = {
    "ripen_id": "id",
    "received_at": _moment("received_at"),
    "format": "wire_format",
    "call": "call",
    "message_id": "message_id",
    "code": "code",
    "field": "field",
    "reason": "message",
    "payload": "payload",
    "replayed_at": _moment("replayed_at"),
}
