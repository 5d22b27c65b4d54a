"""What a line of the log holds: the fields it was given, the request it belongs to, and the contacts it is about."""

import io
import json
import logging
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from config.logs import configure, logging_settings
from config.request_ids import HEADER
from tests.running_app import RunningApp


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What the product's logging writes, one JSON object a line."""
    stream = io.StringIO()
    own = logging_settings(level="INFO", readable=False)
    own["handlers"]["stderr"]["stream"] = stream
    configure(own)
    yield stream
    configure(settings.LOGGING)


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def test_a_line_keeps_the_fields_it_was_given(stream: io.StringIO) -> None:
    given = {"contact_ids": [7, 9], "rejected": 2, "why": "too long", "write_key": "rpn_src_abc"}
    logging.getLogger("contacts.services.problems").warning("problems_not_kept", extra=given)
    (line,) = lines_of(stream.getvalue())
    assert (line["event"], line["contact_ids"], line["rejected"], line["why"]) == (
        "problems_not_kept", [7, 9], 2, "too long",
    )  # fmt: skip
    assert line["write_key"] == "[hidden]"


def test_fields_name_nobody(stream: io.StringIO) -> None:
    given = {"error": "of kim@private.example", "told": ["kim@private.example", "x"], "who": {"name": "Kim"}}
    logging.getLogger("funnel").warning("not_told", extra=given)
    (line,) = lines_of(stream.getvalue())
    assert (line["error"], line["told"]) == ("of [address]", ["[address]", "x"])
    assert "who" not in line, "what is no plain value may hold anything"


def test_fields_of_libraries_are_not_ours_to_show(stream: io.StringIO) -> None:
    logging.getLogger("celery.worker").warning("lost", extra={"payload": "Kim Canary", "argsrepr": "(Kim Canary,)"})
    assert "Canary" not in stream.getvalue()


def test_a_field_does_not_take_the_place_of_the_line_itself(stream: io.StringIO) -> None:
    logging.getLogger("funnel").warning("not_told", extra={"level": "none", "event": "else"})
    (line,) = lines_of(stream.getvalue())
    assert (line["event"], line["level"]) == ("not_told", "warning")


@pytest.mark.django_db
def test_an_answer_names_its_request(client: Client, stream: io.StringIO) -> None:
    answer = client.get("/account/login/")
    (finished,) = [line for line in lines_of(stream.getvalue()) if line["event"] == "request_finished"]
    assert answer.headers[HEADER] == finished["request_id"]


def test_an_event_is_followed_from_the_request_to_the_judgement(running_app: RunningApp) -> None:
    key = running_app.run("create_source", "followed", "--scopes", "events:write").splitlines()[-1]
    # A drain that a sweep or another request has woken takes the fact, too, and names that one: then another is sent.
    for number in range(20):
        request_id, contact_id = _send(running_app, key, f"followed-{number}", "follow.me@private.example")
        judged = _judged_after(running_app, contact_id, number)
        assert judged["event"] == "contacts_judged"
        if judged.get("request_id") == request_id:
            break
    else:
        raise AssertionError("none of the requests was followed by its judgement")
    asked = [one for one in _logged(running_app, "web.log") if one.get("request_id") == request_id]
    assert {"request_started", "request_finished"} <= {one["event"] for one in asked}
    everything = "".join(path.read_text() for path in Path(running_app.layout.log_dir).glob("*.log"))
    assert "follow.me" not in everything


def _send(app: RunningApp, key: str, message_id: str, email: str) -> tuple[str, int]:
    """Send an event; the id of the request, and whom it is about."""
    event = {"message_id": message_id, "kind": "form_submitted", "contact": {"email": email}}
    request = urllib.request.Request(
        f"{app.base_url}/api/v1/events/",
        data=json.dumps(event).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        request_id: str = answer.headers[HEADER]
    connection = app.connect()
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT contact_id FROM contacts_identity WHERE value = %s", [email])
            (contact_id,) = cursor.fetchone()
    finally:
        connection.close()
    return request_id, contact_id


def _judged_after(app: RunningApp, contact_id: int, number: int) -> dict[str, Any]:
    """The worker's line of the judgement after so many earlier ones."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        lines = [one for one in _logged(app, "worker.log") if contact_id in one.get("contact_ids", [])]
        if len(lines) > number:
            return lines[number]
        time.sleep(0.05)
    raise AssertionError("not judged")


def _logged(app: RunningApp, name: str) -> list[dict[str, Any]]:
    return lines_of((app.layout.log_dir / name).read_text(errors="replace"))
