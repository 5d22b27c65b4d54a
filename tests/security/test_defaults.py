"""What holds for every answer and every address: CSRF, headers, the settings of a real installation."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from contacts.enums import Role
from tests.funnel.conftest import World
from tests.roles.api_calls import API
from tests.roles.calls import Call
from tests.roles.page_calls import PAGES
from tests.roles.test_urls import all_calls, cast_of, send

ROOT = Path(__file__).parents[2]
CSP = (
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'",
    "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
)  # fmt: skip


@pytest.mark.parametrize("kind", ["pages", "api"])
def test_every_unsafe_call_of_a_session_needs_the_csrf_token(world: World, kind: str) -> None:
    scene = cast_of(world, world.person(Role.REP, "Owning Rep"))
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.person(Role.ADMIN, "Ada Admin"))
    tables: Mapping[str, list[Call]] = PAGES if kind == "pages" else API
    open_ones = [
        (call.method, call.url)
        for call in all_calls(tables)
        if call.method != "get" and send(client, call, scene.url(call), json=kind == "api") != 403
    ]

    assert open_ones == []


@pytest.mark.parametrize("path", ["/account/login/", "/account/password/reset/", "/account/logout/", "/language/"])
def test_forms_of_visitors_need_the_csrf_token_too(db: None, path: str) -> None:
    assert Client(enforce_csrf_checks=True).post(path, {"login": "a@b.example", "language": "de"}).status_code == 403


def answers(world: World) -> dict[str, Any]:
    admin = Client()
    admin.force_login(world.person(Role.ADMIN, "Ada Admin"))
    contact = world.prospect()
    nobody = Client()
    return {
        "a page": admin.get("/contacts/"),
        "a page of one contact": admin.get(f"/contacts/{contact.pk}/"),
        "a file": admin.get("/exports/contacts.csv"),
        "the API": admin.get("/api/v1/contacts/"),
        "an error of the API": admin.get("/api/v1/contacts/0/"),
        "the API without a key": nobody.get("/api/v1/contacts/"),
        "ingest without a key": nobody.post("/v1/batch", b"{}", content_type="text/plain"),
        "the sign-in": nobody.get("/account/login/"),
        "a redirect": nobody.get("/contacts/"),
        "no such page": nobody.get("/nothing/here/"),
        "a refused page": admin.post("/queue/"),
        "a health check": nobody.get("/healthz"),
        "the OpenAPI document": nobody.get("/api/schema/"),
        "the API's pages": nobody.get("/api/docs/"),
        "help": nobody.get("/docs/"),
        "a mail provider's address": nobody.post("/hooks/email/postmark/none"),
    }


def test_every_kind_of_answer_carries_the_whole_set_of_headers(world: World) -> None:
    for what, answer in answers(world).items():
        headers = answer.headers
        assert headers.get("X-Content-Type-Options") == "nosniff", what
        assert headers.get("Referrer-Policy") == "same-origin", what
        assert headers.get("X-Frame-Options") == "DENY", what
        assert headers.get("Cross-Origin-Opener-Policy") == "same-origin", what
        policy = headers.get("Content-Security-Policy", "")
        assert [part for part in CSP if part not in policy] == [], what
        # Swagger's own page styles itself; it shows nobody's data.
        assert "unsafe" not in policy or what == "the API's pages", what
        assert "Server" not in headers, what


def test_what_is_about_people_is_kept_by_no_cache(world: World) -> None:
    admin = Client()
    admin.force_login(world.person(Role.ADMIN, "Ada Admin"))
    contact = world.prospect()
    for path in ("/contacts/", f"/contacts/{contact.pk}/", "/exports/contacts.csv", "/team/audit/", "/mine/",
                 "/api/v1/contacts/", f"/api/v1/contacts/{contact.pk}/"):  # fmt: skip
        kept = admin.get(path).headers.get("Cache-Control", "")
        assert {"private", "no-store"} <= set(kept.split(", ")), path
    live = admin.get("/queue/", headers={"X-Ripen-Live": "1"})
    assert live.headers["Cache-Control"] == "private, no-store"


def test_a_real_installation_passes_djangos_own_deployment_check(tmp_path: Path) -> None:
    """No warning with what an installation behind https sets; what config/settings.py silences has its reason."""
    given = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": "postgres://ripen:secret@db.example/ripen",
        "REDIS_URL": "redis://cache.example:6379/0",
        "SECRET_KEY": "k" * 20 + "-1234567890-abcdefghijklmnopqrstuvwxyz-ABCDEF",
        "ALLOWED_HOSTS": "ripen.example",
        "RIPEN_BASE_URL": "https://ripen.example",
        "RIPEN_TRUST_PROXY": "1",
        "RIPEN_HSTS_SECONDS": "31536000",
        "RIPEN_STATE_DIR": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT, env=given, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout
