"""Contacts that a large batch makes are written as finished rows: the very rows that the other way leaves."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from contacts.enums import SourceKind
from contacts.ingest.native import read_events
from contacts.models import Contact, Source
from contacts.services import newcomers
from contacts.services.record import record_events

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TABLES = {
    "company": "",
    "companychange": "company_id",
    "contact": "",
    "identity": "contact_id",
    "attributechange": "contact_id",
    "event": "contact_id",
    "message": "",
    "due": "contact_id",
    "mergesuggestion": "contact_id",
}
# What differs between any two recordings.
NOT_COMPARED = {"queued_at", "created_at", "updated_at", "present", "merge_id", "decided_at"}

pytestmark = pytest.mark.django_db

words = st.sampled_from(["Ann", "a\tb", "back\\slash", "\\N", "İstanbul ΣΑΣ", "line\nend", "'; --", "é", "\r"])
traits = st.fixed_dictionaries(
    {},
    optional={
        "first_name": words | st.none(),
        "last_name": words,
        "job_title": words | st.none(),
        "means": st.sampled_from(["yes", "no", None]),
        "details_confirmed": st.booleans() | st.none(),
        "plan\t\\": words | st.none() | st.integers(-(2**63), 2**63 - 1) | st.lists(st.booleans(), max_size=2),
        "score": st.floats(allow_nan=False, allow_infinity=False),
        "company": st.sampled_from(
            [None, "Globex ΣΑΣ", {"name": "Acme", "employees": 5}, {"domain": "acme.test", "name": "Ac\tme"}]
        ),
    },
)
contacts = st.fixed_dictionaries(
    {},
    optional={
        "email": st.sampled_from(["a@acme.test", "b@acme.test", "c@gmail.com", "d@globex.test"]),
        "external_id": st.sampled_from(["x1", "x2", "tab\tid"]),
        "anonymous_id": st.sampled_from(["n1", "n2"]),
    },
).filter(bool)
payloads = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["page_viewed", "demo_requested", "details_confirmed", "email_sent"]),
        "days": st.integers(0, 5),
        "contact": contacts,
        "traits": traits,
        "properties": st.fixed_dictionaries({}, optional={"channel": words, "campaign": words}),
    }
)


def rows_of(table: str, bases: dict[str, int]) -> list[tuple[Any, ...]]:
    """All rows of a table, ids counted from where this recording began."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM contacts_{table}")
        names = [column.name for column in cursor.description]
        found = []
        for row in cursor.fetchall():
            values = dict(zip(names, row, strict=True))
            for name in [name for name in names if name in NOT_COMPARED]:
                del values[name]
            if table not in {"contact", "company"}:
                values.pop("id", None)
            elif values["id"] is not None:
                values["id"] -= bases[table]
            for name in ("contact_id", "origin_contact_id", "other_id", "merged_into_id"):
                if values.get(name) is not None:
                    values[name] -= bases["contact"]
            if values.get("company_id") is not None:
                values["company_id"] -= bases["company"]
            if table == "attributechange" and values["name"] == "company" and values["value"] not in {None, "null"}:
                values["value"] = int(values["value"]) - bases["company"]
            found.append(tuple(map(repr, values.items())))
    return sorted(found)


def last_id(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence(%s, 'id'))", [f"contacts_{table}"])
        return int(cursor.fetchone()[0])


def left_by(batches: Sequence[list[dict[str, Any]]], source: Source, *, many: int) -> dict[str, list[Any]]:
    """What is in the tables after recording; taken back afterwards."""
    original, newcomers.MANY = newcomers.MANY, many  # type: ignore[misc]  # Final in the product
    bases = {table: last_id(table) for table in ("contact", "company")}
    try:
        with transaction.atomic():
            for number, batch in enumerate(batches):
                events = [
                    {
                        **payload,
                        "message_id": f"{number} {place}",
                        "occurred_at": (NOW - timedelta(days=payload["days"])).isoformat(),
                    }
                    for place, payload in enumerate(batch)
                ]
                read = read_events({"events": events}, received_at=NOW)
                record_events(source=source, events=read.events, received_at=NOW)
            found = {table: rows_of(table, bases) for table in TABLES}
            transaction.set_rollback(True)
    finally:
        newcomers.MANY = original  # type: ignore[misc]  # Final in the product
    return found


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(batches=st.lists(st.lists(payloads, min_size=1, max_size=6), min_size=1, max_size=2), public=st.booleans())
@example(
    batches=[
        [
            {
                "kind": "email_sent",
                "days": 1,
                "contact": {"email": "a@acme.test"},
                "traits": {"company": "Globex ΣΑΣ", "first_name": "İstanbul ΣΑΣ", "plan\t\\": None},
                "properties": {},
            }
        ]
    ],
    public=False,
)
def test_finished_rows_are_those_the_statements_leave(batches: list[list[dict[str, Any]]], public: bool) -> None:
    kind = SourceKind.PUBLIC if public else SourceKind.SERVER
    source, _ = Source.objects.get_or_create(name=f"source {public}", defaults={"kind": kind})
    slowly = left_by(batches, source, many=10**9)
    at_once = left_by(batches, source, many=1)
    for table in TABLES:
        assert at_once[table] == slowly[table], table


def test_a_large_batch_takes_the_fast_way() -> None:
    source = Source.objects.create(name="test", kind=SourceKind.SERVER)
    people = [
        {"message_id": str(n), "kind": "page_viewed", "contact": {"email": f"p{n}@x.test"}, "traits": {"plan": n}}
        for n in range(newcomers.MANY)
    ]
    read = read_events({"events": people}, received_at=NOW)
    with connection.execute_wrapper(_no_blank_contacts):
        record_events(source=source, events=read.events, received_at=NOW)
    assert Contact.objects.count() == newcomers.MANY
    assert Contact.objects.get(email="p7@x.test").attributes == {"plan": 7}


def _no_blank_contacts(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    assert "INSERT INTO contacts_contact " not in sql
    return execute(sql, params, many, context)
