"""What logs and error reports may say: never an address, a value, or where somebody came from."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from django.db import IntegrityError
from hypothesis import given
from hypothesis import strategies as st

from config.env import BASE_DIR
from config.logs import configure, logging_settings
from config.redaction import (
    RedactingFormatter,
    describe_exception,
    format_exception,
    hide_personal,
    redact,
    scrub_report,
)
from contacts.models import Source
from tests.running_app import RunningApp

ADDRESS = "canary.person@private.example"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What the product's logging writes, one JSON object a line."""
    from django.conf import settings

    stream = io.StringIO()
    own = logging_settings(level="INFO", readable=False)
    own["handlers"]["stderr"]["stream"] = stream
    configure(own)
    yield stream
    configure(settings.LOGGING)


def written(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"GET /contacts/?q={ADDRESS} HTTP/1.1", "GET /contacts/?[query] HTTP/1.1"),
        ("Not Found: /api/v1/contacts/ann%40acme.example/", "Not Found: /api/v1/contacts/[address]/"),
        (f"<{ADDRESS}>, other", "<[address]>, other"),
        ("Why? Because.", "Why? Because."),
        ("worker@host", "worker@host"),
    ],
)
def test_addresses_and_queries_are_taken_out(text: str, said: str) -> None:
    assert redact(text) == said


@given(st.text(max_size=80), st.text(max_size=80))
def test_an_address_is_found_in_any_text(before: str, after: str) -> None:
    assert ADDRESS not in redact(f"{before} {ADDRESS} {after}")


def test_an_exception_tells_its_kind_and_its_place_but_no_value(lines: io.StringIO) -> None:
    try:
        int(ADDRESS)
    except ValueError:
        logging.getLogger("contacts").exception("reading failed for %s", ADDRESS)
        structlog.get_logger("contacts").exception("reading failed", error=f"about {ADDRESS} or Kim Canary")

    foreign, own = written(lines)

    assert "Canary" not in lines.getvalue()
    assert ADDRESS not in lines.getvalue()
    for line in (foreign, own):
        assert "ValueError (its message is withheld)" in line["exception"]
        assert "test_redaction.py" in line["exception"], "where it happened is what a log is for"
    assert foreign["event"] == "reading failed for [address]"


def test_what_led_to_an_exception_is_told_and_withheld_as_well() -> None:
    def fail() -> None:
        try:
            int("Kim Canary")
        except ValueError as error:
            raise RuntimeError("Kim Canary") from error

    with pytest.raises(RuntimeError) as caught:
        fail()
    told = format_exception(caught.value)

    assert "Kim Canary" not in told.replace('("Kim Canary")', ""), "but in the lines of code themselves"
    assert told.index("ValueError") < told.index("direct cause") < told.rindex("RuntimeError")


@pytest.mark.django_db
def test_what_postgresql_refuses_is_told_without_its_values() -> None:
    Source.objects.create(name=ADDRESS)
    with pytest.raises(IntegrityError) as caught:
        Source.objects.create(name=ADDRESS)

    assert ADDRESS in str(caught.value), "PostgreSQL does quote the value"
    told = describe_exception(caught.value)
    assert ADDRESS not in told
    assert told.startswith("IntegrityError: SQLSTATE 23505 contacts_source contacts_source_name_")


def test_faults_of_code_and_machine_keep_their_message() -> None:
    with pytest.raises(AttributeError) as missing:
        "".nothing  # type: ignore[attr-defined]  # noqa: B018  it is meant to fail
    with pytest.raises(OSError, match="No such file") as absent:
        Path(f"/nowhere/{ADDRESS}").read_text()

    assert describe_exception(missing.value) == "AttributeError: 'str' object has no attribute 'nothing'"
    assert describe_exception(absent.value) == "FileNotFoundError: 2 No such file or directory"


def test_a_failed_task_is_told_without_its_arguments(lines: io.StringIO) -> None:
    """As celery.app.trace writes it: a format with one mapping."""
    try:
        int("Kim Canary")
    except ValueError:
        context = {"name": "contacts.jobs", "id": "1", "description": "raised", "exc": "ValueError('Kim Canary')"}
        logging.getLogger("celery.app.trace").exception("Task %(name)s[%(id)s] %(description)s: %(exc)s", context)

    (line,) = written(lines)
    assert line["event"] == "Task contacts.jobs[1] raised: ValueError (its message is withheld)"
    assert "Kim Canary" not in line["exception"].replace('int("Kim Canary")', "")


def test_visitors_leave_no_trace_of_where_they_came_from() -> None:
    event = {
        "event": "request_started",
        "request": f"GET /f/token/?email={ADDRESS}",
        "ip": "1.2.3.4",
        "user_agent": "x",
    }

    assert hide_personal(None, "info", event) == {"event": "request_started", "request": "GET /f/token/?[query]"}


def test_gunicorns_lines_have_no_messages_of_exceptions() -> None:
    try:
        int("Kim Canary")
    except ValueError:
        record = logging.LogRecord("gunicorn.error", logging.ERROR, "", 0, "failed", (), sys.exc_info())

    assert "ValueError (its message is withheld)" in RedactingFormatter("%(message)s").format(record)


def test_an_error_report_says_what_and_where_only() -> None:
    error = ValueError("Kim Canary")
    event = {
        "exception": {"values": [{"type": "ValueError", "value": "Kim Canary", "stacktrace": {"frames": []}}]},
        "logentry": {"message": "failed for %s", "params": [ADDRESS], "formatted": f"failed for {ADDRESS}"},
        "request": {
            "method": "POST",
            "url": "http://x/api/v1/contacts/",
            "query_string": f"q={ADDRESS}",
            "data": {"email": ADDRESS},
            "headers": {"Referer": f"http://x/?q={ADDRESS}"},
        },
        "user": {"ip_address": "1.2.3.4"},
        "breadcrumbs": {"values": [{"message": ADDRESS}]},
        "extra": {"name": "Kim Canary"},
    }

    assert scrub_report(event, {"exc_info": (ValueError, error, None)}) == {
        "exception": {"values": [{"type": "ValueError", "value": "", "stacktrace": {"frames": []}}]},
        "logentry": {"message": "failed for %s", "params": []},
        "request": {"method": "POST", "url": "http://x/api/v1/contacts/"},
    }


def test_reports_go_through_it() -> None:
    """The settings as they are with a DSN, in a process of their own: no body, no breadcrumbs, no values."""
    program = (
        "import sentry_sdk, config.settings, config.redaction\n"
        "options = sentry_sdk.get_client().options\n"
        "assert options['before_send'] is config.redaction.scrub_report\n"
        "assert options['max_breadcrumbs'] == 0 and options['max_request_body_size'] == 'never'\n"
        "assert not options['send_default_pii'] and not options['include_local_variables']\n"
    )
    environment = {"SENTRY_DSN": "http://key@127.0.0.1:9/1", "SECRET_KEY": "x" * 50, "PATH": ""}
    environment |= {"DATABASE_URL": "postgresql://a:b@127.0.0.1:9/c", "REDIS_URL": "redis://127.0.0.1:9/0"}

    subprocess.run([sys.executable, "-c", program], env=environment, cwd=BASE_DIR, check=True, timeout=60)


def test_the_embedded_postgresql_writes_no_statements_and_no_values(running_app: RunningApp) -> None:
    log = running_app.layout.log_dir / "postgres.log"
    database = running_app.connect()
    database.autocommit = True
    try:
        with database.cursor() as cursor:
            for statement in (f"SELECT '{ADDRESS}'::integer", f'SELECT nothing FROM "{ADDRESS}"'):
                with pytest.raises(Exception, match="canary"):
                    cursor.execute(statement)
    finally:
        database.close()

    assert "database system is ready" in log.read_text()
    assert "canary" not in log.read_text()
