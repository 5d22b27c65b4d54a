"""The page of the search and the answers of the palette."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contacts.enums import Role
from contacts.models import Contact
from tests.factories import CompanyFactory, make_event, make_user, record

pytestmark = pytest.mark.django_db


def known(first: str, last: str, email: str) -> Contact:
    record(make_event("list_imported", contact={"email": email}, traits={"first_name": first, "last_name": last}))
    return Contact.objects.get(email=email)


def opened(client: Client, path: str, role: str = Role.ADMIN) -> str:
    client.force_login(make_user(role))
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def test_finds_people_companies_places_definitions_acts_and_documentation(client: Client) -> None:
    ann = known("Ann", "Importer", "ann@one.example")
    company = CompanyFactory.create(name="Import House")
    page = opened(client, "/search/?q=import")
    for address in (
        f"/contacts/{ann.pk}/",
        f"/companies/{company.pk}/",
        "/imports/",
        "/imports/new/",
        "/docs/importing/",
    ):
        assert f'href="{address}' in page, address
    assert "/definitions/" in opened(client, "/search/?q=default")


def test_what_is_spelt_otherwise_is_marked(client: Client) -> None:
    known("John", "Smith", "js@one.example")
    assert "similar" in opened(client, "/search/?q=jhon+smtih")
    assert "similar" not in opened(client, "/search/?q=john+smith")


def test_nobody_is_offered_what_they_may_not_do(client: Client) -> None:
    as_rep = opened(client, "/search/?part=1&q=", Role.REP)
    as_admin = opened(client, "/search/?part=1&q=", Role.ADMIN)
    for address in ("/imports/new/", "/sources/", "/team/"):
        assert f'href="{address}"' in as_admin
        assert f'href="{address}"' not in as_rep


def test_a_stranger_is_told_nothing(client: Client) -> None:
    known("Ann", "Secret", "ann@one.example")
    for path in ("/search/?q=ann", "/search/?q=ann&part=1"):
        answer = client.get(path)
        assert answer.status_code == 302
        assert b"Secret" not in answer.content


def test_the_palette_gets_options_and_304_where_it_knows_them(client: Client) -> None:
    known("Ann", "Lee", "ann@one.example")
    client.force_login(make_user(Role.REP))
    first = client.get("/search/?q=ann&part=1")
    assert 'role="option"' in first.content.decode()
    assert "<html" not in first.content.decode()
    assert "private" in first["Cache-Control"]
    again = client.get("/search/?q=ann&part=1", headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("path", ["/search/?q=ann", "/search/?q=ann&part=1"])
def test_as_many_queries_for_many_as_for_some(client: Client, path: str) -> None:
    client.force_login(make_user(Role.ADMIN))

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            client.get(path)
        return len(captured)

    for place in range(5):
        known("Ann", f"N{place}", f"a{place}@one.example")
    queries()
    some = queries()
    for place in range(5, 8):
        known("Ann", f"N{place}", f"a{place}@one.example")
    assert queries() == some


def test_hostile_text_is_shown_as_text(client: Client) -> None:
    page = opened(client, "/search/?q=%3Cscript%3Ealert(1)%3C/script%3E%00")
    assert "<script>alert(1)" not in page
