"""The pages on which a person is exported or erased, and the list of jobs."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contacts.enums import JobKind, Role
from contacts.models import Contact, Job
from contacts.services.jobs import JOBS
from contacts.services.person_jobs import order_person_export
from tests.factories import make_contact, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, settings: Any) -> None:
    settings.STATE_DIR = tmp_path


@pytest.fixture
def boss() -> User:
    return make_user(Role.MANAGER, first_name="Mona", last_name="Manager")


@pytest.fixture
def client(boss: User) -> Client:
    client = Client()
    client.force_login(boss)
    return client


def erase(client: Client, contact: Contact, name: str) -> Any:
    form = {"action": "erase", "erase-reason": "asked", "erase-name": name}
    return client.post(f"/contacts/{contact.pk}/privacy/", form)


def test_the_name_must_be_typed_before_anybody_is_erased(client: Client) -> None:
    contact = make_contact(first_name="Ann", last_name="Adams")

    refused = erase(client, contact, "Anna Adams")

    assert refused.status_code == 422
    assert "That is not the name that is shown." in refused.content.decode()
    assert not Job.objects.exists()


def test_an_erasure_from_the_page_to_its_record(client: Client, boss: User) -> None:
    contact = make_contact(first_name="Ann", last_name="Adams", email="ann@private.test")

    ordered = erase(client, contact, " ann  ADAMS ")

    job = Job.objects.get(kind=JobKind.ERASE)
    assert (ordered.status_code, ordered.headers["Location"]) == (302, f"/jobs/{job.pk}/")
    assert "is being erased" in client.get(f"/contacts/{contact.pk}/privacy/").content.decode()
    assert "waiting for a worker" in client.get(f"/jobs/{job.pk}/").content.decode()
    JOBS.work_off()
    record = client.get(f"/jobs/{job.pk}/").content.decode()
    assert "Erased" in record
    assert "Mona Manager" in record
    assert "They asked for it" in record
    assert "ann@private.test" not in record + client.get("/jobs/").content.decode()
    assert client.get(f"/contacts/{contact.pk}/privacy/").status_code == 404
    assert client.get(f"/contacts/{contact.pk}/").status_code == 404
    assert job.contact_id != Job.objects.get(pk=job.pk).contact_id


def test_an_export_from_the_page_to_the_file(client: Client) -> None:
    contact = make_contact(first_name="Ann")

    client.post(f"/contacts/{contact.pk}/privacy/", {"action": "export"})
    JOBS.work_off()

    job = Job.objects.get(kind=JobKind.EXPORT_PERSON)
    assert f"/jobs/{job.pk}/person.json" in client.get(f"/contacts/{contact.pk}/privacy/").content.decode()
    assert "The file is ready" in client.get(f"/jobs/{job.pk}/").content.decode()
    answer = client.get(f"/jobs/{job.pk}/person.json")
    assert json.loads(b"".join(answer.streaming_content))["contact"]["first_name"] == "Ann"  # type: ignore[attr-defined]


def test_a_marketer_sees_jobs_and_gets_no_file(client: Client, boss: User) -> None:
    job = order_person_export(contact=make_contact(), by=boss)
    JOBS.work_off()
    marketer = Client()
    marketer.force_login(make_user(Role.MARKETER))

    assert "Export of a person" in marketer.get("/jobs/").content.decode()
    assert "person.json" not in marketer.get(f"/jobs/{job.pk}/").content.decode()
    assert marketer.get(f"/jobs/{job.pk}/person.json").status_code == 403


def test_the_pages_cost_the_same_whatever_they_show(client: Client, boss: User) -> None:
    def queries(path: str) -> int:
        with CaptureQueriesContext(connection) as spent:
            assert client.get(path).status_code == 200
        return len(spent)

    contact = make_contact()
    order_person_export(contact=contact, by=boss)
    JOBS.work_off()
    # The first page of a session remembers that there is one.
    queries("/jobs/")
    first = queries("/jobs/"), queries(f"/contacts/{contact.pk}/privacy/")
    for _ in range(3):
        order_person_export(contact=contact, by=boss)
        JOBS.work_off()
    assert (queries("/jobs/"), queries(f"/contacts/{contact.pk}/privacy/")) == first


def test_the_list_goes_on_before_the_last_one(client: Client, boss: User) -> None:
    now = datetime.now(UTC)
    Job.objects.bulk_create(
        Job(kind="find_duplicates", state="finished", finished_at=now, requested_by=boss) for _ in range(55)
    )

    page = client.get("/jobs/?kind=find_duplicates")

    following = page.context["next_url"]
    assert len(page.context["rows"]) == 50
    assert len(client.get(f"/jobs/{following}").context["rows"]) == 5
    assert client.get("/jobs/?kind=nonsense&before=x").status_code == 200
