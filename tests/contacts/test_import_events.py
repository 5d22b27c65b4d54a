"""Importing what happened: CSV and JSON lines become events at their own moments, each once, quietly."""

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

from contacts.ingest.csv_guess import guess_columns
from contacts.models import Contact, Event, Standing
from contacts.services.imports import ImportSummary, import_events
from scoring.models import Transition
from scoring.services.evaluate import drain_due

OLIST = Path(__file__).parents[3] / "shared" / "data" / "olist_funnel"
XEDUCATION = Path(__file__).parents[3] / "shared" / "data" / "xeducation"
NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
HEADER = "Event,Timestamp,Email,Message ID,Page,Seats\n"

pytestmark = pytest.mark.django_db


def run(
    content: str | bytes, tmp_path: Path, *, mapping: Any = None, now: datetime = NOW, **more: Any
) -> ImportSummary:
    stream = io.BytesIO(content if isinstance(content, bytes) else content.encode())
    return import_events(stream=stream, file_name="log.csv", errors_dir=tmp_path, now=now, mapping=mapping, **more)


def counts(summary: ImportSummary) -> dict[str, int]:
    names = ("rows", "created", "updated", "unchanged", "rejected")
    return {name: getattr(summary, name) for name in names if getattr(summary, name)}


def test_columns_are_guessed_and_the_others_are_properties(tmp_path: Path) -> None:
    content = (
        HEADER + "Demo Requested,2026-01-05T10:00:00Z,Ann@Firm.example,m1,/demo,12\n"
        "page viewed,2026-01-06,ann@firm.example,m2,/pricing,\n"
    )
    assert counts(run(content, tmp_path)) == {"rows": 2, "created": 2}
    demo, view = Event.objects.order_by("occurred_at").select_related("kind", "contact")
    assert (demo.kind.name, demo.message_id, demo.properties) == (
        "demo_requested",
        "m1",
        {"page": "/demo", "seats": "12"},
    )
    assert demo.occurred_at == datetime(2026, 1, 5, 10, tzinfo=UTC)
    assert (view.kind.name, view.properties) == ("page_viewed", {"page": "/pricing"})
    assert demo.contact == view.contact
    assert demo.contact.email == "ann@firm.example"


@pytest.mark.parametrize(
    ("header", "targets"),
    [
        (["event_name", "happened_at", "userId", "insertId"], ["kind", "occurred_at", "external_id", "message_id"]),
        (["mql_id", "first_contact_date", "origin"], ["external_id", "occurred_at", "properties.origin"]),
        (["Type", "Created At", "visitor id"], ["kind", "occurred_at", "anonymous_id"]),
        (["Action", "Date", "E-mail", "Consent"], ["kind", "occurred_at", "email", "properties.consent_field"]),
    ],
)
def test_guesses(header: list[str], targets: list[str]) -> None:
    assert [guess.target for guess in guess_columns(header, "events")] == targets


def test_importing_again_repeats_nothing_from_whatever_file(tmp_path: Path) -> None:
    mapping = {"columns": {"id": "external_id", "at": "occurred_at", "page": "properties.page"}, "event": "page_viewed"}
    content = "id,at,page\nu1,2026-01-05,/a\nu1,2026-01-05,/b\nu2,2026-01-05,/a\nu1,2026-01-05,/a\n"
    # The last row says the same as the first.
    assert counts(run(content, tmp_path, mapping=mapping)) == {"rows": 4, "created": 3, "unchanged": 1}
    later = NOW + timedelta(days=3)
    other = "page,at,id\n/a,2026-01-05,u1\n/c,2026-01-05,u1\n"
    assert counts(run(other, tmp_path, mapping=mapping, now=later)) == {"rows": 2, "created": 1, "unchanged": 1}
    assert Event.objects.count() == 4


def test_history_is_rebuilt_at_the_moments_of_the_events(tmp_path: Path) -> None:
    run(HEADER + "page_viewed,2026-04-20,ann@firm.example,m1,/,\n", tmp_path)
    drain_due(now=NOW)
    assert Standing.objects.get().stage == "audience"
    run(HEADER + "demo_requested,2026-03-01,ann@firm.example,m0,/demo,\n", tmp_path, now=NOW + timedelta(hours=1))
    drain_due(now=NOW + timedelta(hours=1))
    reached = Transition.objects.filter(superseded_by=None, to_stage="marketing_prospect")
    assert [transition.effective_at for transition in reached] == [datetime(2026, 3, 1, tzinfo=UTC)]


def test_bad_rows_come_back_with_their_reason(tmp_path: Path) -> None:
    content = (
        HEADER + "demo_requested,2026-01-05,ann@firm.example,m1,,\n"
        ",2026-01-05,ann@firm.example,m2,,\n"
        "demo_requested,,ann@firm.example,m3,,\n"
        "demo_requested,1999-01-05,ann@firm.example,m4,,\n"
        "demo_requested,2027-01-05,ann@firm.example,m5,,\n"
        "demo_requested,2026-01-05,nobody,m6,,\n"
        "demo_requested,2026-01-05,,m7,,\n"
        "handoff_claimed,2026-01-05,ann@firm.example,m8,,\n"
        "demo_requested,2026-01-07,ann@firm.example,m1,,\n"
    )
    summary = run(content, tmp_path)
    assert counts(summary) == {"rows": 9, "created": 1, "rejected": 8}
    assert summary.errors_file
    text = Path(summary.errors_file).read_text()
    assert len(text.splitlines()) == 9
    for sentence in (
        "row 2, column 'Event': Nothing says what happened.",
        "row 3, column 'Timestamp': Nothing says when it happened.",
        "row 4, column 'Timestamp': The time lies before 2000.",
        "row 5, column 'Timestamp': The time lies more than an hour ahead.",
        "row 6, column 'Email'",
        "nothing says who this is",
        "recorded by Ripen itself",
        "used before with another body",
    ):
        assert sentence in text, sentence


def test_json_lines_are_events_in_the_native_shape(tmp_path: Path) -> None:
    good = {
        "message_id": "m1",
        "kind": "demo_requested",
        "occurred_at": "2026-01-05T10:00:00Z",
        "contact": {"email": "ann@firm.example"},
        "traits": {"job_title": "Head"},
        "properties": {"seats": 3, "nested": {"a": [1, None]}},
    }
    without_id = {key: value for key, value in good.items() if key != "message_id"} | {"kind": "page_viewed"}
    lines = ["\ufeff" + json.dumps(good), "", json.dumps(without_id), "[1]", '{"kind": "x"', json.dumps(good)]
    summary = run("\n".join(lines), tmp_path)
    assert counts(summary) == {"rows": 5, "created": 2, "unchanged": 1, "rejected": 2}
    assert Event.objects.get(message_id="m1").properties == {"seats": 3, "nested": {"a": [1, None]}}
    assert Contact.objects.get().job_title == "Head"
    assert summary.errors_file
    assert summary.errors_file.endswith(".jsonl")
    errors = [json.loads(line) for line in Path(summary.errors_file).read_text().splitlines()]
    assert errors == [
        {"ripen_line": "[1]", "ripen_error": "row 3: This line is no JSON object."},
        {"ripen_line": '{"kind": "x"', "ripen_error": "row 4: This line is no JSON object."},
    ]
    # The errors file may be imported again; nothing in it became an event by that.
    again = run(Path(summary.errors_file).read_bytes(), tmp_path)
    assert counts(again) == {"rows": 2, "rejected": 2}
    assert counts(run("\n".join(lines), tmp_path)) == {"rows": 5, "unchanged": 3, "rejected": 2}


def test_a_corrected_line_of_the_errors_file_is_taken(tmp_path: Path) -> None:
    line = {"kind": "demo_requested", "occurred_at": "2026-01-05T10:00:00Z", "contact": {"email": "ann"}}
    summary = run(json.dumps(line) + "\n", tmp_path)
    assert summary.errors_file
    rejected = json.loads(Path(summary.errors_file).read_text())
    assert rejected.pop("ripen_error").startswith("row 1, column 'contact.email'")
    rejected["contact"]["email"] = "ann@firm.example"
    assert counts(run(json.dumps(rejected | {"ripen_error": "old"}), tmp_path)) == {"rows": 1, "created": 1}


def test_the_command_prints_one_summary(tmp_path: Path, settings: Any) -> None:
    settings.STATE_DIR = tmp_path
    path = tmp_path / "log.csv"
    path.write_text(HEADER + "page_viewed,2026-01-05,ann@firm.example,m1,/,\n")
    for expected in ({"created": 0}, {"created": 1}, {"unchanged": 1}):
        out = io.StringIO()
        call_command("import_events", str(path), dry_run=expected == {"created": 0}, stdout=out)
        said = json.loads(out.getvalue())
        assert list(said) == ["rows", "created", "updated", "unchanged", "rejected", "errors_file"]
        assert Event.objects.count() == (0 if expected == {"created": 0} else 1)
    path.write_text("Page,Email\n/,ann@firm.example\n")
    with pytest.raises(CommandError, match="No column says what happened"):
        call_command("import_events", str(path))


def test_a_file_cannot_say_what_only_people_and_facts_say(tmp_path: Path) -> None:
    mapping = {"columns": {"Email": "email", "Timestamp": "occurred_at", "Event": "kind", "Page": "consent.newsletter"}}
    stream = io.BytesIO((HEADER + "page_viewed,2026-01-05,a@b.example,m1,yes,\n").encode())
    with pytest.raises(ValueError, match=r"read_only.*consent is given by the person"):
        import_events(stream=stream, file_name="x.csv", errors_dir=tmp_path, now=NOW, mapping=mapping)


@pytest.mark.skipif(not OLIST.exists(), reason="no Olist funnel beside the repository")
def test_a_real_funnel_of_leads_and_deals(tmp_path: Path) -> None:
    examples = Path(__file__).parents[2] / "docs" / "examples"
    leads = yaml.safe_load((examples / "olist-leads.yaml").read_text())
    deals = yaml.safe_load((examples / "olist-deals.yaml").read_text())
    for expected in ("created", "unchanged"):
        for name, mapping, rows in (
            ("olist_marketing_qualified_leads_dataset.csv", leads, 8000),
            ("olist_closed_deals_cleaned.csv", deals, 842),
        ):
            assert counts(run((OLIST / name).read_bytes(), tmp_path, mapping=mapping)) == {"rows": rows, expected: rows}
    assert Contact.objects.count() == 8000
    assert Event.objects.filter(kind__name="purchased").values("contact").distinct().count() == 842
    # The one deal that was won before the first contact keeps its own moment.
    won = {event.contact_id: event.occurred_at for event in Event.objects.filter(kind__name="purchased")}
    met = {event.contact_id: event.occurred_at for event in Event.objects.filter(kind__name="form_submitted")}
    assert sum(won[contact_id] < met[contact_id] for contact_id in won) == 1


@pytest.mark.skipif(not XEDUCATION.exists(), reason="no X Education file beside the repository")
def test_the_last_activity_of_real_leads_as_events(tmp_path: Path) -> None:
    # The file has no moments, so the mapping names the day of the export.
    mapping = {
        "columns": {
            "Prospect ID": "external_id",
            "Last Activity": {"to": "kind", "values": {"Email Link Clicked": "email_clicked"}},
        },
        "constants": {"occurred_at": "2026-01-31"},
    }
    expected = json.loads((XEDUCATION / "expected.json").read_text())["Last Activity"]
    blank = expected.pop("(blank)")[0]
    summary = run((XEDUCATION / "Leads.csv").read_bytes(), tmp_path, mapping=mapping)
    assert counts(summary) == {"rows": 9240, "created": 9240 - blank, "rejected": blank}
    kinds = Counter(Event.objects.values_list("kind__name", flat=True))
    assert kinds["email_opened"] == expected["Email Opened"][0]
    assert kinds["email_clicked"] == expected["Email Link Clicked"][0]
    # A kind that nobody knows is kept, and waits to be mapped.
    assert kinds["sms_sent"] == expected["SMS Sent"][0]
