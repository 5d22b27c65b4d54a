"""manage.py verify: holds on sound data, and finds each violation that is planted."""

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from contacts.models import AttributeChange, Contact, Due, Event, Message, Standing
from contacts.services.verification import count_overdue_reviews
from funnel.services.verification import verify_invariants
from scoring.models import Definition, Publication, Transition
from scoring.selectors import published_definition
from tests.funnel.conftest import FITTING, World, contact, found, sql

pytestmark = pytest.mark.django_db


def test_sound_data_has_no_violation(sound: World) -> None:
    stages = {name: contact(name).standing.stage for name in ("audience", "lead", "buyer", "husk", "claimed", "back")}
    assert stages == {
        "audience": "audience",
        "lead": "lead",
        "buyer": "sales_prospect",
        "husk": "audience",
        "claimed": "sales_prospect",
        "back": "marketing_prospect",
    }
    assert Transition.objects.exclude(superseded_at=None).exists()
    assert found() == []


def test_the_command_exits_0_when_all_hold(sound: World) -> None:
    out, err = StringIO(), StringIO()
    call_command("verify", stdout=out, stderr=err)
    assert out.getvalue() == ""
    assert err.getvalue().strip() == "All invariants hold."


def test_the_command_exits_1_with_one_line_a_violation(sound: World) -> None:
    Standing.objects.filter(contact=contact("lead")).update(fit_mp=1)
    Due.objects.create(contact=contact("audience"), occurred_at=sound.now, error="boom", quarantined_at=sound.now)
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("verify", stdout=out, stderr=StringIO())
    assert ended.value.code == 1
    lines = out.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"invariant 2: contact {contact('audience').pk}: quarantined")
    assert lines[0].endswith("boom")
    assert lines[1].startswith(f"invariant 3: contact {contact('lead').pk}: fit (millipoints) is stored as 1, ")


def test_json_says_the_same(sound: World) -> None:
    Standing.objects.filter(contact=contact("lead")).update(fit_mp=1)
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("verify", "--json", stdout=out)
    answer = json.loads(out.getvalue())
    assert answer["ok"] is False
    assert [(v["invariant"], v["contact_id"]) for v in answer["violations"]] == [(3, contact("lead").pk)]


def test_a_sample_replays_that_many_contacts(sound: World) -> None:
    Standing.objects.update(fit_mp=12_345)
    wrong = {violation.contact_id for violation in verify_invariants(now=datetime.now(UTC), sample=2)}
    assert len(wrong) == 2
    with pytest.raises(CommandError):
        call_command("verify", "--sample", "0")


def test_overdue_reviews_are_counted_and_no_violation(sound: World) -> None:
    last = max(review for review in Standing.objects.values_list("review_at", flat=True) if review)
    assert found(now=last + timedelta(seconds=11)) == []
    assert count_overdue_reviews(now=last + timedelta(seconds=11)) == Standing.objects.exclude(review_at=None).count()
    assert count_overdue_reviews(now=datetime.now(UTC)) == 0


# --- 1 --------------------------------------------------------------------------------------------------------------


def plant_repeated_event(world: World) -> None:
    sql("ALTER TABLE contacts_event DROP CONSTRAINT event_message_once")
    event = Event.objects.filter(contact=contact("audience")).get()
    event.pk = None
    event.save(force_insert=True)


def plant_invalid_index(world: World) -> None:
    sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'event_message_once'::regclass")


def plant_event_and_message_of_one_id(world: World) -> None:
    event = Event.objects.filter(contact=contact("lead"))[0]
    Message.objects.create(source=event.source, dedupe_id=event.dedupe_id)


@pytest.mark.parametrize(
    ("plant", "messages"),
    [
        (plant_repeated_event, ["event_message_once is missing or not valid", "is stored 2 times"]),
        (plant_invalid_index, ["event_message_once is missing or not valid"]),
        (plant_event_and_message_of_one_id, ["is stored 2 times"]),
    ],
)
def test_1_messages_stored_twice_are_found(sound: World, plant: Callable[[World], None], messages: list[str]) -> None:
    plant(sound)
    first = [message for invariant, _, message in found() if invariant == 1]
    assert len(first) == len(messages)
    assert all(part in message for part, message in zip(messages, first, strict=True))


# --- 2 --------------------------------------------------------------------------------------------------------------


def test_2_a_due_row_that_nobody_attends_is_found_after_ten_seconds(sound: World) -> None:
    one = sound.happens("lead@acme.example", "page_viewed")
    queued = Due.objects.get().queued_at
    assert found(now=queued + timedelta(seconds=9)) == []
    assert [(i, c) for i, c, _ in found(now=queued + timedelta(seconds=11))] == [(2, one.pk)]


def test_2_a_quarantined_row_is_found_with_its_error(sound: World) -> None:
    one = contact("lead")
    Due.objects.create(contact=one, occurred_at=sound.now, attempts=5, error="Bad: x", quarantined_at=sound.now)
    ((invariant, contact_id, message),) = found()
    assert (invariant, contact_id) == (2, one.pk)
    assert message.endswith("after 5 attempts: Bad: x")


# --- 3 --------------------------------------------------------------------------------------------------------------


def standing(**fields: object) -> Callable[[Contact], object]:
    return lambda one: Standing.objects.filter(contact=one).update(**fields)


def plant_new_fact(one: Contact) -> object:
    event = Event.objects.filter(contact=one).latest("occurred_at")
    event.pk, event.message_id, event.occurred_at = None, "unseen", one.standing.evaluated_at + timedelta(seconds=1)
    event.dedupe_id = uuid.uuid4()
    event.save(force_insert=True)
    return event


def plant_other_cause(one: Contact) -> object:
    other = Event.objects.exclude(contact=one)[0]
    return Transition.objects.filter(contact=one, cause="event", superseded_at=None).update(cause_event=other)


@pytest.mark.parametrize(
    ("plant", "message"),
    [
        (standing(engagement_mp=7), "engagement (millipoints) is stored as 7"),
        (standing(engagement_mp=7), "the ledger adds up to"),
        (standing(fit_mp=-1), "fit (millipoints) is stored as -1"),
        (standing(furthest_stage="customer"), "furthest stage is stored as customer"),
        (standing(review_at=None), "next review is stored as none"),
        (standing(stage="lead"), "stage is stored as lead"),
        (standing(stage_since=datetime(2020, 1, 1, tzinfo=UTC)), "stage since is stored as 2020-01-01"),
        (standing(evaluated_at=datetime(2020, 1, 1, tzinfo=UTC)), "was never judged"),
        (lambda one: Standing.objects.filter(contact=one).delete(), "has facts and was never judged"),
        (plant_new_fact, "was never judged"),
        (
            lambda one: Event.objects.filter(contact=one, kind__name="call_connected").update(
                retracted_at=one.created_at
            ),
            "is recorded, a replay does not give it",
        ),
        (
            lambda one: AttributeChange.objects.filter(contact=one, name="job_title").update(value="Intern"),
            "fit (millipoints) is stored as",
        ),
        (
            lambda one: Transition.objects.filter(contact=one, cause="time").update(superseded_at=one.created_at),
            "is not recorded, a replay gives it",
        ),
        (plant_other_cause, "is recorded, a replay does not give it"),
        (
            lambda one: Transition.objects.filter(contact=one, from_stage="").update(engagement_mp=1),
            "is recorded, a replay does not give it",
        ),
    ],
)
def test_3_what_a_replay_does_not_give_is_found(sound: World, plant: Callable[[Contact], object], message: str) -> None:
    one = contact("buyer")
    plant(one)
    told = [(invariant, contact_id) for invariant, contact_id, text in found() if message in text]
    assert told
    assert set(told) == {(3, one.pk)}


def test_3_contacts_that_wait_for_judgement_are_left_to_invariant_2(sound: World) -> None:
    sound.happens("buyer@acme.example", "churned")
    assert found(now=Due.objects.get().queued_at) == []


def test_3_judgements_under_an_earlier_definition_are_replayed_under_it(sound: World) -> None:
    latest, _ = published_definition()
    document = {**latest.document, "name": "Stricter"}
    successor = Definition.objects.create(
        key=latest.key, version=2, name="Stricter", state="published", document=document
    )
    Publication.objects.create(definition=successor, effective_at=sound.later(seconds=1))
    assert found() == []
    sound.happens("lead@acme.example", "demo_requested", traits=FITTING)
    sound.settle()
    assert Transition.objects.filter(definition=successor).exists()
    assert found() == []


# --- 4 --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plant", "message"),
    [
        (
            lambda rows: rows.filter(to_stage="sales_prospect").update(from_stage="customer"),
            "does not follow on the one before it",
        ),
        (lambda rows: rows.filter(cause="event").update(cause_event=None), "names no cause that happened then"),
        (lambda rows: rows.update(superseded_at=datetime(2026, 1, 1, tzinfo=UTC)), "and no transition led there"),
        (
            lambda rows: Standing.objects.filter(contact__in=rows.values("contact")).update(stage="customer"),
            "is the last, but the contact stands at customer",
        ),
        (
            lambda rows: Standing.objects.filter(contact__in=rows.values("contact")).delete(),
            "is the last, but the contact stands at nothing",
        ),
    ],
)
def test_4_a_chain_that_is_broken_uncaused_or_leads_elsewhere_is_found(
    sound: World, plant: Callable[[object], object], message: str
) -> None:
    one = contact("claimed")
    plant(Transition.objects.filter(contact=one, superseded_at=None))
    told = [(invariant, contact_id) for invariant, contact_id, text in found() if message in text]
    assert told
    assert set(told) == {(4, one.pk)}
