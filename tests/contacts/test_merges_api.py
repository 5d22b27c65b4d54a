"""Merging over HTTP."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contacts.enums import Role, SourceKind
from contacts.models import Contact, Event, MergeSuggestion
from contacts.services.merging import merge_contacts
from tests.factories import make_contact, make_event, make_source, make_token, make_user, record

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Caller:
    def __init__(self, key: str) -> None:
        self.client = Client(headers={"Authorization": f"Bearer {key}"})

    def get(self, path: str) -> Any:
        return self.client.get(f"/api/v1/{path}")

    def post(self, path: str, body: Any = None) -> Any:
        return self.client.post(f"/api/v1/{path}", body or {}, content_type="application/json")

    def merge(self, winner: Contact | str, loser: Contact | str, **more: Any) -> Any:
        ids = {"winner": _id(winner), "loser": _id(loser)}
        return self.post("contacts/merge/", {**ids, **more})


def _id(contact: Contact | str) -> str:
    return contact if isinstance(contact, str) else str(contact.pk)


@pytest.fixture
def person() -> Caller:
    return Caller(make_token(make_user()))


def anonymous(name: str = "browser 1") -> Contact:
    receipt = record(make_event("page_viewed", contact={"anonymous_id": name}))
    return Contact.objects.get(pk=receipt.contact_ids[0])


def test_a_person_merges_two_known_people_and_takes_it_back(person: Caller) -> None:
    ann = make_contact({"kind": "demo_requested"}, email="ann@acme.test", first_name="Ann")
    double = make_contact(email="a.bee@acme.test", last_name="Bee")
    answer = person.merge(ann, double, reason="Same phone number")
    assert answer.status_code == 201, answer.content
    merge = answer.json()
    assert (merge["winner"], merge["loser"], merge["reason"]) == (str(ann.pk), str(double.pk), "Same phone number")
    assert (merge["winner_events"], merge["loser_events"], merge["events_after"]) == (1, 1, 2)
    assert merge["by"]["name"] == "Person 1" or merge["by"]["name"].startswith("Person")
    assert merge["source"] is merge["undone_at"] is merge["undone_by"] is None

    both = person.get(f"contacts/{ann.pk}/").json()
    assert (both["first_name"], both["last_name"]) == ("Ann", "Bee")
    assert {row["value"] for row in both["identities"]} == {"ann@acme.test", "a.bee@acme.test"}

    assert person.get("merges/").json()["results"] == [merge]
    assert person.get(f"merges/{merge['id']}/").json() == merge
    undone = person.post(f"merges/{merge['id']}/undo/")
    assert undone.status_code == 200
    assert undone.json()["undone_by"] == merge["by"]
    assert person.get(f"contacts/{double.pk}/").json()["last_name"] == "Bee"
    again = person.post(f"merges/{merge['id']}/undo/")
    assert (again.status_code, again.json()["code"]) == (409, "already_undone")
    assert person.get("merges/?in_force=true").json()["results"] == []
    assert len(person.get(f"merges/?contact={double.pk}").json()["results"]) == 1
    assert person.get("merges/?contact=none").json()["results"] == []


def test_the_id_of_a_merged_contact_names_whom_it_became(person: Caller) -> None:
    ann, bob, cid = make_contact(first_name="Ann"), make_contact(), make_contact()
    assert person.merge(bob, cid).status_code == 201
    first = person.merge(ann, bob).json()
    for path in ("", "events/", "why/", "transitions/", "handoffs/", "consent/"):
        answer = person.get(f"contacts/{cid.pk}/{path}")
        assert answer.status_code == 200, path
    assert person.get(f"contacts/{cid.pk}/").json() == person.get(f"contacts/{ann.pk}/").json()
    assert len(person.get(f"contacts/{cid.pk}/events/").json()["results"]) == 3
    patched = person.client.patch(f"/api/v1/contacts/{cid.pk}/", {"job_title": "CTO"}, content_type="application/json")
    assert (patched.status_code, patched.json()["id"], patched.json()["job_title"]) == (200, str(ann.pk), "CTO")
    # It was said of Cid, so it goes with whom Cid is part of.
    person.post(f"merges/{first['id']}/undo/")
    assert person.get(f"contacts/{ann.pk}/").json()["job_title"] == ""
    assert person.get(f"contacts/{cid.pk}/").json()["id"] == str(bob.pk)
    assert person.get(f"contacts/{bob.pk}/").json()["job_title"] == "CTO"


def test_a_key_merges_only_somebody_anonymous() -> None:
    source, key = make_source()
    caller = Caller(key)
    ann, bob, visitor = make_contact(), make_contact(), anonymous()
    refused = caller.merge(ann, bob)
    assert (refused.status_code, refused.json()["code"]) == (409, "needs_a_person")
    assert Contact.objects.filter(present=True).count() == 3
    answer = caller.merge(ann, visitor)
    assert (answer.status_code, answer.json()["source"]["name"], answer.json()["by"]) == (201, source.name, None)


def test_what_cannot_be_merged_says_why(person: Caller) -> None:
    ann, bob, cid = make_contact(), make_contact(), make_contact()
    person.merge(ann, bob)
    for body, status, code in (
        ({}, 400, "required"),
        ({"winner": str(ann.pk)}, 400, "required"),
        ({"winner": str(ann.pk), "loser": str(ann.pk)}, 400, "same_contact"),
        ({"winner": str(ann.pk), "loser": "999999999"}, 400, "unknown_contact"),
        ({"winner": str(ann.pk), "loser": "no id"}, 400, "unknown_contact"),
        ({"winner": str(ann.pk), "loser": ["1"]}, 400, "unknown_contact"),
        ({"winner": str(ann.pk), "loser": True}, 400, "unknown_contact"),
        ({"winner": str(ann.pk), "loser": "٣"}, 400, "unknown_contact"),
        ({"winner": str(bob.pk), "loser": str(cid.pk)}, 409, "merged_away"),
        ({"winner": str(cid.pk), "loser": str(bob.pk)}, 409, "merged_away"),
        ({"winner": str(ann.pk), "loser": str(cid.pk), "why": ""}, 400, "invalid"),
        ({"winner": str(ann.pk), "loser": str(cid.pk), "reason": 5}, 400, "invalid"),
        ({"winner": str(ann.pk), "loser": str(cid.pk), "reason": "x" * 256}, 400, "bad_reason"),
        ({"winner": str(ann.pk), "loser": str(cid.pk), "reason": "\0"}, 400, "bad_reason"),
        ([], 400, "required"),
    ):
        answer = person.post("contacts/merge/", body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), body
        assert answer.json()["message"]
    assert Contact.objects.filter(present=True).count() == 2
    assert person.get("contacts/merge/").status_code == 405
    assert person.get("merges/999/").status_code == 404
    assert person.post("merges/999/undo/").status_code == 404
    assert person.get("merges/?nonsense=1").status_code == 400


def test_a_public_key_and_a_rep_cannot() -> None:
    ann, visitor = make_contact(), anonymous()
    _, key = make_source(kind=SourceKind.PUBLIC)
    for caller in (Caller(key), Caller(make_token(make_user(Role.REP)))):
        assert caller.merge(ann, visitor).status_code == 403
        assert caller.post("merges/7/undo/").status_code == 403
        assert caller.post("merge-suggestions/7/dismiss/").status_code == 403
    assert Contact.objects.filter(present=True).count() == 2


def suggestion(number: int) -> MergeSuggestion:
    """A message named two known people."""
    one, other = make_contact(email=f"one{number}@a.test"), make_contact(email=f"other{number}@b.test")
    record(make_event(contact={"external_id": f"u{number}", "email": f"one{number}@a.test"}))
    record(make_event(contact={"external_id": f"u{number}", "email": f"other{number}@b.test"}))
    return MergeSuggestion.objects.get(contact=one, other=other)


def test_suggestions_are_listed_and_dismissed(person: Caller) -> None:
    kept, gone, merged = suggestion(1), suggestion(2), suggestion(3)
    rows = person.get("merge-suggestions/").json()["results"]
    assert [row["id"] for row in rows] == [str(row.pk) for row in (kept, gone, merged)]
    assert (rows[0]["contact"], rows[0]["other"]) == (str(kept.contact_id), str(kept.other_id))
    assert rows[0]["reason"].startswith("Named together by message")
    assert person.post(f"merge-suggestions/{gone.pk}/dismiss/").status_code == 204
    assert person.post(f"merge-suggestions/{gone.pk}/dismiss/").status_code == 204, "once more changes nothing"
    third = make_contact()
    person.merge(third, merged.contact)
    rows = person.get("merge-suggestions/").json()["results"]
    assert [(row["contact"], row["other"]) for row in rows] == [
        (str(kept.contact_id), str(kept.other_id)),
        (str(third.pk), str(merged.other_id)),
    ], "whom they are now"
    person.merge(third, merged.other)
    assert [row["id"] for row in person.get("merge-suggestions/").json()["results"]] == [str(kept.pk)]
    refused = person.post(f"merge-suggestions/{merged.pk}/dismiss/")
    assert (refused.status_code, refused.json()["code"]) == (409, "already_merged")
    assert person.post("merge-suggestions/999999/dismiss/").status_code == 404


@pytest.mark.parametrize("path", ["merges/", "merge-suggestions/"])
def test_lists_cost_the_same_whatever_their_length(person: Caller, path: str) -> None:
    def statements(count: int) -> int:
        for number in range(count):
            found = suggestion(number + 100 * count)
            if path == "merges/":
                merge_contacts(
                    winner_id=found.contact_id, loser_id=found.other_id, by=None, source=None, reason="", now=NOW
                )
        with CaptureQueriesContext(connection) as queries:
            assert len(person.get(path).json()["results"]) >= count
        return len(queries)

    person.get(path)  # a key is marked as used once in a while
    assert statements(1) == statements(3)


def test_merging_again_under_the_same_key_happens_once(person: Caller) -> None:
    ann, bob = make_contact(), make_contact()
    body = {"winner": str(ann.pk), "loser": str(bob.pk)}
    answers = [
        person.client.post(
            "/api/v1/contacts/merge/", body, content_type="application/json", headers={"Idempotency-Key": "once"}
        )
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert Event.objects.filter(contact=ann).count() == 2
