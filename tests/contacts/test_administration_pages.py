"""Sources, team and account: who may, what is shown once, and what a refusal says."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contacts.enums import Role
from contacts.keys import hash_key
from contacts.models import PersonalToken, Source
from tests.factories import make_source, make_user

pytestmark = pytest.mark.django_db


def signed_in(role: Role) -> Client:
    client = Client()
    client.force_login(make_user(role))
    return client


def shown_once(page: str) -> str:
    found = re.search(r'secret" type="text" value="([^"]+)"', page)
    return found[1] if found else ""


@pytest.mark.parametrize("role", [Role.MARKETER, Role.REP, Role.MANAGER])
@pytest.mark.parametrize("path", ["/sources/", "/team/"])
def test_only_administrators_administer(role: Role, path: str) -> None:
    client = signed_in(role)
    assert client.get(path).status_code == 403
    assert client.post(path, {}).status_code == 403
    assert f'href="{path}"' not in client.get("/contacts/").content.decode()
    assert f'href="{path}"' in signed_in(Role.ADMIN).get("/contacts/").content.decode()


def test_a_source_is_made_and_its_key_shown_once() -> None:
    client = signed_in(Role.ADMIN)
    page = client.post("/sources/", {"name": "Website", "channel": "website", "scopes": ["events:write"]})
    key = shown_once(page.content.decode())
    source = Source.objects.get(name="Website")
    assert source.key_hash == hash_key(key)
    assert page["Cache-Control"] == "max-age=0, no-cache, no-store, must-revalidate, private"
    again = client.get("/sources/").content.decode()
    assert "Website" in again
    assert key not in again


@pytest.mark.parametrize(
    ("sent", "remark"),
    [
        ({"name": "", "scopes": ["events:write"]}, "This field is required"),
        ({"name": "Taken", "scopes": ["events:write"]}, "There is a source called “Taken”"),
        ({"name": "Web", "public": "on", "scopes": ["contacts:read"]}, "A public key may only"),
        ({"name": "Web", "scopes": ["everything"]}, "Select a valid choice"),
    ],
)
def test_what_is_wrong_with_a_source_is_said_beside_its_field(sent: dict[str, object], remark: str) -> None:
    make_source(name="Taken")
    page = signed_in(Role.ADMIN).post("/sources/", sent)
    assert page.status_code == 422
    assert remark in page.content.decode()
    assert not Source.objects.filter(name="Web").exists()


def test_an_address_that_is_taken_is_refused() -> None:
    taken = make_user(Role.REP)
    page = signed_in(Role.ADMIN).post("/team/", {"email": taken.email, "role": "rep"})
    assert page.status_code == 422
    assert "has an account already" in page.content.decode()


def test_the_team_costs_the_same_queries_for_one_and_for_three() -> None:
    client = signed_in(Role.ADMIN)
    client.get("/team/")

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            client.get("/team/")
        return len(captured)

    one = queries()
    make_user(Role.REP)
    make_user(Role.MARKETER)
    assert queries() == one


def test_a_token_of_ones_own_is_shown_once_and_works() -> None:
    client = signed_in(Role.MARKETER)
    token = shown_once(client.post("/account/tokens/", {"name": "notebook"}).content.decode())
    row = PersonalToken.objects.get()
    assert row.key_hash == hash_key(token)
    assert token not in client.get("/account/tokens/").content.decode()
    bearer = {"Authorization": f"Bearer {token}"}
    assert Client().get("/api/v1/contacts/", headers=bearer).status_code == 200
    assert "never" not in client.get("/account/tokens/").content.decode()

    assert "cannot be undone" in client.get(f"/account/tokens/{row.pk}/revoke/").content.decode()
    assert signed_in(Role.ADMIN).post(f"/account/tokens/{row.pk}/revoke/").status_code == 404, "not theirs"
    assert client.post(f"/account/tokens/{row.pk}/revoke/").status_code == 302
    assert Client().get("/api/v1/contacts/", headers=bearer).status_code == 401
    assert "revoked" in client.get("/account/tokens/").content.decode()
