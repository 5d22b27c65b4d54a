"""What every answer of the web application carries, and the addresses for operators."""

import gzip
import json

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core import mail
from django.http import HttpResponseBase
from django.test import Client
from django.test.utils import override_settings

from contacts.enums import Role
from contacts.services.people import create_person

STRICT = {
    **dict.fromkeys(("default-src", "base-uri", "frame-ancestors"), "'none'"),
    **dict.fromkeys(("script-src", "style-src", "font-src", "img-src", "connect-src"), "'self'"),
    **dict.fromkeys(("manifest-src", "form-action"), "'self'"),
}


def policy_of(answer: HttpResponseBase) -> dict[str, str]:
    parts = answer.headers["Content-Security-Policy"].split(";")
    return dict(part.strip().split(" ", 1) for part in parts)


@pytest.mark.django_db
def test_pages_allow_first_party_files_only(client: Client) -> None:
    answer = client.get("/account/login/")
    assert answer.status_code == 200
    assert policy_of(answer) == STRICT
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"


@pytest.mark.django_db
def test_the_api_documentation_may_style_itself_and_nothing_more(client: Client) -> None:
    answer = client.get("/api/docs/")
    assert answer.status_code == 200
    policy = policy_of(answer)
    assert policy["script-src"] == "'self'"
    assert policy["style-src"] == "'self' 'unsafe-inline'"
    body = answer.content.decode()
    assert "<script>" not in body
    assert "http://" not in body
    assert "https://" not in body


@pytest.mark.django_db
def test_the_schema_describes_the_contract(client: Client) -> None:
    answer = client.get("/api/schema/?format=json")
    assert answer.status_code == 200
    paths = json.loads(answer.content)["paths"]
    assert {"/api/v1/events/", "/api/v1/contacts/", "/api/v1/handoffs/", "/api/v1/definitions/"} <= set(paths)
    assert all(path.startswith(("/api/v1/", "/v1/", "/batch", "/hooks/email/")) for path in paths)


@pytest.mark.django_db
def test_readiness_names_what_is_in_order(client: Client) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "checks": {"database": "ok", "migrations": "ok", "broker": "ok"}}


@pytest.mark.django_db
def test_metrics_are_for_this_machine(client: Client) -> None:
    assert client.get("/metrics", REMOTE_ADDR="127.0.0.1").status_code == 200
    assert client.get("/metrics", REMOTE_ADDR="::1").status_code == 200
    assert client.get("/metrics", REMOTE_ADDR="192.0.2.7").status_code == 403
    # A proxy on this machine forwards for somebody else.
    assert client.get("/metrics", REMOTE_ADDR="127.0.0.1", headers={"x-forwarded-for": "192.0.2.7"}).status_code == 403


@pytest.mark.django_db
@override_settings(METRICS_TOKEN="sesame")
def test_metrics_are_for_who_has_the_token(client: Client) -> None:
    assert client.get("/metrics", REMOTE_ADDR="192.0.2.7").status_code == 403
    wrong = client.get("/metrics", REMOTE_ADDR="192.0.2.7", headers={"authorization": "Bearer nonsense"})
    assert wrong.status_code == 403
    assert wrong.json()["code"] == "forbidden"
    right = client.get("/metrics", REMOTE_ADDR="192.0.2.7", headers={"authorization": "Bearer sesame"})
    assert right.status_code == 200
    assert b"django_http_requests" in right.content


@pytest.fixture
def person(db: None) -> User:
    return create_person(email="jo@example.com", role=Role.MARKETER, password="correct horse battery", by=None)


def test_people_sign_in_by_their_address_in_any_case(client: Client, person: User) -> None:
    answer = client.post("/account/login/", {"login": "Jo@Example.com", "password": "correct horse battery"})
    assert answer.status_code == 302
    assert answer.headers["Location"] == settings.LOGIN_REDIRECT_URL
    assert client.session["_auth_user_id"] == str(person.pk)


def test_a_wrong_password_signs_nobody_in(client: Client, person: User) -> None:
    answer = client.post("/account/login/", {"login": "jo@example.com", "password": "wrong"})
    assert answer.status_code == 200
    assert "_auth_user_id" not in client.session


def test_nobody_signs_up(client: Client, person: User) -> None:
    form = {"email": "new@example.com", "password1": "correct horse battery", "password2": "correct horse battery"}
    assert client.post("/account/signup/", form).status_code == 200
    assert list(User.objects.values_list("username", flat=True)) == ["jo@example.com"]


def test_a_forgotten_password_is_reset_by_mail(client: Client, person: User) -> None:
    client.post("/account/password/reset/", {"email": "jo@example.com"})
    assert [message.to for message in mail.outbox] == [["jo@example.com"]]
    assert "/account/password/reset/key/" in mail.outbox[0].body


@pytest.mark.django_db
def test_pages_travel_compressed_and_programs_get_what_they_always_got(client: Client) -> None:
    asked = {"Accept-Encoding": "gzip"}
    page = client.get("/account/login/", headers=asked)
    assert page.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in page.headers["Vary"]
    assert gzip.decompress(page.content).startswith(b"<!DOCTYPE html>")
    assert "Content-Encoding" not in client.get("/account/login/").headers
    assert "Content-Encoding" not in client.get("/api/schema/", headers=asked).headers
