"""Filling a new installation: facts that are resolved already, copied in by COPY at the speed of the disk.

Not a way in for messages: nothing is resolved, deduplicated or compared here, and nobody becomes due. Whoever calls it
vouches that the rows are what record_events would have stored, and judges afterwards.
"""

import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from django.db import connection

from contacts.models import Contact

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "company": (
        "id",
        "name",
        "normalised_name",
        "domain",
        "industry",
        "employees",
        "country",
        "created_at",
        "updated_at",
    ),
    "companychange": ("company_id", "name", "value", "effective_at", "received_at", "source_id", "message"),
    "contact": (
        *("id", "email", "phone", "first_name", "last_name", "job_title", "role", "country", "means", "authority"),
        *("details_confirmed", "attributes", "company_id", "source_channel", "source_direction", "source_motion"),
        *("source_campaign", "source_at", "source_message", "search_text", "created_at", "updated_at"),
    ),
    "identity": ("contact_id", "kind", "value", "source_id", "created_at"),
    "attributechange": ("contact_id", "name", "value", "effective_at", "received_at", "source_id", "message"),
    "event": (
        *("contact_id", "origin_contact_id", "kind_id", "occurred_at", "received_at", "channel", "source_id"),
        *("message_id", "dedupe_id", "body_digest", "properties", "recorded_by_id", "suspect_reason"),
    ),
}
# The long tables. Checking each of their rows against others costs more than writing it.
_LONG_TABLES: Final = ("contacts_event", "contacts_attributechange")
_CHECKED_AGAINST: Final = ("contacts_contact", "contacts_kind", "contacts_source")
_FIND_FOREIGN_KEYS: Final = """
SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint
WHERE contype = 'f' AND conrelid = ANY(%s::regclass[]) AND confrelid = ANY(%s::regclass[])
ORDER BY conrelid, conname
"""


class NotEmpty(Exception):
    """The installation has contacts already."""


def claim_empty_installation() -> None:
    """Keep all other writers of contacts away until the transaction ends.

    Raises:
        NotEmpty: there are contacts already.
    """
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE contacts_contact IN SHARE ROW EXCLUSIVE MODE")
    if Contact.objects.exists():
        raise NotEmpty


@contextmanager
def references_checked_at_once() -> Iterator[None]:
    """Check the references of the long tables once at the end, by a join, instead of row by row.

    Takes the tables for itself until the transaction ends, which must be open. A reference that leads nowhere fails it.
    """
    with connection.cursor() as cursor:
        # Deferred checks would pile up in memory, one for each row.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(_FIND_FOREIGN_KEYS, [list(_LONG_TABLES), list(_CHECKED_AGAINST)])
        keys = cursor.fetchall()
        for table, name, _ in keys:
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        yield
        for table, name, definition in keys:
            cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")


def allocate_ids(table: str, count: int) -> int:
    """Set ``count`` ids of one of the tables aside and return the first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence(%s, 'id'))", [table])
        first = int(cursor.fetchone()[0])
        cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [table, first + max(count, 1) - 1])
    return first


def give_back_ids(table: str, first: int) -> None:
    """Let ids from ``first`` on, set aside and not used, be given again. Only while nobody else makes such rows."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s, false)", [table, first])


def copy_rows(table: str, lines: Iterable[str]) -> None:
    """Append rows to one of COLUMNS' tables. A line is its columns in COPY's text format, with its line end."""
    # Django wraps the errors of execute(), not those of COPY.
    with connection.cursor() as cursor, connection.wrap_database_errors:
        cursor.copy_expert(
            f"COPY contacts_{table} ({', '.join(COLUMNS[table])}) FROM STDIN", io.StringIO("".join(lines))
        )


def refresh_statistics() -> None:
    """Tell the planner what the tables hold now; autovacuum would, but only minutes later."""
    with connection.cursor() as cursor:
        for table in COLUMNS:
            cursor.execute(f"ANALYZE contacts_{table}")
