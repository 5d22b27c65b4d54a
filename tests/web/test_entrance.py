"""Signing in and out, and the pages for when something is wrong."""

import re

import pytest
from django.core import mail
from django.template.loader import render_to_string
from django.test import Client, RequestFactory

from contacts.enums import Role
from tests.factories import make_user

pytestmark = pytest.mark.django_db

PASSWORD = "quite-a-long-passphrase"


@pytest.fixture
def rita_address() -> str:
    rita = make_user(Role.REP, email="rita@ripen.test", username="rita@ripen.test")
    rita.set_password(PASSWORD)
    rita.save()
    return rita.email


def test_signs_in_and_goes_where_one_wanted_to(client: Client, rita_address: str) -> None:
    asked = client.get("/queue/")
    page = client.get(asked["Location"])
    assert b"Sign in" in page.content
    answer = client.post(asked["Location"], {"login": rita_address, "password": PASSWORD, "next": "/queue/"})
    assert (answer.status_code, answer["Location"]) == (302, "/queue/")


def test_a_wrong_password_is_said_in_the_form(client: Client, rita_address: str) -> None:
    page = client.post("/account/login/", {"login": rita_address, "password": "wrong"}).content.decode()
    assert 'role="alert"' in page
    assert "not correct" in page


def test_signs_out_only_by_form(client: Client, rita_address: str) -> None:
    client.login(username=rita_address, password=PASSWORD)
    assert b"Sign out" in client.get("/account/logout/").content
    assert client.get("/queue/").status_code == 200
    client.post("/account/logout/")
    assert client.get("/queue/").status_code == 302


def test_nobody_signs_up(client: Client) -> None:
    assert b"made here by administrators" in client.get("/account/signup/").content


def test_resets_a_password_by_mail(client: Client, rita_address: str) -> None:
    page = client.post("/account/password/reset/", {"email": rita_address}, follow=True)
    assert b"Look in your inbox" in page.content
    link = re.search(r"http://testserver(/\S+)", str(mail.outbox[0].body))
    assert link is not None
    form = client.get(link[1], follow=True)
    assert b"Choose a new password" in form.content
    saved = client.post(
        form.request["PATH_INFO"], {"password1": "another-long-passphrase", "password2": "another-long-passphrase"}
    )
    assert saved.status_code == 302
    assert client.login(username=rita_address, password="another-long-passphrase")


def test_changes_ones_own_password(client: Client, rita_address: str) -> None:
    client.login(username=rita_address, password=PASSWORD)
    assert b"Change password" in client.get("/account/password/change/").content
    sent = {"oldpassword": PASSWORD, "password1": "another-long-passphrase", "password2": "another-long-passphrase"}
    assert client.post("/account/password/change/", sent).status_code == 302
    assert Client().login(username=rita_address, password="another-long-passphrase")


def test_an_unknown_address_gets_our_page(client: Client) -> None:
    answer = client.get("/no-such-page/")
    assert answer.status_code == 404
    assert b"Nothing here" in answer.content
    assert b"/contacts/" in answer.content


@pytest.mark.parametrize(("code", "words"), [(400, "made no sense"), (403, "may not see"), (500, "Something broke")])
def test_each_error_page_renders_alone(code: int, words: str, rf: RequestFactory) -> None:
    assert words in render_to_string(f"{code}.html")
