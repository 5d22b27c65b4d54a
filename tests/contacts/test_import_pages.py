"""Importing a file on the pages: upload, columns, preview, run, result, and mending what was rejected."""

import io
import re
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from contacts.enums import JobKind, Role, WorkState
from contacts.models import Contact, Event, ImportRun, Job, SavedMapping
from contacts.selectors.work import work_view
from contacts.services.imports.receiving import receive_file
from contacts.services.jobs import resume_job, work_off_jobs
from tests.factories import make_contact, make_user

pytestmark = pytest.mark.django_db

PEOPLE = b"""E-mail,First name,Job title,Seats,Staff
ann@acme.example,Ann,Buyer,7,200
bob@acme.example,Bob,CEO,8,lots
carl.acme.example,Carl,,,
"""


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(make_user(Role.MARKETER))
    return client


def upload(client: Client, content: bytes = PEOPLE, name: str = "people.csv", what: str = "contacts") -> ImportRun:
    answer = client.post("/imports/new/", {"what": what, "file": SimpleUploadedFile(name, content)})
    assert answer.status_code == 302, answer.content.decode()
    return ImportRun.objects.latest("id")


def fields_of(page: str) -> dict[str, str]:
    """What the mapping form would send as it stands."""
    found = {}
    for name, options in re.findall(r'<select name="([^"]+)"[^>]*>(.*?)</select>', page, re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)" selected>', options)
        found[name] = chosen[1] if chosen else ""
    return found | {"channel": "", "empty": ""}


def mapping(client: Client, run: ImportRun) -> dict[str, str]:
    return fields_of(client.get(f"/imports/{run.pk}/mapping/").content.decode())


def finish(client: Client, run: ImportRun, **changes: str) -> ImportRun:
    """Map as guessed (but for ``changes``), start, and let the worker do it."""
    client.post(f"/imports/{run.pk}/mapping/", mapping(client, run) | changes)
    answer = client.post(f"/imports/{run.pk}/preview/", {"mode": "upsert"})
    assert answer.headers["Location"] == f"/imports/{run.pk}/"
    work_off_jobs()
    run.refresh_from_db()
    return run


def test_the_columns_are_guessed_with_how_sure_that_is(client: Client) -> None:
    run = upload(client)

    page = client.get(f"/imports/{run.pk}/mapping/").content.decode()

    assert "About 3 rows, read as UTF-8 with the delimiter comma" in page
    assert fields_of(page) == {
        "target-0": "email",
        "target-1": "first_name",
        "target-2": "job_title",
        "target-3": "attributes.seats",
        "target-4": "attributes.staff",
        **{f"type-{place}": "" for place in range(5)},
        "event": "",
        "channel": "",
        "empty": "",
    }
    assert page.count(">sure<") == 3
    assert page.count(">not recognised<") == 2
    assert "ann@acme.example" in page


def test_the_preview_says_what_would_happen_and_changes_nothing(client: Client) -> None:
    make_contact(email="ann@acme.example", first_name="Anna")
    run = upload(client)
    client.post(f"/imports/{run.pk}/mapping/", mapping(client, run) | {"target-4": "company.employees"})
    before = list(Contact.objects.values())

    page = client.get(f"/imports/{run.pk}/preview/").content.decode()

    figures = re.findall(r'figure-value">([^<]+)</p><p class="figure-label">([^<]+)<', page)
    assert {label: number for number, label in figures} == {
        "new contacts": "0",
        "updated": "1",
        "say nothing new": "0",
        "rejected": "2",
        "conflicts": "0",
    }
    assert re.search(r"First name</span>\s*<s[^>]*>Anna</s>.*?Ann<", page, re.DOTALL)
    assert "is no whole number" in page
    assert list(Contact.objects.values()) == before


def test_only_creating_and_only_updating_are_previewed_too(client: Client) -> None:
    run = upload(client)

    page = client.get(f"/imports/{run.pk}/preview/?mode=update").content.decode()

    assert '<option value="update" selected>' in page
    assert "no contact is known as" in page


def test_a_file_with_errors_is_mended_and_imported_again(client: Client) -> None:
    run = finish(client, upload(client), **{"target-4": "company.employees", "type-3": "integer"})

    assert (run.created, run.rejected) == (1, 2)
    assert Contact.objects.get(email="ann@acme.example").attributes == {"seats": 7}
    page = client.get(f"/imports/{run.pk}/").content.decode()
    assert "Download the errors file" in page
    errors = client.get(f"/imports/{run.pk}/errors/")
    assert errors["Content-Disposition"] == 'attachment; filename="people-errors.csv"'
    text = errors.getvalue().decode()
    assert text.splitlines()[0] == "E-mail,First name,Job title,Seats,Staff,ripen_error"

    mended = text.replace("lots", "300").replace("carl.acme", "carl@acme").encode()
    again = upload(client, mended, name="people-errors.csv")
    assert mapping(client, again)["target-5"] == "ignore"
    again = finish(client, again, **{"target-4": "company.employees", "type-3": "integer"})

    assert (again.created, again.rejected) == (2, 0)
    assert "Every row was taken" in client.get(f"/imports/{again.pk}/").content.decode()
    assert {contact.email for contact in Contact.objects.all()} == {
        f"{name}@acme.example" for name in ("ann", "bob", "carl")
    }


def test_the_next_file_with_this_header_is_mapped_as_this_one(client: Client) -> None:
    finish(client, upload(client), **{"target-2": "role", "target-3": "ignore", "empty": "n/a, Select"})

    run = upload(client)
    page = client.get(f"/imports/{run.pk}/mapping/").content.decode()

    assert "Mapped as last time" in page
    assert fields_of(page)["target-2"] == "role"
    assert fields_of(page)["target-3"] == "ignore"
    assert 'value="n/a, Select"' in page
    assert SavedMapping.objects.count() == 1


def test_what_a_mapping_says_beyond_the_form_is_kept(client: Client) -> None:
    run = upload(client)
    run.mapping = {
        "columns": {
            "E-mail": [{"to": "email"}],
            "First name": [{"to": "first_name", "case": "title"}],
            "Job title": [{"to": "job_title"}, {"to": "attributes.position", "values": {"ceo": "chief"}}],
            "Seats": [{"to": "attributes.seats", "default": "1", "type": "integer"}],
        },
        "constants": {"source.motion": "demand_generation", "source.channel": "fair"},
    }
    run.save()

    sent = mapping(client, run)
    assert sent["target-2"] == "as-it-is"
    client.post(f"/imports/{run.pk}/mapping/", sent | {"channel": "trade show"})

    run.refresh_from_db()
    columns = run.mapping["columns"]
    assert [rule["to"] for rule in columns["Job title"]] == ["job_title", "attributes.position"]
    assert columns["Job title"][1]["values"] == {"ceo": "chief"}
    assert (columns["First name"][0]["case"], columns["Seats"][0]["default"]) == ("title", "1")
    assert columns["Seats"][0]["type"] == "integer"
    assert "Staff" not in columns
    assert run.mapping["constants"] == {"source.motion": "demand_generation", "source.channel": "trade show"}


def test_a_mapping_that_names_nobody_is_refused_in_words(client: Client) -> None:
    run = upload(client)

    answer = client.post(f"/imports/{run.pk}/mapping/", mapping(client, run) | {"target-0": "ignore"})

    assert answer.status_code == 422
    assert "No column says who the contact is" in answer.content.decode()


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "empty"), (b"PK\x03\x04 a spreadsheet", "spreadsheet"), (b"a,,b\n1,2,3\n", "blank")],
)
def test_what_is_no_csv_is_refused_in_words(client: Client, content: bytes, said: str) -> None:
    answer = client.post("/imports/new/", {"what": "contacts", "file": SimpleUploadedFile("a.csv", content)})

    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert ImportRun.objects.count() == 0


def test_events_are_imported_too(client: Client) -> None:
    content = b"Email,Event,Time,Pages\nann@acme.example,asset_downloaded,2026-03-01T10:00:00Z,3\n"
    run = finish(client, upload(client, content, what="events"))

    assert (run.created, run.rejected) == (1, 0)
    event = Event.objects.get()
    assert (event.kind.name, event.properties) == ("asset_downloaded", {"pages": "3"})
    assert "new events" in client.get(f"/imports/{run.pk}/").content.decode()


def test_an_import_is_watched_cancelled_and_resumed(client: Client) -> None:
    run = upload(client)
    client.post(f"/imports/{run.pk}/mapping/", mapping(client, run))
    client.post(f"/imports/{run.pk}/preview/", {"mode": "upsert"})

    page = client.get(f"/imports/{run.pk}/").content.decode()
    assert "waiting for a worker" in page
    assert f'hx-get="/imports/{run.pk}/progress/"' in page
    part = client.get(f"/imports/{run.pk}/progress/", headers={"HX-Request": "true"})
    assert b'id="run"' in part.content
    assert client.get(f"/imports/{run.pk}/progress/").headers["Location"] == f"/imports/{run.pk}/"

    client.post(f"/imports/{run.pk}/cancel/")
    assert Job.objects.get(kind=JobKind.IMPORT_CONTACTS).state == WorkState.CANCELLED
    assert client.get(f"/imports/{run.pk}/progress/", headers={"HX-Request": "true"})["HX-Refresh"] == "true"
    assert "Go on where it stopped" in client.get(f"/imports/{run.pk}/").content.decode()

    client.post(f"/imports/{run.pk}/resume/")
    work_off_jobs()
    assert "finished" in client.get(f"/imports/{run.pk}/").content.decode()
    run.refresh_from_db()
    assert run.created == 2


def test_a_finished_import_is_neither_mapped_nor_begun_again(client: Client) -> None:
    run = ImportRun.objects.create(file_name="old.csv", finished_at=timezone.now(), rows=1, unchanged=1)

    for step in ("mapping", "preview"):
        assert client.get(f"/imports/{run.pk}/{step}/").headers["Location"] == f"/imports/{run.pk}/"
    assert client.get(f"/imports/{run.pk}/errors/").status_code == 404
    assert client.get(f"/imports/{run.pk}/").status_code == 200


def test_a_removed_upload_is_said(client: Client, tmp_path: object) -> None:
    run = upload(client)
    ImportRun.objects.update(stored_file="upload-gone")

    for step in ("mapping", "preview"):
        page = client.get(f"/imports/{run.pk}/{step}/", follow=True).content.decode()
        assert "The uploaded file was removed" in page


def test_the_list_takes_as_many_queries_for_three_as_for_one(client: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get("/imports/").status_code == 200
        return len(captured)

    person = make_user()

    def add() -> None:
        receive_file(stream=io.BytesIO(PEOPLE), file_name="a.csv", what="contacts", by=person, now=timezone.now())

    assert "Nothing imported yet" in client.get("/imports/").content.decode()
    add()
    one = queries()
    add()
    add()
    assert queries() == one


def test_a_list_longer_than_a_page(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contacts.selectors.imports.latest_imports.__kwdefaults__", {"before": None, "limit": 2})
    runs = [ImportRun.objects.create(file_name=f"{number}.csv", finished_at=timezone.now()) for number in range(3)]

    first = client.get("/imports/").content.decode()
    rest = client.get(f"/imports/?before={runs[1].pk}").content.decode()

    assert [name in first for name in ("0.csv", "1.csv", "2.csv")] == [False, True, True]
    assert [name in rest for name in ("0.csv", "1.csv", "2.csv")] == [True, False, False]


def test_what_was_done_before_a_pause_makes_no_import_look_faster() -> None:
    now = timezone.now()
    job = Job.objects.create(
        kind=JobKind.IMPORT_CONTACTS, state=WorkState.CANCELLED, finished_at=now, done=900, total=1_000, unit="rows"
    )
    resume_job(job_id=job.pk)
    job.refresh_from_db()
    job.started_at, job.done = now - timedelta(seconds=10), 950

    view = work_view(job, now=now)

    assert (view["done"], view["rate"], view["remaining"]) == (950, 5.0, 10.0)
