"""Exports: every row of the view, streamed as it is read, and no cell that a spreadsheet would evaluate."""

import csv
import io
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from contacts.enums import Role, WireFormat
from contacts.ingest.csv_escaping import escape, unescape
from contacts.models import AttributeChange, Company, Contact, RejectedMessage, Standing
from contacts.selectors import exporting
from contacts.selectors.browse import NOBODY, Query
from contacts.services.exporting import (
    Table,
    export_companies,
    export_contacts,
    export_events,
    export_rejected,
    stream_table,
)
from contacts.services.imports import import_contacts
from tests.factories import make_contact, make_event, make_source, make_user, record

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
FORMULA = tuple("=+-@\t\r")


def table_of(parts: Iterator[bytes]) -> list[dict[str, str]]:
    """What a reader of the file sees, cells unescaped."""
    text = b"".join(parts).decode("utf-8-sig")
    return [{name: unescape(cell) for name, cell in row.items()} for row in csv.DictReader(io.StringIO(text))]


def stand(contact: Contact, stage: str, owner: User | None = None, score: int = 0) -> Contact:
    Standing.objects.create(
        contact=contact,
        stage=stage,
        furthest_stage=stage,
        stage_since=NOW,
        engagement_mp=score,
        fit_mp=20_000,
        last_activity_at=NOW,
        evaluated_at=NOW,
        owner=owner,
    )
    return contact


@pytest.fixture
def editor() -> User:
    return make_user(Role.MARKETER)


def exported(query: Query, by: User) -> list[str]:
    return [row["email"] for row in table_of(export_contacts(query=query, by=by))]


def test_a_contact_is_exported_under_the_names_that_an_import_knows(editor: User) -> None:
    owner = make_user(Role.REP)
    contact = make_contact(
        email="ann@acme.example",
        first_name="Ann",
        phone="+49 30 1234",
        means="yes",
        details_confirmed=True,
        company={"name": "Acme", "domain": "acme.example", "employees": 200},
        plan="pro",
        seats=7,
    )
    record(make_event(contact={"email": "ann@acme.example", "external_id": "crm-1"}))
    stand(contact, "lead", owner, score=12_500)

    (row,) = table_of(export_contacts(query=Query(), by=editor))

    assert (
        row
        | {
            "ripen_id": str(contact.pk),
            "email": "ann@acme.example",
            "external_id": "crm-1",
            "first_name": "Ann",
            "phone": "+49 30 1234",
            "means": "yes",
            "authority": "",
            "details_confirmed": "yes",
            "company.name": "Acme",
            "company.domain": "acme.example",
            "company.employees": "200",
            "attributes.plan": "pro",
            "attributes.seats": "7",
            "ripen_stage": "Lead",
            "ripen_engagement": "12.5",
            "ripen_fit": "20.0",
            "ripen_owner": owner.email,
        }
        == row
    )


def test_the_export_is_the_view(editor: User) -> None:
    rep = make_user(Role.REP)
    ann = stand(make_contact(email="ann@acme.example", first_name="Ann"), "lead", rep)
    bob = stand(make_contact(email="bob@acme.example", first_name="Bob"), "customer")
    carl = make_contact(email="carl@other.example", first_name="Carl")
    Contact.objects.filter(pk=bob.pk).update(source_channel="fair")
    gone = make_contact(email="gone@acme.example")
    Contact.objects.filter(pk=gone.pk).update(merged_into=ann)

    assert exported(Query(), editor) == [ann.email, bob.email, carl.email]
    assert exported(Query(stage="lead"), editor) == [ann.email]
    assert exported(Query(stage="no-such-stage"), editor) == [ann.email, bob.email, carl.email]
    assert exported(Query(owner=str(rep.pk)), editor) == [ann.email]
    assert exported(Query(owner=NOBODY), editor) == [bob.email, carl.email]
    assert exported(Query(source="fair"), editor) == [bob.email]
    assert exported(Query(text="ACME b"), editor) == [bob.email]


def test_no_cell_is_a_formula_to_a_spreadsheet_and_each_comes_back(editor: User) -> None:
    hostile = {
        "calc": "=cmd|' /C calc'!A0",
        "plus": "+1+1",
        "minus": "-1-1",
        "at": "@SUM(A1)",
        "tab": "\t=1",
        "return": "\r=1",
        "wide": "\uff1d1",
        "padded": "  =1  ",
        "quoted": "'=1",
        "number": -12.5,
        "=header": "x",
    }
    make_contact(email="eve@acme.example", first_name="=HYPERLINK(1)", **hostile)

    text = b"".join(export_contacts(query=Query(), by=editor)).decode("utf-8-sig")
    cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    (row,) = table_of(export_contacts(query=Query(), by=editor))

    assert [cell for cell in cells if cell.strip().startswith(FORMULA)] == ["-12.5"]
    assert {key: row[f"attributes.{key}"] for key in hostile} == {**hostile, "number": "-12.5"}
    assert row["first_name"] == "=HYPERLINK(1)"


def test_fields_that_cannot_be_columns_go_together_as_json(monkeypatch: pytest.MonkeyPatch, editor: User) -> None:
    monkeypatch.setattr(exporting, "MOST_KEYS", 1)
    make_contact(a=1, b={"c": [True, None]}, email="ann@acme.example")

    (row,) = table_of(export_contacts(query=Query(), by=editor))

    assert row["attributes.a"] == "1"
    assert row["ripen_other_attributes"] == '{"b":{"c":[true,null]}}'


def test_the_first_bytes_come_before_anything_is_read(editor: User) -> None:
    make_contact()
    parts = export_contacts(query=Query(), by=editor)
    with CaptureQueriesContext(connection) as queries:
        assert next(parts).startswith("\ufeffripen_id,email,".encode())
    assert len(queries) == 0


def test_a_chunk_costs_three_queries_however_many_rows_it_has(monkeypatch: pytest.MonkeyPatch, editor: User) -> None:
    def queries(chunk: int) -> int:
        monkeypatch.setattr(exporting, "CHUNK", chunk)
        with CaptureQueriesContext(connection) as captured:
            rows = exported(Query(), editor)
        assert len(rows) == Contact.objects.count()
        return len(captured)

    make_contact()
    # The first call also looks up the person's roles.
    queries(100)
    one = queries(100)
    for _ in range(6):
        make_contact()
    assert queries(100) == one
    # Seven rows in chunks of three: two more chunks.
    # Each asks for its keys, its rows and their tags.
    assert queries(3) == one + 6


def test_rows_that_change_meanwhile_are_neither_lost_nor_repeated(
    monkeypatch: pytest.MonkeyPatch, editor: User
) -> None:
    monkeypatch.setattr(exporting, "CHUNK", 2)
    contacts = [stand(make_contact(), "lead", score=number) for number in range(5)]
    parts = export_contacts(query=Query(), by=editor)
    begun = [next(parts), next(parts), next(parts)]
    Standing.objects.filter(contact=contacts[-1]).update(engagement_mp=99_000)
    Standing.objects.filter(contact=contacts[0]).update(engagement_mp=0)

    rows = table_of(iter([*begun, *parts]))

    assert [row["ripen_id"] for row in rows] == [str(contact.pk) for contact in contacts]


def test_memory_does_not_grow_with_the_rows() -> None:
    def chunks(number: int) -> Iterator[list[dict[str, Any]]]:
        for chunk in range(number):
            yield [{"a": f"{chunk}-{row}", "b": "x" * 50} for row in range(1_000)]

    def peak(number: int) -> int:
        tracemalloc.start()
        for _ in stream_table(Table({"a": "a", "b": "b"}, chunks(number))):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1)
    assert peak(40) < peak(2) * 1.5


def test_events_of_a_contact(editor: User) -> None:
    contact = make_contact(email="ann@acme.example")
    record(
        make_event(
            "asset_downloaded",
            message_id="m 1",
            contact={"email": "ann@acme.example"},
            occurred_at="2026-03-01T10:00:00Z",
            properties={"asset": "=guide", "pages": 3},
        )
    )

    first, second = table_of(export_events(contact=contact, by=editor))

    assert first["kind"] == "page_viewed"
    assert first["properties.asset"] == ""
    assert (
        second
        | {
            "message_id": "m 1",
            "kind": "asset_downloaded",
            "occurred_at": "2026-03-01T10:00:00+00:00",
            "email": "ann@acme.example",
            "properties.asset": "=guide",
            "properties.pages": "3",
            "ripen_retracted_at": "",
        }
        == second
    )


def test_companies_and_rejected_messages(editor: User) -> None:
    Company.objects.create(name="-Acme-", normalised_name="acme", domain="acme.example", employees=7)
    source, _ = make_source()
    RejectedMessage.objects.create(
        source=source, wire_format=WireFormat.NATIVE, code="invalid_email", message="No.", payload='{"a": "=1"}'
    )

    (company,) = table_of(export_companies(by=editor))
    (rejected,) = table_of(export_rejected(source=source, by=make_user(Role.ADMIN)))

    assert (company["company.name"], company["company.employees"]) == ("-Acme-", "7")
    assert (rejected["code"], rejected["payload"]) == ("invalid_email", '{"a": "=1"}')
    with pytest.raises(PermissionDenied):
        export_rejected(source=source, by=editor)


def test_the_download_over_http(caplog: pytest.LogCaptureFixture) -> None:
    contact = make_contact(email="ann@acme.example")
    client, rep = Client(), Client()
    client.force_login(make_user(Role.MARKETER))
    rep.force_login(make_user(Role.REP))

    answer = client.get("/exports/contacts.csv?q=acme")

    assert answer.streaming
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"].startswith('attachment; filename="contacts-20')
    assert [row["email"] for row in table_of(iter([answer.getvalue()]))] == ["ann@acme.example"]
    assert client.head("/exports/contacts.csv").getvalue() == b""
    assert client.get(f"/exports/contacts/{contact.pk}/events.csv").status_code == 200
    assert client.get("/exports/contacts/999999/events.csv").status_code == 404
    assert rep.get("/exports/contacts.csv").status_code == 403
    assert "Export CSV" in client.get("/contacts/").content.decode()
    assert "Export CSV" not in rep.get("/contacts/").content.decode()


def test_who_exported_what_is_in_the_log_and_nobody_s_name(monkeypatch: pytest.MonkeyPatch, editor: User) -> None:
    said: list[tuple[str, dict[str, Any]]] = []

    class Log:
        def info(self, event: str, **fields: Any) -> None:
            said.append((event, fields))

    monkeypatch.setattr("contacts.services.exporting.logger", Log())
    make_contact(email="ann@acme.example")

    list(export_contacts(query=Query(text="ann@acme"), by=editor))
    left = export_contacts(query=Query(), by=editor)
    next(left)
    del left

    assert [(event, fields["by"], fields.get("outcome")) for event, fields in said] == [
        ("export_begun", editor.pk, None),
        ("export_ended", editor.pk, "complete"),
        ("export_begun", editor.pk, None),
        ("export_ended", editor.pk, "left"),
    ]
    assert said[0][1]["filters"] == ["text"]
    assert "ann" not in str(said)


def test_500_hostile_strings_come_back_from_the_file(editor: User) -> None:
    marks = "=+-@\t\r\n'\",; \u00a0\uff1d1é😀"
    nasty = {a + b + c for a in marks for b in ["", "\r\n", *marks[:9]] for c in ["x", *marks[-8:], "'"]}
    hostile = sorted(nasty)[:500]
    for first in range(0, 500, 100):
        make_contact(**{f"n{number}": text for number, text in enumerate(hostile[first : first + 100])})

    text = b"".join(export_contacts(query=Query(), by=editor)).decode("utf-8-sig")
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    cells = [row[header.index(f"attributes.n{number}")] for row in rows for number in range(100)]

    assert [unescape(cell) for cell in cells] == hostile
    assert [cell for cell in cells if cell.startswith(FORMULA)] == []
    assert all(escape(unescape(cell)) == cell for cell in cells)


def test_yesterday_is_not_in_the_way(editor: User) -> None:
    """Moments are written with their offset, so that another zone reads the same."""
    contact = make_contact(email="ann@acme.example")
    Contact.objects.filter(pk=contact.pk).update(created_at=NOW - timedelta(days=1))

    (row,) = table_of(export_contacts(query=Query(), by=editor))

    assert row["ripen_created_at"] == "2026-11-21T09:00:00+00:00"


def test_what_was_exported_changes_nothing_when_it_is_imported(editor: User, tmp_path: Path) -> None:
    values = {
        "plan": "=pro",
        "seats": 7,
        "rate": -1.5,
        "trial": True,
        "tags": ["a", "b"],
        "utm.source": "x",
        "pad": " x ",
    }
    company = {"name": "-Acme-", "domain": "acme.example", "employees": 200, "industry": "software"}
    make_contact(
        email="ann@acme.example", first_name="@Ann", phone="+49 30 1", means="no", company=company, attributes=values
    )
    record(make_event(contact={"external_id": "=crm-1"}, traits={"first_name": "'Bob"}))
    record(make_event(contact={"anonymous_id": "visitor 7"}))
    before = list(Contact.objects.order_by("id").values())
    changes = AttributeChange.objects.count()
    file = io.BytesIO(b"".join(export_contacts(query=Query(), by=editor)))

    summary = import_contacts(stream=file, file_name="contacts.csv", errors_dir=tmp_path, now=timezone.now())

    assert (summary.rows, summary.unchanged, summary.rejected) == (3, 3, 0)
    assert list(Contact.objects.order_by("id").values()) == before
    assert AttributeChange.objects.count() == changes


def test_hostile_strings_come_back_by_an_import_elsewhere(editor: User, tmp_path: Path) -> None:
    hostile = [
        "=1+1",
        "+1",
        "-1",
        "@a",
        "\t=1",
        "'=1",
        "' x'",
        "  =1  ",
        "a\r\nb",
        'say "=1"',
        "\uff1d1",
        "-12.5",
        "a,b;c",
    ]
    make_contact(email="eve@acme.example", attributes={f"n{number}": text for number, text in enumerate(hostile)})
    file = io.BytesIO(b"".join(export_contacts(query=Query(), by=editor)))
    Contact.objects.update(attributes={})
    AttributeChange.objects.filter(name__startswith="attributes.").delete()

    import_contacts(stream=file, file_name="contacts.csv", errors_dir=tmp_path, now=timezone.now())

    assert Contact.objects.get().attributes == {f"n{number}": text for number, text in enumerate(hostile)}
