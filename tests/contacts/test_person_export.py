"""Exporting all that is known of a person: one document, kept for seven days, for those who answer for it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from contacts.enums import ErasureReason, Role, Scope
from contacts.models import Contact, Job
from contacts.services.jobs import JOBS
from contacts.services.person_files import (
    KEPT_FOR,
    export_file_of,
    exports_folder,
    sweep_export_files,
    write_export_file,
)
from contacts.services.person_jobs import order_erasure, order_person_export
from tests.factories import make_contact, make_source, make_token, make_user
from tests.funnel.conftest import World
from tests.journeys.lives import VALUES, live

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.STATE_DIR = tmp_path
    return tmp_path


@pytest.fixture
def boss() -> User:
    return make_user(Role.MANAGER)


def export(contact: Contact, boss: User) -> tuple[Job, dict[str, Any]]:
    job = order_person_export(contact=contact, by=boss)
    assert JOBS.work_off() == 1
    job.refresh_from_db()
    path = export_file_of(job.pk, now=datetime.now(UTC))
    assert path is not None, job.error
    return job, json.loads(path.read_text())


def test_it_holds_everything_and_counts_it(boss: User) -> None:
    contact = live(World())

    job, document = export(contact, boss)

    assert (document["format"], document["version"]) == ("ripen-person", 1)
    text = json.dumps(document, ensure_ascii=False)
    assert {value for value in VALUES if value in text} == set(VALUES)
    assert document["contact"]["email"]
    assert len(document["contact_ids"]) == 2, "what was merged into it is the same person's"
    lists = {name: len(rows) for name, rows in document.items() if isinstance(rows, list) and name != "contact_ids"}
    assert job.result is not None
    assert job.result["rows"] == lists
    assert all(lists.values()), lists
    assert lists.keys() == {
        "attribute_changes", "consent", "corrections", "events", "form_submissions", "handoffs", "identities", "mails",
        "merges", "notifications", "sequences", "standings", "suppressions", "tags",
        "transitions", "webhooks",
    }  # fmt: skip
    assert not any(value.lower() in json.dumps(job.result).lower() for value in VALUES), "a job names nobody"


def test_its_file_is_private_and_goes_after_a_week_or_with_the_person(boss: User, folder: Path) -> None:
    contact = make_contact()
    job, _ = export(contact, boss)
    now = datetime.now(UTC)
    path = export_file_of(job.pk, now=now)
    assert path is not None
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert path.is_relative_to(folder / "exports")
    assert export_file_of(job.pk, now=now + KEPT_FOR + timedelta(minutes=1)) is None
    assert sweep_export_files(now=now + timedelta(days=6)) == 0
    assert sweep_export_files(now=now + KEPT_FOR + timedelta(minutes=1)) == 1
    job, _ = export(contact, boss)

    order_erasure(contact=contact, by=boss, reason=ErasureReason.ASKED, now=now)
    JOBS.work_off()

    assert list(exports_folder().iterdir()) == []


def test_a_document_that_breaks_off_leaves_no_file() -> None:
    def pieces() -> Any:
        yield "{"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_export_file(job_id=7, pieces=pieces())

    assert list(exports_folder().iterdir()) == []


def test_an_erased_person_is_not_exported(boss: User) -> None:
    contact = make_contact()
    erasure = order_erasure(contact=contact, by=boss, reason=ErasureReason.ASKED, now=datetime.now(UTC))
    job = order_person_export(contact=contact, by=boss)

    JOBS.work_off()

    job.refresh_from_db()
    erasure.refresh_from_db()
    assert (erasure.state, job.state) == ("finished", "failed")
    assert "erased" in job.error


def test_over_http_it_is_ordered_followed_and_fetched(boss: User) -> None:
    contact = make_contact(first_name="Ann")
    client = Client(headers={"Authorization": f"Bearer {make_token(boss)}"})

    ordered = client.post(f"/api/v1/contacts/{contact.pk}/export/", content_type="application/json")

    assert ordered.status_code == 202
    address = f"/api/v1/jobs/{ordered.json()['job']}/"
    waiting = client.get(address).json()
    assert (waiting["kind"], waiting["state"], waiting["contact"]) == ("export_person", "queued", str(contact.pk))
    assert client.get(f"{address}file/").status_code == 404
    JOBS.work_off()
    assert client.get(address).json()["state"] == "finished"
    answer = client.get(f"{address}file/")
    document = json.loads(b"".join(answer.streaming_content))  # type: ignore[attr-defined]
    assert document["contact"]["first_name"] == "Ann"
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert client.post(f"{address}cancel/", content_type="application/json").json()["state"] == "finished"
    assert client.post(f"{address}resume/", content_type="application/json").status_code == 409
    found = client.get("/api/v1/jobs/?kind=export_person").json()["results"]
    assert [row["id"] for row in found] == [ordered.json()["job"]]


def test_an_integration_erases_over_http_and_cannot_take_it_back() -> None:
    contact = make_contact()
    source, key = make_source([Scope.CONTACTS_WRITE, Scope.CONTACTS_READ])
    client = Client(headers={"Authorization": f"Bearer {key}"})

    assert client.delete(f"/api/v1/contacts/{contact.pk}/?reason=boredom").status_code == 400
    ordered = client.delete(f"/api/v1/contacts/{contact.pk}/?reason=not_needed")

    assert ordered.status_code == 202
    address = f"/api/v1/jobs/{ordered.json()['job']}/"
    refused = client.post(f"{address}cancel/", content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (409, "cannot_cancel")
    JOBS.work_off()
    job = client.get(address).json()
    assert job["state"] == "finished"
    assert job["parameters"] == {"reason": "not_needed", "source": source.name}
    assert job["contact"] != str(contact.pk)
    assert client.get(f"/api/v1/contacts/{contact.pk}/").status_code == 404
    assert client.delete(f"/api/v1/contacts/{contact.pk}/").status_code == 404
    assert client.get(f"/api/v1/contacts/{job['contact']}/").status_code == 404, "a husk is no contact"


def test_a_public_key_may_do_neither() -> None:
    contact = make_contact()
    _, key = make_source([Scope.CONTACTS_WRITE], kind="public")
    client = Client(headers={"Authorization": f"Bearer {key}"})

    assert client.delete(f"/api/v1/contacts/{contact.pk}/").status_code == 403
    assert client.post(f"/api/v1/contacts/{contact.pk}/export/", content_type="application/json").status_code == 403
