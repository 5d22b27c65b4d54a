"""What is too big, too deep or too many is refused early and cheaply; long texts cost no more than their length."""

import gzip
import io
import time
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from config.redaction import redact
from contacts.enums import Role, Scope
from contacts.ingest import csv_escaping, free_mail, identifiers, machines, native
from contacts.ingest.incoming import Refused, Unreadable
from contacts.ingest.reading import read_json
from contacts.services.sources import create_source
from funnel.calls_to_action import _DENIAL
from funnel.forms.planning import _SPAN
from funnel.nurturing import _PLACEHOLDER
from scoring.definition import patterns
from scoring.engine.properties import _NUMBER
from tests.funnel.conftest import World

MEGABYTE = 1024 * 1024


@pytest.fixture
def api(db: None) -> Client:
    made = create_source(name="crm", scopes=[Scope.EVENTS_WRITE, Scope.CONTACTS_WRITE, Scope.CONTACTS_READ], by=None)
    return Client(headers={"Authorization": f"Bearer {made.key}"})


class TestBodies:
    @pytest.mark.parametrize("path", ["/api/v1/events/", "/v1/batch", "/batch/"])
    def test_a_packed_bomb_is_unpacked_no_further_than_the_limit(self, api: Client, path: str) -> None:
        bomb = gzip.compress(b'{"batch":[' + b" " * 200 * MEGABYTE, compresslevel=9)
        assert len(bomb) < MEGABYTE
        began = time.process_time()
        answer = api.post(path, bomb, content_type="application/json", headers={"Content-Encoding": "gzip"})
        assert answer.status_code == 413
        assert time.process_time() - began < 2

    @pytest.mark.parametrize("path", ["/api/v1/events/", "/api/v1/contacts/", "/v1/track"])
    @pytest.mark.parametrize("opening", ["[", '{"a":'])
    def test_deep_json_is_refused_and_breaks_nothing(self, api: Client, path: str, opening: str) -> None:
        answer = api.post(path, opening * 100_000, content_type="application/json")
        assert answer.status_code in {400, 413, 422}

    def test_more_form_fields_than_any_form_has_are_refused(self, api: Client) -> None:
        body = "&".join(f"f{number}=1" for number in range(6_000))
        answer = api.post("/account/login/", body, content_type="application/x-www-form-urlencoded")
        assert answer.status_code == 400

    def test_more_files_than_any_form_has_are_refused(self, world: World) -> None:
        client = Client()
        client.force_login(world.person(Role.ADMIN, "Ada Admin"))
        files = {f"f{number}": SimpleUploadedFile("x.csv", b"email\n") for number in range(150)}
        assert client.post("/imports/new/", files).status_code in {400, 422}

    def test_a_huge_body_of_the_api_is_not_read(self, api: Client) -> None:
        answer = api.post("/api/v1/contacts/", b'{"email":"' + b"a" * 6 * MEGABYTE, content_type="application/json")
        assert answer.status_code == 413

    def test_thousands_of_cookies_and_parameters_break_nothing(self, api: Client) -> None:
        cookies = "; ".join(f"c{number}=1" for number in range(3_000))
        assert api.get("/healthz", headers={"Cookie": cookies}).status_code == 200
        assert api.get("/api/v1/contacts/?" + "&".join(f"x{n}=1" for n in range(3_000))).status_code == 400


class TestFiles:
    @pytest.fixture
    def client(self, world: World) -> Client:
        client = Client()
        client.force_login(world.person(Role.ADMIN, "Ada Admin"))
        return client

    def upload(self, client: Client, name: str, content: bytes) -> Any:
        return client.post("/imports/new/", {"what": "contacts", "file": SimpleUploadedFile(name, content)})

    def test_a_zip_bomb_is_no_table(self, client: Client) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("xl/worksheets/sheet1.xml", b"0" * 100 * MEGABYTE)
        began = time.process_time()
        assert self.upload(client, "contacts.xlsx", packed.getvalue()).status_code == 422
        assert time.process_time() - began < 2

    def test_a_line_without_an_end_costs_no_more_than_its_length(self, client: Client) -> None:
        began = time.process_time()
        answer = self.upload(client, "contacts.csv", b'email,first_name\n"' + b"a" * 8 * MEGABYTE)
        assert answer.status_code in {302, 422}
        assert time.process_time() - began < 5

    def test_the_name_of_a_file_leads_nowhere(self, client: Client) -> None:
        answer = self.upload(client, "../../../../etc/passwd", b"email\nann@acme.example\n")
        assert answer.status_code == 302
        from django.conf import settings

        from contacts.models import ImportRun

        run = ImportRun.objects.get()
        assert "/" not in run.stored_file
        assert run.file_name == "passwd"
        assert (settings.UPLOAD_DIR / run.stored_file).resolve().is_relative_to(settings.UPLOAD_DIR.resolve())


LONG = 4_000
# Each is what its pattern takes longest for: nearly what it looks for, over and over, and then not.
ADVERSARIES: Mapping[str, tuple[Callable[[str], Any], Callable[[int], str]]] = {
    "redact addresses": (redact, lambda n: "a" * n + "@"),
    "redact many at-signs": (redact, lambda n: "a@" * (n // 2)),
    "redact dots": (redact, lambda n: "a@" + "." * n),
    "redact addresses with dots": (redact, lambda n: "a.b@c." * (n // 6) + "@"),
    "redact queries": (redact, lambda n: "/" + "a" * n),
    "redact slashes": (redact, lambda n: "/" * n),
    "redact keys": (redact, lambda n: "rpn_" + "a" * n),
    "redact links": (redact, lambda n: "/unsubscribe/" * (n // 13)),
    "e-mail": (lambda text: _refused(identifiers.normalise_email, text, "email"), lambda n: "a" * n + "@b"),
    "e-mail of labels": (lambda text: _refused(identifiers.normalise_email, text, "email"),
                         lambda n: "a@" + "b-" * (n // 2)),
    "kind": (native.KIND.fullmatch, lambda n: "a_" * (n // 2) + "!"),
    "crawlers": (machines._CRAWLER.search, lambda n: "Mozilla/5.0 (" * (n // 13)),
    "crawlers of letters": (machines._CRAWLER.search, lambda n: "bo" * (n // 2)),
    "free mail": (free_mail.FAMILIES.search, lambda n: "yahoo." * (n // 6)),
    "formulas": (csv_escaping.escape, lambda n: "-" + "1" * n + "e"),
    "apostrophes": (csv_escaping.escape, lambda n: "'" * n + "="),
    "numbers": (_NUMBER.fullmatch, lambda n: " " * (n // 2) + "1" * (n // 2) + "x"),
    "placeholders": (_PLACEHOLDER.findall, lambda n: "{" * n),
    "denials": (lambda text: _DENIAL.sub("", text), lambda n: "no " * (n // 3)),
    "hours": (_SPAN.findall, lambda n: "9" + " " * n),
    "people's patterns": (lambda text: patterns.compile_pattern("(a+)+$").search(text), lambda n: "a" * n + "!"),
    "json": (lambda text: _refused(read_json, text.encode()), lambda n: '"' + "\\" * n),
}  # fmt: skip


def _refused(read: Callable[..., Any], *given: Any) -> None:
    with suppress(ValueError, Refused, Unreadable):
        read(*given)


@pytest.mark.parametrize("name", list(ADVERSARIES))
def test_a_text_of_twice_the_length_costs_at_most_a_few_times_as_much(name: str) -> None:
    """Exponential patterns never end; a quadratic one is told apart from a linear one at 16 times the length."""
    read, make = ADVERSARIES[name]

    def cost(length: int) -> float:
        text = make(length)
        took = []
        for _ in range(3):
            began = time.process_time()
            read(text)
            took.append(time.process_time() - began)
        return min(took)

    short, long = cost(LONG), cost(LONG * 16)
    assert long < max(short * 16 * 6, 0.05)


def test_what_one_of_us_types_as_a_pattern_cannot_hold_a_worker(api: Client) -> None:
    assert patterns.compile_pattern("(x+x+)+y").search("x" * 100_000) is None
