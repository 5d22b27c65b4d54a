"""Logging what people and contacts did together: the facts it makes, the clock it ends, who may, page and API."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from contacts.enums import SHIPPED_KINDS, Role
from contacts.models import Event, Kind
from contacts.services.people import create_token
from funnel.conversation import ATTEMPTS, Activity, Said, problems_of, results_of
from funnel.errors import WrongState
from funnel.models import Handoff
from funnel.services.claiming import claim_handoff
from funnel.services.conversation import log_activity, log_on_handoff
from funnel.services.handoffs import return_handoff
from funnel.services.outcomes import record_outcome
from funnel.services.releasing import release_handoff
from tests.funnel.conftest import FITTING, World
from tests.funnel.test_pages import read, signed_in

LAST = Event.objects.select_related("kind").order_by("-id")


def said(world: World, activity: Activity = Activity.CALL_CONNECTED, **more: Any) -> Said:
    return Said(activity=activity, occurred_at=world.now, **{"with_person": "Rhea Rep", **more})


def api(user: User) -> Client:
    key = create_token(user=user, name="test", by=None).key
    return Client(headers={"Authorization": f"Bearer {key}"})


class TestVocabulary:
    def test_each_activity_is_a_shipped_kind_that_people_may_record(self) -> None:
        shipped = {kind.name: kind for kind in SHIPPED_KINDS}
        assert [activity for activity in Activity if shipped[activity].system] == []
        two_way = {name for name in Activity.values if shipped[name].two_way}
        needs_name = {
            activity.value
            for activity in Activity
            if "with_person" in problems_of(Said(activity=activity, occurred_at=None, note="x"))  # type: ignore[arg-type]
        }
        assert needs_name == two_way, "two-way contact is with a named individual"

    @given(st.sampled_from(list(Activity)), st.text(max_size=5), st.sampled_from(["", "inbound", "outbound"]))
    def test_what_has_no_problem_says_no_more_than_the_contract_knows(
        self, activity: Activity, note: str, direction: str
    ) -> None:
        for result in ("", *results_of(activity)):
            one = Said(activity, None, "Rhea", direction, result, note)  # type: ignore[arg-type]
            if not problems_of(one):
                assert set(one.properties()) <= {"with", "direction", "result", "note"}
                assert "" not in one.properties().values() or activity is Activity.NOTE_ADDED

    @pytest.mark.parametrize(
        ("activity", "more", "field"),
        [
            (Activity.NOTE_ADDED, {}, "note"),
            (Activity.CALL_CONNECTED, {"with_person": ""}, "with_person"),
            (Activity.CALL_CONNECTED, {"result": "left_message"}, "result"),
            (Activity.CALL_ATTEMPTED, {"result": "interested"}, "result"),
            (Activity.NOTE_ADDED, {"note": "x", "result": "interested"}, "result"),
            (Activity.CALL_ATTEMPTED, {"direction": "inbound"}, "direction"),
            (Activity.EMAIL_REPLIED, {"direction": "outbound"}, "direction"),
        ],
    )
    def test_says_what_is_missing_or_contradicts_itself(
        self, world: World, activity: Activity, more: dict[str, str], field: str
    ) -> None:
        contact = world.prospect()
        with pytest.raises(ValidationError) as refused:
            log_activity(
                contact_id=contact.pk, said=said(world, activity, **more), by=world.person(Role.MANAGER), now=world.now
            )
        assert set(refused.value.message_dict) == {field}
        assert not Event.objects.filter(kind__name__in=Activity.values).exists()


class TestLogging:
    @pytest.mark.parametrize("activity", list(Activity))
    def test_each_activity_becomes_the_fact_of_its_kind(self, world: World, activity: Activity) -> None:
        rita = world.person()
        handoff = world.claimed(rita)
        log_on_handoff(
            handoff_id=handoff.pk, said=said(world, activity, note="Wants two."), by=rita, now=world.later(minutes=1)
        )
        event = LAST.first()
        assert event is not None
        assert (event.kind.name, event.contact_id, event.recorded_by) == (activity.value, handoff.contact_id, rita)
        assert event.properties["note"] == "Wants two."
        assert ("with" in event.properties) == (activity is not Activity.NOTE_ADDED)

    def test_who_began_and_what_came_of_it_are_on_record(self, world: World) -> None:
        rita = world.person()
        handoff = world.claimed(rita)
        one = said(world, direction="inbound", result="call_back", note="Call me in May.")
        log_on_handoff(handoff_id=handoff.pk, said=one, by=rita, now=world.now)
        event = LAST.first()
        assert event is not None
        assert event.properties == {
            "with": "Rhea Rep",
            "direction": "inbound",
            "result": "call_back",
            "note": "Call me in May.",
        }
        world.settle()
        page = read(signed_in(rita), f"/handoffs/{handoff.pk}/")
        assert "with Rhea Rep · wants to hear from us again · they began it" in page
        assert "Call me in May." in page

    @pytest.mark.parametrize("activity", list(Activity))
    def test_an_attempt_ends_the_clock_at_once_and_a_note_does_not(self, world: World, activity: Activity) -> None:
        rita = world.person()
        handoff = world.claimed(rita)
        assert handoff.due_at is not None
        world.later(minutes=30)
        log_on_handoff(handoff_id=handoff.pk, said=said(world, activity, note="x"), by=rita, now=world.now)
        handoff.refresh_from_db()
        attempted = activity.value in ATTEMPTS
        assert (handoff.attempted_at == world.now, handoff.due_at is None) == (attempted, attempted)
        assert handoff.last_activity_at == world.now

    def test_what_is_logged_on_the_contact_counts_for_its_handoff(self, world: World) -> None:
        rita = world.person()
        handoff = world.claimed(rita)
        log_activity(contact_id=handoff.contact_id, said=said(world), by=rita, now=world.now)
        handoff.refresh_from_db()
        assert handoff.attempted_at is not None

    def test_a_call_before_the_claim_is_no_attempt_but_one_in_its_minute_is(self, world: World) -> None:
        rita = world.person()
        world.now = world.now.replace(second=10)
        world.offer()
        world.now = world.now.replace(second=30)
        handoff = Handoff.objects.get()
        claim_handoff(handoff_id=handoff.pk, by=rita, now=world.now)
        for minutes, attempted in ((1, False), (0, True)):
            before = world.now.replace(second=0) - timedelta(minutes=minutes)
            one = Said(Activity.CALL_ATTEMPTED, before, "Rhea Rep")
            log_on_handoff(handoff_id=handoff.pk, said=one, by=rita, now=world.now + timedelta(seconds=9))
            handoff.refresh_from_db()
            assert (handoff.attempted_at is not None) == attempted
        assert handoff.attempted_at is not None
        assert handoff.attempted_at >= world.now

    def test_the_same_form_twice_records_once(self, world: World) -> None:
        rita = world.person()
        handoff = world.claimed(rita)
        for _ in range(2):
            log_on_handoff(handoff_id=handoff.pk, said=said(world), by=rita, now=world.now, message_id="logged:1:x")
        assert Event.objects.filter(kind__name="call_connected").count() == 1

    def test_strangers_log_nothing(self, world: World) -> None:
        handoff = world.claimed(world.person())
        for person in (world.person(name="Una Other"), world.person(Role.MARKETER, "Mira Marketer")):
            with pytest.raises(PermissionDenied):
                log_on_handoff(handoff_id=handoff.pk, said=said(world), by=person, now=world.now)
        assert not Event.objects.filter(kind__name="call_connected").exists()

    def test_what_is_closed_is_over(self, world: World) -> None:
        rita = world.person()
        handoff = world.claimed(rita)
        return_handoff(handoff_id=handoff.pk, by=rita, reason="no_response", now=world.now)
        with pytest.raises(WrongState, match="log what happens now on the contact"):
            log_on_handoff(handoff_id=handoff.pk, said=said(world), by=rita, now=world.now)

    def test_a_logged_conversation_is_evidence_like_any_other(self, world: World) -> None:
        """A marketer talks with a contact that fits: two-way contact with a named individual makes a sales prospect."""
        contact = world.happens(
            "ann@acme.example",
            "newsletter_subscribed",
            traits=FITTING,
        )
        world.settle()
        assert world.stage(contact) == "lead"
        mira = world.person(Role.MARKETER, "Mira Marketer")
        world.later(seconds=70)
        log_activity(contact_id=contact.pk, said=said(world, Activity.CALL_ATTEMPTED), by=mira, now=world.now)
        world.settle()
        assert world.stage(contact) == "lead", "trying is not talking"
        world.later(seconds=70)
        log_activity(contact_id=contact.pk, said=said(world), by=mira, now=world.now)
        world.settle()
        assert world.stage(contact) == "sales_prospect"

    def test_a_call_in_the_minute_in_which_they_turned_to_us_does_not_make_us_those_who_found_them(
        self, world: World
    ) -> None:
        world.now = world.now.replace(second=20)
        contact = world.happens("ann@acme.example", "demo_requested", traits=FITTING)
        one = Said(Activity.CALL_ATTEMPTED, world.now.replace(second=0), "Mira Marketer")
        log_activity(
            contact_id=contact.pk, said=one, by=world.person(Role.MARKETER, "Mira"), now=world.later(seconds=9)
        )
        contact.refresh_from_db()
        assert contact.source_direction == "inbound"


class TestOutcome:
    def test_is_recorded_and_the_handoff_stays_open(self, world: World) -> None:
        rita = world.person()
        handoff = world.claimed(rita)
        then = world.now + timedelta(days=3)
        record_outcome(
            handoff_id=handoff.pk, by=rita, outcome="meeting_agreed", next_at=then, note=" At theirs ", now=world.now
        )
        handoff.refresh_from_db()
        assert (handoff.state, handoff.outcome, handoff.next_at) == ("claimed", "meeting_agreed", then)
        assert handoff.due_at is None, "who has a result has tried"
        assert handoff.attempted_at == world.now
        move = handoff.moves.latest("number")
        assert (move.name, move.reason, move.note, move.by) == ("outcome", "meeting_agreed", "At theirs", rita)
        record_outcome(handoff_id=handoff.pk, by=rita, outcome="in_talks", now=world.later(days=4))
        handoff.refresh_from_db()
        assert (handoff.outcome, handoff.next_at) == ("in_talks", None)
        assert not Event.objects.filter(kind__name="handoff_outcome").exists()

    @pytest.mark.parametrize(
        ("outcome", "days", "field"),
        [
            ("won", None, "outcome"),
            ("", None, "outcome"),
            ("waiting", None, "next_at"),
            ("later", None, "next_at"),
            ("meeting_agreed", None, "next_at"),
            ("in_talks", 0, "next_at"),
            ("later", 800, "next_at"),
        ],
    )
    def test_needs_a_known_result_and_a_date_to_come(
        self, world: World, outcome: str, days: int | None, field: str
    ) -> None:
        rita = world.person()
        handoff = world.claimed(rita)
        next_at = None if days is None else world.now + timedelta(days=days)
        with pytest.raises(ValidationError) as refused:
            record_outcome(handoff_id=handoff.pk, by=rita, outcome=outcome, next_at=next_at, now=world.now)
        assert set(refused.value.message_dict) == {field}

    def test_is_for_its_rep_and_leaders_and_for_what_is_in_hand(self, world: World) -> None:
        rita = world.person()
        handoff = world.claimed(rita)
        with pytest.raises(PermissionDenied):
            record_outcome(handoff_id=handoff.pk, by=world.person(name="Una"), outcome="in_talks", now=world.now)
        record_outcome(handoff_id=handoff.pk, by=world.person(Role.MANAGER, "Max"), outcome="in_talks", now=world.now)
        release_handoff(handoff_id=handoff.pk, by=rita, now=world.now)
        handoff.refresh_from_db()
        assert (handoff.outcome, handoff.next_at) == ("", None), "whoever claims it next begins anew"
        with pytest.raises(WrongState, match="must be claimed or accepted"):
            record_outcome(
                handoff_id=handoff.pk, by=world.person(Role.MANAGER, "Mo"), outcome="in_talks", now=world.now
            )


class TestApi:
    def test_log_records_and_answers_the_handoff(self, world: World) -> None:
        world.later(minutes=-9)
        rita = world.person()
        handoff = world.claimed(rita)
        body = {"kind": "call_attempted", "result": "left_message", "note": "Rang twice."}
        answer = api(rita).post(f"/api/v1/handoffs/{handoff.pk}/log/", body, content_type="application/json")
        assert answer.status_code == 200, answer.content
        assert answer.json()["id"] == str(handoff.pk)
        event = LAST.first()
        assert event is not None
        assert event.properties == {
            "with": "Rhea Rep",
            "direction": "outbound",
            "result": "left_message",
            "note": "Rang twice.",
        }
        handoff.refresh_from_db()
        assert handoff.attempted_at is not None

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"kind": "purchased"}, "kind"),
            ({"kind": "note_added"}, "note"),
            ({"kind": "call_connected", "with": ""}, "with"),
            ({"kind": "call_connected", "occurred_at": "2199-01-01T00:00:00Z"}, "occurred_at"),
            ({"kind": "call_connected", "occurred_at": "1999-01-01T00:00:00Z"}, "occurred_at"),
            ({"kind": "email_written", "direction": "inbound"}, "direction"),
            ({"kind": "email_written", "result": "interested"}, "result"),
        ],
    )
    def test_a_body_that_makes_no_sense_names_its_field(self, world: World, body: dict[str, str], field: str) -> None:
        rita = world.person()
        handoff = world.claimed(rita)
        answer = api(rita).post(f"/api/v1/handoffs/{handoff.pk}/log/", body, content_type="application/json")
        assert (answer.status_code, list(answer.json()["fields"])) == (400, [field])

    def test_the_same_key_records_once(self, world: World) -> None:
        rita = world.person()
        handoff, client = world.claimed(rita), api(rita)
        body = {"kind": "call_connected", "occurred_at": world.now.isoformat()}
        for _ in range(2):
            answer = client.post(
                f"/api/v1/handoffs/{handoff.pk}/log/",
                body,
                content_type="application/json",
                headers={"Idempotency-Key": "once"},
            )
            assert answer.status_code == 200
        assert Event.objects.filter(kind__name="call_connected").count() == 1

    def test_a_handoff_whose_date_has_passed_is_told_as_stale(self, world: World) -> None:
        world.later(days=-3)
        rita = world.person()
        handoff, client = world.claimed(rita), api(rita)
        then = world.now + timedelta(days=1)
        record_outcome(handoff_id=handoff.pk, by=rita, outcome="waiting", next_at=then, now=world.now)
        told = client.get(f"/api/v1/handoffs/{handoff.pk}/").json()
        assert (told["outcome"], told["stale"]) == ("waiting", True)
        assert told["last_activity_at"] == f"{world.now:%Y-%m-%dT%H:%M:%SZ}"
        later = world.now + timedelta(days=30)
        record_outcome(handoff_id=handoff.pk, by=rita, outcome="later", next_at=later, now=world.now)
        assert client.get(f"/api/v1/handoffs/{handoff.pk}/").json()["stale"] is False

    def test_closed_is_a_409_and_unknown_a_404(self, world: World) -> None:
        rita = world.person()
        handoff, client = world.claimed(rita), api(rita)
        return_handoff(handoff_id=handoff.pk, by=rita, reason="no_response", now=world.now)
        body = {"kind": "note_added", "note": "x"}
        answer = client.post(f"/api/v1/handoffs/{handoff.pk}/log/", body, content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")
        answer = client.post("/api/v1/handoffs/999999/log/", body, content_type="application/json")
        assert answer.status_code == 404


def test_the_kinds_of_activities_are_in_the_database(db: None) -> None:
    assert set(Activity.values) <= set(Kind.objects.filter(system=False).values_list("name", flat=True))


def test_a_released_handoff_begins_its_conversation_anew(world: World) -> None:
    rita, ben = world.person(), world.person(name="Ben Better")
    handoff = world.claimed(rita)
    log_on_handoff(handoff_id=handoff.pk, said=said(world), by=rita, now=world.now)
    release_handoff(handoff_id=handoff.pk, by=rita, now=world.later(minutes=1))
    claim_handoff(handoff_id=handoff.pk, by=ben, now=world.later(minutes=1))
    handoff.refresh_from_db()
    assert handoff.attempted_at is None
    assert handoff.due_at is not None
