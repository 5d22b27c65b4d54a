"""The judgement over HTTP."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contacts.enums import Role, Scope
from scoring.services.evaluate import drain_due
from tests.factories import make_source, make_token, make_user
from tests.scoring.facts import FITTING, contact_id_of, incoming, record

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def api(client: Client) -> Any:
    """GET as a source that may read everything."""
    _, key = make_source()

    def get(path: str, **params: str) -> Any:
        return client.get(f"/api/v1{path}", params, headers={"Authorization": f"Bearer {key}"})

    return get


@pytest.fixture
def contact() -> int:
    record(incoming("newsletter_subscribed", NOW - 9 * DAY, traits=FITTING), incoming("demo_requested", NOW - 2 * DAY))
    drain_due(now=NOW)
    return contact_id_of()


def test_why_now_and_then(api: Any, contact: int) -> None:
    now = api(f"/contacts/{contact}/why/", at=NOW.isoformat()).json()
    assert now["stage"]["key"] == "sales_prospect"
    assert now["sentence"] == "Sales prospect since 28 Feb: asked for a demo on 28 Feb, fit 30 of 20 needed."
    assert round(sum(line["points"] for line in now["ledger"]), 3) == now["scores"]["engagement"]
    then = api(f"/contacts/{contact}/why/", at="2026-02-25T00:00:00Z", definition="default@1").json()
    assert then["stage"]["key"] == "lead"
    assert then["definition"] == "default@1"


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"at": "yesterday"}, "at"),
        ({"at": "2026-13-45T00:00:00Z"}, "at"),
        ({"at": "9999-12-31T00:00:00Z"}, "at"),
        ({"definition": "nobody"}, "definition"),
        ({"definition": "default@99999999999999999999"}, "definition"),
        ({"att": "x"}, "att"),
        ({"definition": "a\0b"}, "definition"),
    ],
)
def test_a_bad_parameter_is_named(api: Any, contact: int, params: dict[str, str], field: str) -> None:
    answer = api(f"/contacts/{contact}/why/", **params)
    assert answer.status_code == 400
    assert list(answer.json()["fields"]) == [field]


def test_why_sets_two_contacts_side_by_side(api: Any, contact: int) -> None:
    record(incoming("newsletter_subscribed", NOW - 3 * DAY, email="ben@acme.example", traits=FITTING))
    drain_due(now=NOW)
    other = contact_id_of("ben@acme.example")
    told = api(f"/contacts/{contact}/why/", at=NOW.isoformat(), compare_with=str(other)).json()
    assert told["stage"]["key"] == "sales_prospect"
    contrast = told["contrast"]
    assert (contrast["contact"]["stage"]["key"], contrast["other"]["stage"]["key"]) == ("sales_prospect", "lead")
    assert contrast["sentence"]
    assert any(row["rule"] == "readiness" for row in contrast["signals"])
    assert "contrast" not in api(f"/contacts/{contact}/why/").json()
    for odd in ("999999", "x", "", "9" * 30, "\u0665"):
        answer = api(f"/contacts/{contact}/why/", compare_with=odd)
        assert (answer.status_code, list(answer.json()["fields"])) == (400, ["compare_with"])


def test_an_unknown_contact_is_not_found(api: Any) -> None:
    for path in ("/contacts/999/why/", "/contacts/99999999999999999999999/why/", "/contacts/999/transitions/"):
        answer = api(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_transitions_of_a_contact(api: Any, contact: int) -> None:
    rows = api(f"/contacts/{contact}/transitions/").json()["results"]
    assert [(row["from"], row["to"], row["cause"], row["definition"]) for row in rows] == [
        (None, "lead", "event", "default@1"),
        ("lead", "sales_prospect", "event", "default@1"),
    ]


@pytest.mark.parametrize("path", ["/transitions/", "/definitions/"])
def test_lists_cost_the_same_however_long(api: Any, path: str) -> None:
    def queries(people: list[str]) -> int:
        record(*[incoming("demo_requested", NOW, email=f"{name}@acme.example") for name in people])
        drain_due(now=NOW)
        with CaptureQueriesContext(connection) as captured:
            assert api(path).status_code == 200
        return len(captured)

    queries(["warm"])
    assert queries(["a"]) == queries(["b", "c", "d"])


def test_definitions_tell_which_is_in_force(api: Any) -> None:
    (row,) = api("/definitions/", key="default").json()["results"]
    assert (row["key"], row["version"], row["in_force"]) == ("default", 1, True)
    assert api(f"/definitions/{row['id']}/").json()["document"]["stages"][0]["key"] == "audience"


def test_scopes_and_roles_decide(client: Client, contact: int) -> None:
    _, writer = make_source([Scope.EVENTS_WRITE])
    rep = make_token(make_user(Role.REP))
    answers = {
        (name, path): client.get(f"/api/v1{path}", headers={"Authorization": f"Bearer {key}"}).status_code
        for name, key in (("writer", writer), ("rep", rep))
        for path in (f"/contacts/{contact}/why/", "/transitions/")
    }
    assert set(answers.values()) == {200, 403}
    assert all((name == "rep") == (status == 200) for (name, _), status in answers.items())
    assert client.get(f"/api/v1/contacts/{contact}/why/").status_code == 401


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_feed_never_passes_a_transaction_that_commits_late(api: Any) -> None:
    """A row whose transaction began earlier but commits later still comes after the cursor."""
    feed: list[str] = []
    cursor: str | None = None

    def read() -> None:
        nonlocal cursor
        page = api("/transitions/", **({"cursor": cursor} if cursor else {})).json()
        feed.extend(row["contact"] for row in page["results"])
        cursor = page["cursor"]

    def read_until(number: int) -> None:
        """PostgreSQL's own transactions (autovacuum) and those of its other databases hold rows back, too."""
        for _ in range(1_200):
            read()
            if len(feed) >= number:
                break
            time.sleep(0.05)
        assert len(feed) == number

    for name in ("early", "late"):
        record(incoming("newsletter_subscribed", NOW, email=f"{name}@acme.example"))
    drain_due(now=NOW)
    read_until(2)

    other = connections.create_connection("default")
    try:
        other.connect()
        other.set_autocommit(False)
        with other.cursor() as slow:
            slow.execute("SELECT pg_current_xact_id()")
            record(incoming("newsletter_subscribed", NOW, email="quick@acme.example"))
            with transaction.atomic():
                drain_due(now=NOW)
            read()
            assert len(feed) == 2, "a row above a running transaction must wait"
        other.commit()
    finally:
        other.close()
    read_until(3)
    read()
    assert len(set(feed)) == len(feed) == 3
