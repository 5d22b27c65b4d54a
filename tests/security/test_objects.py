"""Roles x addresses x objects: what is somebody else's stays theirs, whatever the role would allow elsewhere."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from contacts.enums import Role, Scope
from contacts.models import AuditEntry, Message, PersonalToken, RejectedMessage, SavedView, Source
from contacts.services.people import create_token, deactivate_person, set_roles
from contacts.services.saved_views import save_view
from contacts.services.sources import create_source, revoke_key, rotate_key
from funnel.models import Handoff, Notification
from tests.funnel.conftest import World


def by_key(key: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {key}"})


def signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def rhea(world: World) -> User:
    return world.person(Role.REP, "Rhea Rep")


@pytest.fixture
def other(world: World) -> User:
    return world.person(Role.REP, "Other Rep")


class TestReps:
    @pytest.mark.parametrize("act", ["accept", "return", "release", "outcome", "log", "win", "reassign", "take-over"])
    def test_another_reps_handoff_is_read_and_not_moved(self, world: World, rhea: User, other: User, act: str) -> None:
        handoff = world.claimed(by=rhea)
        before = Handoff.objects.filter(pk=handoff.pk).values().get()
        moves = handoff.contact.events.count()
        body = {"reason": "other", "outcome": "in_talks", "kind": "note_added", "note": "Hm.", "to": str(other.pk)}
        api = by_key(create_token(user=other, name="t", by=None).key)

        assert api.get(f"/api/v1/handoffs/{handoff.pk}/").status_code == 200
        answer = api.post(f"/api/v1/handoffs/{handoff.pk}/{act}/", body, content_type="application/json")

        assert answer.status_code == 403
        assert Handoff.objects.filter(pk=handoff.pk).values().get() == before
        assert handoff.contact.events.count() == moves

    def test_another_reps_contact_is_read_and_not_changed(self, world: World, rhea: User, other: User) -> None:
        contact = world.claimed(by=rhea).contact
        api = by_key(create_token(user=other, name="t", by=None).key)
        for method, path, body in (
            ("patch", "", {"phone": "1"}),
            ("delete", "", {}),
            ("post", "consent/", {"purpose": "newsletter", "action": "withdrawn", "proof": "Said so."}),
            ("post", "export/", {}),
        ):
            call = getattr(api, method)
            answer = call(f"/api/v1/contacts/{contact.pk}/{path}", body, content_type="application/json")
            assert answer.status_code == 403, path
        pages = signed_in(other)
        assert pages.get(f"/contacts/{contact.pk}/").status_code == 200
        for path in ("log/", "pin/", "privacy/", "merge/", "enrol/"):
            assert pages.post(f"/contacts/{contact.pk}/{path}", {}).status_code == 403, path

    def test_a_token_a_view_and_a_notice_of_somebody_else_are_not_there(
        self, world: World, rhea: User, other: User
    ) -> None:
        token = create_token(user=rhea, name="mine", by=None).token
        view = save_view(by=rhea, name="Mine", query={"stage": "lead"}, shared=True)
        notice = Notification.objects.create(user=rhea, kind="given", begun_at=world.now, at=world.now)
        pages = signed_in(other)

        for path in (
            f"/account/tokens/{token.pk}/revoke/",
            f"/contacts/views/{view.pk}/",
            f"/contacts/views/{view.pk}/delete/",
            f"/notifications/{notice.pk}/",
            f"/notifications/{notice.pk}/read/",
        ):
            assert pages.post(path, {"name": "Theirs now"}).status_code in {404, 405}, path
        api = by_key(create_token(user=other, name="t", by=None).key)
        assert api.post(f"/api/v1/notifications/{notice.pk}/read/").status_code == 404
        token.refresh_from_db()
        notice.refresh_from_db()
        assert token.revoked_at is None
        assert notice.read_at is None
        assert list(SavedView.objects.values_list("name", "owner")) == [("Mine", rhea.pk)]


class TestSources:
    def event(self, client: Client, message_id: str, kind: str = "form_submitted") -> Any:
        event = {"message_id": message_id, "kind": kind, "contact": {"email": "ann@acme.example"}}
        return client.post("/api/v1/events/", event, content_type="application/json").json()

    def test_the_same_message_id_of_two_sources_is_two_messages(self, world: World) -> None:
        one, two = (create_source(name=name, scopes=[], by=None) for name in ("one", "two"))

        assert self.event(by_key(one.key), "m1")["accepted"] == 1
        answer = self.event(by_key(two.key), "m1", kind="demo_requested")

        assert (answer["accepted"], answer["duplicates"], answer["rejected"]) == (1, 0, [])
        assert Message.objects.filter(source__in=[one.source, two.source]).count() in {0, 2}

    def test_another_sources_idempotency_key_answers_nobody_else(self, world: World) -> None:
        scopes = [Scope.CONTACTS_WRITE, Scope.CONTACTS_READ]
        one, two = (create_source(name=name, scopes=scopes, by=None) for name in ("one", "two"))
        header = {"Idempotency-Key": "k1"}

        first = by_key(one.key).post(
            "/api/v1/contacts/", {"email": "a@acme.example"}, content_type="application/json", headers=header
        )
        second = by_key(two.key).post(
            "/api/v1/contacts/", {"email": "b@acme.example"}, content_type="application/json", headers=header
        )

        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json()["id"] != second.json()["id"]

    @pytest.mark.parametrize("how", ["revoked", "rotated"])
    def test_a_dead_key_gets_no_kept_answer(self, world: World, how: str) -> None:
        made = create_source(name="one", scopes=[Scope.CONTACTS_WRITE], by=None)
        admin = world.person(Role.ADMIN, "Ada Admin")
        body: dict[str, Any] = {
            "data": {"email": "a@acme.example"},
            "content_type": "application/json",
            "headers": {"Idempotency-Key": "k1"},
        }
        assert by_key(made.key).post("/api/v1/contacts/", **body).status_code == 201
        assert by_key(made.key).post("/api/v1/contacts/", **body)["Idempotency-Replayed"] == "true"
        if how == "revoked":
            revoke_key(source=made.source, by=admin, now=world.now)
        else:
            rotate_key(source=made.source, by=admin)

        answer = by_key(made.key).post("/api/v1/contacts/", **body)

        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_key")

    def test_a_rejected_message_is_found_under_its_own_source_only(self, world: World) -> None:
        one, two = (create_source(name=name, scopes=[], by=None).source for name in ("one", "two"))
        row = RejectedMessage.objects.create(source=one, wire_format="native", code="required", message="No kind.")
        admin = signed_in(world.person(Role.ADMIN, "Ada Admin"))

        assert admin.get(f"/sources/{one.pk}/rejected/{row.pk}/").status_code == 200
        assert admin.get(f"/sources/{two.pk}/rejected/{row.pk}/").status_code == 404

    def test_a_source_may_take_nothing_back_that_another_one_told_unless_its_scope_says_so(self, world: World) -> None:
        contact = world.prospect()
        event = contact.events.earliest("id")
        for scopes, status in (([Scope.CONTACTS_READ], 403), ([Scope.FUNNEL_READ, Scope.DEFINITIONS_WRITE], 403)):
            key = create_source(name=f"s{scopes}", scopes=scopes, by=None).key
            body = json.dumps({"events": [{"id": str(event.pk)}], "reason": "x"})
            answer = by_key(key).post("/api/v1/events/retract/", body, content_type="application/json")
            assert answer.status_code == status
        event.refresh_from_db()
        assert event.retracted_at is None


class TestAccounts:
    def test_a_deactivated_person_gets_nowhere_at_once(self, world: World, rhea: User) -> None:
        key = create_token(user=rhea, name="t", by=None).key
        pages, api = signed_in(rhea), by_key(key)
        assert pages.get("/queue/").status_code == 200
        assert api.get("/api/v1/handoffs/").status_code == 200

        deactivate_person(person=rhea, by=world.person(Role.ADMIN, "Ada Admin"), now=world.now)

        assert pages.get("/queue/").status_code == 302
        assert api.get("/api/v1/handoffs/").status_code == 401
        assert PersonalToken.objects.get(user=rhea).revoked_at is not None

    def test_a_token_does_only_what_its_person_may_do_now(self, world: World, rhea: User) -> None:
        admin = world.person(Role.ADMIN, "Ada Admin")
        api = by_key(create_token(user=rhea, name="t", by=None).key)
        assert api.get("/api/v1/hooks/").status_code == 403
        set_roles(person=rhea, roles=[Role.ADMIN], by=admin)
        assert api.get("/api/v1/hooks/").status_code == 200
        set_roles(person=rhea, roles=[Role.MARKETER], by=admin)
        assert api.get("/api/v1/hooks/").status_code == 403
        assert api.post("/api/v1/handoffs/1/claim/").status_code in {403, 404}

    def test_the_audit_log_is_for_administrators_and_says_through_what(self, world: World, rhea: User) -> None:
        admin = world.person(Role.ADMIN, "Ada Admin")
        made = create_token(user=admin, name="laptop", by=None)
        by_key(made.key).post("/api/v1/hooks/", {"url": "https://hooks.example/"}, content_type="application/json")
        entry = AuditEntry.objects.get(act="hook_created")

        assert (entry.actor, entry.channel, entry.key_id, entry.key_label) == (admin, "token", made.token.pk, "laptop")
        page = signed_in(admin).get("/team/audit/?act=hook_created").content.decode()
        assert "Created a webhook" in page
        assert "laptop" in page
        assert signed_in(rhea).get("/team/audit/").status_code == 403


def test_nobody_changes_or_removes_a_line_of_the_log(world: World) -> None:
    from django.db import DatabaseError, transaction

    admin = world.person(Role.ADMIN, "Ada Admin")
    source = create_source(name="one", scopes=[], by=admin).source
    entry = AuditEntry.objects.get(act="source_created")
    assert (entry.actor, entry.thing, entry.thing_id) == (admin, "source", str(source.pk))
    for change in (
        lambda: AuditEntry.objects.filter(pk=entry.pk).update(act="signed_in"),
        lambda: AuditEntry.objects.filter(pk=entry.pk).update(at=entry.at - timedelta(days=1)),
        lambda: AuditEntry.objects.filter(pk=entry.pk).delete(),
    ):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            change()

    admin.delete()

    entry.refresh_from_db()
    assert (entry.actor, entry.actor_label) == (None, "Ada Admin"), "the line outlives the account"
    assert Source.objects.filter(pk=source.pk).exists()


def test_an_act_that_fails_leaves_no_line(world: World) -> None:
    from django.core.exceptions import ValidationError

    admin = world.person(Role.ADMIN, "Ada Admin")
    create_source(name="one", scopes=[], by=admin)
    with pytest.raises(ValidationError):
        create_source(name="one", scopes=[], by=admin)

    assert AuditEntry.objects.filter(act="source_created").count() == 1
