"""CSV imports end to end: from a file to contacts, their history, their stage, and the errors file."""

import csv
import io
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts.ingest.incoming import IncomingEvent
from contacts.models import (
    AttributeChange,
    Contact,
    Due,
    Event,
    Identity,
    ImportRun,
    MergeSuggestion,
    Message,
    Source,
    Standing,
)
from contacts.services.imports import ImportSummary, import_contacts
from contacts.services.record import record_events
from scoring.services.evaluate import drain_due

ROOT = Path(__file__).parents[2]
XEDUCATION = ROOT.parent / "shared" / "data" / "xeducation"
MAPPING = ROOT / "docs" / "examples" / "xeducation.yaml"
NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)

# The same traps as in the real file: "Select" for nothing, blanks, two spellings of one source, CRLF, quotes.
SCHOOL = (
    b"Prospect ID,Lead Source,Lead Origin,City,Visits,Do Not Email\r\n"
    b"a-1,Google,Landing Page Submission,Select,3,No\r\n"
    b'a-2,Google,API,"Pune, West",0,Yes\r\n'
    b"a-3,google,API,,,No\r\n"
    b"a-4,,Lead Import,Mumbai,5,No\r\n"
    b"a-5,Select,API,select,1,No\r\n"
)
SCHOOL_MAPPING: dict[str, Any] = {
    "empty": ["Select"],
    "columns": {
        "Prospect ID": "external_id",
        "Lead Source": {"to": "source.channel", "fold_case": "true"},
        "Lead Origin": {
            "to": "source.direction",
            "values": {"Landing Page Submission": "inbound", "API": "inbound", "Lead Import": "outbound"},
        },
        "City": "attributes.city",
        "Visits": {"to": "attributes.visits", "type": "integer"},
        "Do Not Email": {"to": "attributes.do_not_email", "type": "boolean"},
    },
}

pytestmark = pytest.mark.django_db


def run(
    content: bytes | str, tmp_path: Path, *, mapping: Any = None, now: datetime = NOW, **more: Any
) -> ImportSummary:
    stream = io.BytesIO(content if isinstance(content, bytes) else content.encode())
    return import_contacts(stream=stream, file_name="people.csv", errors_dir=tmp_path, now=now, mapping=mapping, **more)


def counts(summary: ImportSummary) -> dict[str, int]:
    return {
        name: getattr(summary, name)
        for name in ("rows", "created", "updated", "unchanged", "rejected")
        if getattr(summary, name)
    }


def errors_of(summary: ImportSummary, delimiter: str = ",") -> list[list[str]]:
    assert summary.errors_file
    with Path(summary.errors_file).open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
        return list(csv.reader(stream, delimiter=delimiter))


def stored() -> list[tuple[int, ...]]:
    return [
        (Contact.objects.count(), Identity.objects.count(), AttributeChange.objects.count()),
        (Due.objects.count(), Message.objects.count(), Event.objects.count()),
    ]


@pytest.mark.skipif(not XEDUCATION.exists(), reason="no X Education file beside the repository")
def test_the_real_export_of_a_school_imports_once(settings: Any, tmp_path: Path) -> None:
    settings.STATE_DIR = tmp_path
    outputs = []
    for _ in range(2):
        out = io.StringIO()
        call_command("import_contacts", str(XEDUCATION / "Leads.csv"), mapping=MAPPING, stdout=out)
        outputs.append(json.loads(out.getvalue()))
    zero = {"created": 0, "updated": 0, "unchanged": 0, "rejected": 0, "errors_file": None}
    assert outputs == [zero | {"rows": 9240, "created": 9240}, zero | {"rows": 9240, "unchanged": 9240}]

    expected = json.loads((XEDUCATION / "expected.json").read_text())["Lead Source"]
    sources = Counter({name: numbers[0] for name, numbers in expected.items()})
    sources["Google"] += sources.pop("google")
    sources[""] = sources.pop("(blank)")
    assert sources["Google"] == 2873
    assert Counter(Contact.objects.values_list("source_channel", flat=True)) == sources
    assert "Select" not in AttributeChange.objects.values_list("value", flat=True)


def test_a_messy_file_becomes_contacts(tmp_path: Path) -> None:
    assert counts(run(SCHOOL, tmp_path, mapping=SCHOOL_MAPPING)) == {"rows": 5, "created": 5}
    found = {
        identity.value: (
            identity.contact.source_channel,
            identity.contact.source_direction,
            identity.contact.attributes,
        )
        for identity in Identity.objects.select_related("contact")
    }
    assert found == {
        "a-1": ("Google", "inbound", {"visits": 3, "do_not_email": False}),
        "a-2": ("Google", "inbound", {"city": "Pune, West", "visits": 0, "do_not_email": True}),
        "a-3": ("Google", "inbound", {"do_not_email": False}),
        "a-4": ("", "outbound", {"city": "Mumbai", "visits": 5, "do_not_email": False}),
        "a-5": ("", "inbound", {"visits": 1, "do_not_email": False}),
    }


def test_importing_again_writes_nothing(tmp_path: Path) -> None:
    run(SCHOOL, tmp_path, mapping=SCHOOL_MAPPING)
    before = stored()
    again = run(SCHOOL, tmp_path, mapping=SCHOOL_MAPPING, now=NOW + timedelta(days=1))
    assert counts(again) == {"rows": 5, "unchanged": 5}
    assert stored() == before
    assert [(one.rows, one.created, one.unchanged) for one in ImportRun.objects.order_by("id")] == [
        (5, 5, 0),
        (5, 0, 5),
    ]


def test_only_what_differs_is_recorded(tmp_path: Path) -> None:
    run("email,job title,country\nann@firm.example,Planner,France\n", tmp_path)
    later = run("email,job title,country\nAnn@Firm.example,Owner,France\n", tmp_path, now=NOW + timedelta(days=1))
    assert counts(later) == {"rows": 1, "updated": 1}
    titles = AttributeChange.objects.filter(name="job_title").order_by("effective_at")
    assert [(one.value, one.effective_at) for one in titles] == [("Planner", NOW), ("Owner", NOW + timedelta(days=1))]
    assert AttributeChange.objects.filter(name="country").count() == 1


def test_a_blank_cell_never_clears_what_is_known(tmp_path: Path) -> None:
    run("email,phone\nann@firm.example,+49 30 23125 001\n", tmp_path)
    assert counts(run("email,phone\nann@firm.example,\n", tmp_path)) == {"rows": 1, "unchanged": 1}
    assert Contact.objects.get().phone == "+49 30 23125 001"


def test_the_import_says_the_same_as_the_api(tmp_path: Path) -> None:
    """The second way in ends in the same place: what record_events would have stored for the same message."""
    run(
        "email,external id,name,title,budget,company,website,employees,plan\n"
        "Ann@Firm.example,x1,Ann Lee,Head of Sales,yes,Firm,https://www.firm.example/about,120,Team\n",
        tmp_path,
    )
    message = IncomingEvent(
        index=0,
        message_id="m1",
        kind=None,
        occurred_at=NOW,
        email="bob@firm.example",
        external_id="x2",
        traits={
            "first_name": "Ann",
            "last_name": "Lee",
            "job_title": "Head of Sales",
            "means": "yes",
            "company": {"name": "Firm", "domain": "firm.example", "employees": 120},
            "attributes.plan": "Team",
        },
    )
    record_events(source=Source.objects.get(name="CSV import"), events=[message], received_at=NOW)
    imported, recorded = Contact.objects.order_by("id")
    ignored = ("id", "email", "search_text", "source_message", "created_at", "updated_at", "_state")
    assert {name: value for name, value in vars(imported).items() if name not in ignored} == {
        name: value for name, value in vars(recorded).items() if name not in ignored
    }
    histories = [
        sorted((one.name, one.value, one.effective_at) for one in contact.attribute_changes.exclude(name="email"))
        for contact in (imported, recorded)
    ]
    assert histories[0] == histories[1]


def test_attributes_alone_make_no_interest(tmp_path: Path) -> None:
    run("email,title,company,employees,industry\nann@firm.example,Director,Firm,200,software\n", tmp_path)
    drain_due(now=NOW)
    assert Standing.objects.get().stage == "audience"
    assert not Event.objects.exists()


def test_modes(tmp_path: Path) -> None:
    run("email,title\nann@firm.example,Planner\n", tmp_path)
    both = "email,title\nann@firm.example,Owner\nbob@firm.example,Intern\n"
    assert counts(run(both, tmp_path, mode="add")) == {"rows": 2, "created": 1, "unchanged": 1}
    assert Contact.objects.get(email="ann@firm.example").job_title == "Planner"
    more = both + "cid@firm.example,Boss\n"
    updated = run(more, tmp_path, mode="update", now=NOW + timedelta(hours=1))
    assert counts(updated) == {"rows": 3, "updated": 1, "unchanged": 1, "rejected": 1}
    assert errors_of(updated)[1:] == [
        ["cid@firm.example", "Boss", "row 3: no contact is known as 'cid@firm.example' to update"]
    ]


def test_a_dry_run_answers_the_same_and_writes_nothing(tmp_path: Path) -> None:
    content = "email,title\nann@firm.example,Planner\nann@firm.example,Owner\nann@firm.example,Owner\nnobody,X\n"
    preview = run(content, tmp_path, dry_run=True)
    assert (stored(), ImportRun.objects.count()) == ([(0, 0, 0), (0, 0, 0)], 0)
    assert counts(preview) == counts(run(content, tmp_path))
    assert counts(preview) == {"rows": 4, "created": 1, "updated": 1, "unchanged": 1, "rejected": 1}


def test_of_two_rows_about_one_person_the_later_counts(tmp_path: Path) -> None:
    run("email,title\nann@firm.example,Planner\nbob@firm.example,X\nANN@firm.example,Owner\n", tmp_path)
    assert Contact.objects.get(email="ann@firm.example").job_title == "Owner"
    assert Contact.objects.count() == 2


def test_bad_rows_come_back_in_a_file_that_can_be_corrected(tmp_path: Path) -> None:
    content = (
        b"email;name;employees;note\n"
        b"ann@firm.example;Ann;12;\n"
        b"no address;Bob;3;\n"
        b"cid@firm.example;Cid;many;\n"
        b"dot@firm.example;Dot\n"
        b"eve@firm.example;E\x00ve;1;\n"
        b"fay@firm.example;Fay;1;" + b"x" * 9000 + b"\n"
        b'gus@firm.example;"Gus;1;\n'
        b"hal@firm.example;Hal;7;" + "grüße".encode() + b"\n"
        b"ida@firm.example;\xff\xfe;1;\n"
        b"null;Nobody;1;\n"
    )
    summary = run(content, tmp_path)
    assert counts(summary) == {"rows": 10, "created": 2, "rejected": 8}
    header, *rows = errors_of(summary, delimiter=";")
    assert header == ["email", "name", "employees", "note", "ripen_error"]
    assert [row[-1] for row in rows] == [
        "row 2, column 'email': This is not an e-mail address.",
        "row 3, column 'employees': 'many' is no whole number",
        "row 4: the row has 2 columns, the header has 4",
        "row 5, column 'name': the value contains a NUL character",
        "row 6, column 'note': the value has 9,000 characters, at most 8,192 are kept",
        "row 7: a quote opens that does not close on its row",
        "row 9, column 'name': the value is not valid UTF-8",
        "row 10, column 'email': This is not an e-mail address.",
    ]
    raw = Path(summary.errors_file or "").read_bytes()
    assert b"ida@firm.example;\xff\xfe;1;" in raw

    corrected = raw.replace(b"no address", b"bob@firm.example").replace(b";many;", b";30;").replace(b"\xff\xfe", b"Ida")
    again = run(corrected, tmp_path)
    assert counts(again) == {"rows": 8, "created": 4, "rejected": 4}


def test_a_row_has_its_own_moment_when_the_mapping_says_so(tmp_path: Path) -> None:
    mapping = {"columns": {"email": "email", "title": "job_title", "seen": "occurred_at"}}
    run("email,title,seen\nann@firm.example,Owner,2026-04-01\n", tmp_path, mapping=mapping)
    older = "email,title,seen\nann@firm.example,Intern,2025-01-01\nann@firm.example,Owner,2026-04-02\n"
    assert counts(run(older, tmp_path, mapping=mapping)) == {"rows": 2, "updated": 1, "unchanged": 1}
    contact = Contact.objects.get()
    assert (contact.job_title, contact.source_at) == ("Owner", datetime(2025, 1, 1, tzinfo=UTC))
    assert counts(run(older, tmp_path, mapping=mapping)) == {"rows": 2, "unchanged": 2}


def test_a_mapping_may_ask_for_an_event_and_gets_it_once(tmp_path: Path) -> None:
    mapping = {
        "columns": {"email": "email", "title": "job_title", "list": "source.campaign"},
        "constants": {"source.direction": "outbound", "source.motion": "lead_generation"},
        "event": "list_imported",
    }
    content = "email,title,list\nann@firm.example,Owner,Spring\nbob@firm.example,,Spring\n"
    assert counts(run(content, tmp_path, mapping=mapping)) == {"rows": 2, "created": 2}
    changed = content.replace("Owner", "Boss")
    later = run(changed, tmp_path, mapping=mapping, now=NOW + timedelta(hours=1))
    assert counts(later) == {"rows": 2, "updated": 1, "unchanged": 1}
    assert [(event.kind.name, event.properties) for event in Event.objects.all()] == [
        ("list_imported", {"file": "people.csv"})
    ] * 2
    ann = Contact.objects.get(email="ann@firm.example")
    assert (ann.source_direction, ann.source_motion, ann.source_campaign) == ("outbound", "lead_generation", "Spring")


def test_a_company_that_contradicts_its_domain_settles(tmp_path: Path) -> None:
    run("email,company,domain\nann@firm.example,Firm,firm.example\n", tmp_path)
    other = "email,company,domain,industry\nbob@firm.example,Other,firm.example,software\n"
    assert counts(run(other, tmp_path)) == {"rows": 1, "created": 1}
    assert counts(run(other, tmp_path, now=NOW + timedelta(days=1))) == {"rows": 1, "unchanged": 1}


def test_a_row_that_names_two_contacts_is_filed_once(tmp_path: Path) -> None:
    run("external id,email\nx1,\n,ann@firm.example\n", tmp_path)
    both = "external id,email,title\nx1,ann@firm.example,Owner\n"
    assert counts(run(both, tmp_path, now=NOW + timedelta(hours=1))) == {"rows": 1, "updated": 1}
    assert MergeSuggestion.objects.count() == 1
    assert counts(run(both, tmp_path, now=NOW + timedelta(hours=2))) == {"rows": 1, "unchanged": 1}


def test_the_number_of_queries_does_not_depend_on_the_rows(tmp_path: Path) -> None:
    def queries(rows: int, start: int) -> tuple[int, int]:
        people = range(start, start + rows)
        content = "email,title,company\n" + "".join(f"p{n}@f{n}.example,Owner,Firm {n}\n" for n in people)
        with CaptureQueriesContext(connection) as first:
            run(content, tmp_path)
        with CaptureQueriesContext(connection) as again:
            run(content, tmp_path, now=NOW + timedelta(days=1))
        return len(first), len(again)

    queries(1, 0)  # makes the source that imports share
    assert queries(1, 10) == queries(3, 20)


@pytest.mark.parametrize(
    ("content", "mapping", "words"),
    [
        (b"", None, "empty"),
        (b"a,a\n1,2\n", None, "appears more than once"),
        (b"city\nPune\n", None, "No column says who the contact is"),
        (b"email\nann@firm.example\n", "columns: [", "expected"),
        (b"email\nann@firm.example\n", "columns: {email: email}\nevent: handoff_won", "no kind of event"),
        (b"email\nann@firm.example\n", "columns: {email: email}\nevent: converted", "no kind of event"),
        (b"email\nann@firm.example\n", "columns: {email: email, x: phone}", "no column 'x'"),
    ],
)
def test_a_file_or_mapping_that_cannot_be_used_ends_in_one_line(
    content: bytes, mapping: str | None, words: str, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(content)
    options: dict[str, Any] = {}
    if mapping is not None:
        options["mapping"] = tmp_path / "mapping.yaml"
        options["mapping"].write_text(mapping)
    with pytest.raises(CommandError) as caught:
        call_command("import_contacts", str(file), **options)
    assert words in str(caught.value)
    assert not ImportRun.objects.exists()


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"gone\.csv"):
        call_command("import_contacts", str(tmp_path / "gone.csv"))


def test_the_example_mapping_is_valid_yaml_and_reads_no_outcome_of_sales() -> None:
    document = yaml.load(MAPPING.read_text(), Loader=yaml.BaseLoader)  # noqa: S506  text, lists and mappings only
    assert not {"Tags", "Lead Quality", "Lead Profile", "Last Notable Activity"} & document["columns"].keys()
