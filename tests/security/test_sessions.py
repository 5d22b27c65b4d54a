"""Sessions: a new one at sign-in, cookies that scripts and other sites do not get, an end where the account changes."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings
from time_machine import TimeMachineFixture

from config.env import BASE_DIR
from contacts.enums import Role
from contacts.models import AuditEntry
from tests.factories import make_user

pytestmark = pytest.mark.django_db

PASSWORD = "quite-a-long-passphrase"


@pytest.fixture
def ann() -> User:
    user = make_user(Role.REP, email="ann@ripen.test", username="ann@ripen.test")
    user.set_password(PASSWORD)
    user.save()
    return user


def sign_in(client: Client) -> Any:
    return client.post("/account/login/", {"login": "ann@ripen.test", "password": PASSWORD})


def test_signing_in_gives_a_new_session_and_a_new_csrf_token(ann: User) -> None:
    client = Client()
    client.get("/account/login/")
    session = client.session
    session["planted"] = "by somebody else"
    session.save()
    client.cookies[project.SESSION_COOKIE_NAME] = str(session.session_key)
    before, token = session.session_key, client.cookies["csrftoken"].value

    sign_in(client)

    assert client.session.session_key != before
    assert client.cookies["csrftoken"].value != token
    stranger = Client()
    stranger.cookies[project.SESSION_COOKIE_NAME] = str(before)
    assert stranger.get("/queue/").status_code == 302, "whoever planted the session holds nothing"


def test_cookies_say_who_may_read_them(ann: User) -> None:
    client = Client()
    sign_in(client)
    session, csrf = client.cookies[project.SESSION_COOKIE_NAME], client.cookies["csrftoken"]
    assert session["httponly"] is True
    assert (session["samesite"], csrf["samesite"]) == ("Lax", "Lax")
    assert session["domain"] == ""


def test_behind_https_cookies_are_bound_to_this_host(tmp_path: Path) -> None:
    def names(address: str) -> list[str]:
        given = {"PATH": os.environ["PATH"], "RIPEN_STATE_DIR": str(tmp_path), "RIPEN_BASE_URL": address}
        code = (
            "from config import settings as s; "
            "print(s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME, s.LANGUAGE_COOKIE_NAME, s.SESSION_COOKIE_SECURE)"
        )
        done = subprocess.run([sys.executable, "-c", code], cwd=BASE_DIR, env=given, capture_output=True, check=True)
        return done.stdout.decode().split()

    assert names("https://ripen.example") == ["__Host-sessionid", "__Host-csrftoken", "__Host-ripen_language", "True"]
    assert names("http://127.0.0.1:8000") == ["sessionid", "csrftoken", "ripen_language", "False"]


def test_signing_in_works_with_cookies_bound_to_the_host(ann: User, settings: Settings) -> None:
    for name in ("SESSION_COOKIE", "CSRF_COOKIE", "LANGUAGE_COOKIE"):
        setattr(settings, f"{name}_NAME", f"__Host-{getattr(settings, f'{name}_NAME')}")
        setattr(settings, f"{name}_SECURE", True)
    client = Client(enforce_csrf_checks=True)
    client.get("/account/login/", secure=True)
    given = {"login": ann.email, "password": PASSWORD, "csrfmiddlewaretoken": client.cookies["__Host-csrftoken"].value}
    client.post("/account/login/", given, secure=True, headers={"Referer": "https://testserver/account/login/"})

    cookie = client.cookies["__Host-sessionid"]
    assert (cookie["secure"], cookie["path"], cookie["domain"]) == (True, "/", "")
    assert client.get("/queue/", secure=True).status_code == 200


@pytest.mark.parametrize("remember", ["", "on"])
def test_a_session_ends_hours_after_its_sign_in_however_busy_it_is(
    ann: User, settings: Settings, time_machine: TimeMachineFixture, remember: str
) -> None:
    settings.SESSION_HOURS = 12
    begun = datetime(2026, 11, 23, 8, tzinfo=UTC)
    time_machine.move_to(begun)
    client = Client()
    client.post("/account/login/", {"login": ann.email, "password": PASSWORD, "remember": remember})
    for hour in range(1, 12):
        time_machine.move_to(begun + timedelta(hours=hour))
        assert client.get("/queue/").status_code == 200
        session = client.session
        session["busy"] = hour
        session.save()

    time_machine.move_to(begun + timedelta(hours=12))
    page = client.get("/queue/", follow=True)

    assert page.request["PATH_INFO"] == "/account/login/"
    assert "A session lasts 12 hours. Sign in again to go on." in page.content.decode()
    assert client.get("/api/v1/contacts/").status_code == 401
    client.post("/account/login/?next=/queue/", {"login": ann.email, "password": PASSWORD})
    assert client.get("/queue/").status_code == 200
    acts = AuditEntry.objects.order_by("id").values_list("act", flat=True)
    assert list(acts) == ["signed_in", "signed_out", "signed_in"]


def test_signing_out_ends_the_session_on_the_server(ann: User) -> None:
    client = Client()
    sign_in(client)
    key = client.session.session_key
    client.post("/account/logout/")
    thief = Client()
    thief.cookies[project.SESSION_COOKIE_NAME] = str(key)
    assert thief.get("/queue/").status_code == 302
    assert list(AuditEntry.objects.order_by("id").values_list("act", flat=True)) == ["signed_in", "signed_out"]


def test_a_changed_password_ends_all_other_sessions(ann: User) -> None:
    here, there = Client(), Client()
    sign_in(here)
    sign_in(there)
    fresh = "another-long-passphrase"
    here.post("/account/password/change/", {"oldpassword": PASSWORD, "password1": fresh, "password2": fresh})
    assert (here.get("/queue/").status_code, there.get("/queue/").status_code) == (200, 302)
    assert AuditEntry.objects.filter(act="password_changed", actor=ann).count() == 1


def test_after_signing_in_nobody_is_led_to_another_site(ann: User) -> None:
    for target in ("https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"):
        answer = Client().post(f"/account/login/?next={target}", {"login": ann.email, "password": PASSWORD})
        assert answer.status_code == 302
        assert answer["Location"].startswith("/")
        assert "evil" not in answer["Location"]


def test_the_log_keeps_the_network_and_no_full_address(ann: User) -> None:
    client = Client(REMOTE_ADDR="203.0.113.77")
    client.post("/account/login/", {"login": ann.email, "password": "wrong"})
    sign_in(client)
    assert list(AuditEntry.objects.order_by("id").values_list("act", "details__network")) == [
        ("sign_in_failed", "203.0.113.0/24"),
        ("signed_in", "203.0.113.0/24"),
    ]
