"""A contact's way through a sequence: in, from step to step, and out, each for its reason."""

from datetime import timedelta

import pytest
from django.core import mail
from django.core.exceptions import PermissionDenied

from contacts.enums import Role
from contacts.models import Contact, Event, Mail
from contacts.services.consent import record_consent
from contacts.services.mailing import send_mails
from funnel.models import Announcement, Enrolment, Handoff, StepRun
from funnel.services.handoffs import claim_handoff
from funnel.services.sequences.activating import CannotActivate, activate_sequence, pause_sequence
from funnel.services.sequences.ending import NotUnderWay, stop_enrolment
from funnel.services.sequences.enrolling import CannotEnrol, backfill_sequences, enrol_contact
from tests.funnel.conftest import FITTING
from tests.funnel.sequences.conftest import Garden, mail_step, tool_step


def said(purpose: str, contact: Contact, garden: Garden, action: str) -> None:
    record_consent(
        contact_id=contact.pk, purpose=purpose, action=action, proof={"text": "said"}, at=garden.now, now=garden.now
    )


def test_who_enters_the_stage_is_written_to_step_by_step_and_completes(garden: Garden) -> None:
    sequence = garden.active(mail_step(), tool_step(2), mail_step(3, subject="Last"))
    ann = garden.lead(first_name="Ann", **FITTING)

    garden.sweep()
    assert send_mails(now=garden.now) == 1
    assert (mail.outbox[0].subject, mail.outbox[0].to) == ("Hello Ann", ["ann@acme.example"])
    assert str(mail.outbox[0].body).startswith("News for Acme.\n\n--\nChoose what we write about: ")
    garden.later(days=1, hours=23)
    garden.sweep()
    assert garden.steps(ann) == ["sent", "waiting"], "two days are not over"
    garden.later(hours=1)
    garden.sweep()
    (told,) = Announcement.objects.filter(type="sequence.step_due")
    assert told.contact_id == ann.pk
    assert told.data["call_to_action"] == "Download the guide"
    assert (told.data["sequence"], told.data["position"]) == (str(sequence.pk), 2)
    garden.later(days=3)
    garden.sweep()
    assert send_mails(now=garden.now) == 1

    assert garden.steps(ann) == ["sent", "sent", "sent"]
    assert garden.way(ann).state == "completed"
    (fact,) = Event.objects.filter(contact=ann, kind__name="sequence_completed")
    assert fact.properties == {
        "sequence": "Welcome", "sequence_id": str(sequence.pk), "stage": "lead", "steps": 3
    }  # fmt: skip
    (ended,) = Announcement.objects.filter(type="sequence.ended")
    assert ended.data["outcome"] == "completed"
    garden.later(days=30)
    garden.sweep()
    assert Enrolment.objects.count() == 1, "once through is enough"


def test_who_stood_there_already_is_enrolled_only_when_asked_and_in_chunks(garden: Garden) -> None:
    earlier = [garden.lead(f"person{number}@acme.example") for number in range(5)]
    garden.later(hours=1)
    sequence = garden.active(backfill=False)
    garden.sweep()
    assert not Enrolment.objects.exists()
    pause_sequence(sequence_id=sequence.pk, by=None, now=garden.now)
    activate_sequence(sequence_id=sequence.pk, backfill=True, by=None, now=garden.now)

    looked_at = []
    while number := backfill_sequences(now=garden.now, limit=2):
        looked_at.append(number)

    assert looked_at == [2, 2, 1, 1]
    assert set(Enrolment.objects.values_list("contact_id", "how")) == {(one.pk, "backfill") for one in earlier}
    garden.sweep()
    assert Mail.objects.count() == 5


def test_a_reply_stops_it_before_the_next_step(garden: Garden) -> None:
    garden.active(mail_step(), mail_step(3))
    ann = garden.lead()
    garden.sweep()
    # Two-way contact that moves nobody under this definition would still be a reply.
    garden.happens("ann@acme.example", "email_replied", at=garden.later(days=2), properties={"with": "Rhea"})
    garden.later(days=1)
    garden.sweep()

    way = garden.way(ann)
    assert (way.state, way.reason) == ("stopped", "replied")
    assert garden.steps(ann) == ["sent", "stopped"]
    assert Mail.objects.count() == 1


def test_a_reply_alone_stops_it_without_any_step_being_due(garden: Garden) -> None:
    garden.active(mail_step(), mail_step(30), stage="sales_prospect")
    garden.later(minutes=1)
    ann = garden.prospect()
    garden.sweep()
    garden.happens("ann@acme.example", "call_connected", at=garden.later(days=1), properties={"with": "Rhea"})
    garden.settle()
    assert garden.stage(ann) == "sales_prospect"

    garden.sweep()

    assert (garden.way(ann).reason, garden.steps(ann)) == ("replied", ["stopped"])


@pytest.mark.parametrize(
    ("kind", "properties", "reason"),
    [
        ("unsubscribed", {}, "unsubscribed"),
        ("unsubscribed", {"purpose": "newsletter"}, "unsubscribed"),
        ("email_complained", {}, "complained"),
        ("email_bounced", {"type": "hard"}, "bounced"),
        ("email_bounced", {"type": "soft"}, ""),
        ("unsubscribed", {"purpose": "marketing"}, ""),
        ("email_clicked", {}, ""),
        ("page_viewed", {}, ""),
    ],
)
def test_what_they_say_or_their_mailbox_says_stops_it(
    garden: Garden, kind: str, properties: dict[str, str], reason: str
) -> None:
    garden.active(mail_step(), mail_step(3))
    ann = garden.lead()
    garden.sweep()
    assert send_mails(now=garden.now) == 1
    garden.happens("ann@acme.example", kind, at=garden.later(days=1), properties=properties)
    garden.settle()
    garden.later(days=2)
    garden.sweep()

    assert garden.way(ann).reason == reason
    assert Mail.objects.count() == (1 if reason else 2)


@pytest.mark.parametrize(("kind", "stage"), [("social_question", "marketing_prospect"), ("purchased", "customer")])
def test_any_other_stage_stops_it(garden: Garden, kind: str, stage: str) -> None:
    garden.active(mail_step(), mail_step(3))
    ann = garden.lead(**FITTING)
    garden.sweep()
    garden.happens("ann@acme.example", kind, at=garden.later(days=1))
    garden.settle()

    assert garden.stage(ann) == stage
    assert (garden.way(ann).state, garden.way(ann).reason) == ("stopped", "stage_changed")
    assert [told.data["reason"] for told in Announcement.objects.filter(type="sequence.ended")] == ["stage_changed"]


def test_a_claim_by_sales_stops_it(garden: Garden) -> None:
    rep = garden.person()
    garden.active(mail_step(1), stage="sales_prospect")
    garden.later(minutes=1)
    ann = garden.prospect()
    said("newsletter", ann, garden, "granted")
    assert garden.way(ann).state == "active"
    claim_handoff(handoff_id=Handoff.objects.get().pk, by=rep, now=garden.later(minutes=1))
    garden.sweep()

    assert (garden.way(ann).state, garden.way(ann).reason) == ("stopped", "claimed")
    with pytest.raises(CannotEnrol) as refused:
        enrol_contact(sequence_id=garden.way(ann).sequence_id, contact_id=ann.pk, by=None, now=garden.now)
    assert refused.value.code == "in_conversation"


def test_without_consent_a_step_waits_for_it_two_weeks_and_is_then_skipped_with_the_reason(garden: Garden) -> None:
    garden.active(mail_step(), tool_step(1, "Subscribe to the newsletter"))
    bob = garden.happens("bob@acme.example", "form_submitted", at=garden.later(minutes=1))
    garden.settle()
    garden.sweep()
    run = StepRun.objects.get()
    assert (run.state, run.reasons[0]["code"]) == ("waiting", "consent_missing")
    assert run.due_at == garden.now + timedelta(days=1)
    for _ in range(14):
        garden.later(days=1)
        garden.sweep()
    assert garden.steps(bob) == ["skipped", "waiting"]
    said("newsletter", bob, garden, "granted")
    garden.later(days=1)
    garden.sweep()

    assert garden.steps(bob) == ["skipped", "sent"]
    assert garden.way(bob).state == "completed"


def test_consent_that_comes_meanwhile_lets_the_step_go(garden: Garden) -> None:
    garden.active(mail_step())
    bob = garden.happens("bob@acme.example", "form_submitted", at=garden.later(minutes=1))
    garden.settle()
    garden.sweep()
    said("newsletter", bob, garden, "granted")
    garden.later(days=1)
    garden.sweep()

    assert garden.steps(bob) == ["sent"]


def test_consent_withdrawn_stops_it(garden: Garden) -> None:
    garden.active(mail_step(1))
    ann = garden.lead()
    said("newsletter", ann, garden, "withdrawn")
    garden.later(days=1)
    garden.sweep()

    assert (garden.way(ann).reason, garden.steps(ann)) == ("refused", ["stopped"])
    assert StepRun.objects.get().reasons[0]["code"] == "consent_withdrawn"


def test_who_could_not_be_sent_anything_completes_nothing(garden: Garden) -> None:
    garden.active(mail_step())
    bob = garden.happens("bob@acme.example", "form_submitted", at=garden.later(minutes=1))
    garden.settle()
    for _ in range(16):
        garden.sweep()
        garden.later(days=1)

    assert (garden.way(bob).state, garden.way(bob).reason) == ("stopped", "nothing_sent")
    assert not Event.objects.filter(kind__name="sequence_completed").exists()


def test_too_many_mails_in_a_week_put_a_step_off_until_there_may_be_another(garden: Garden) -> None:
    garden.active(mail_step(2))
    ann = garden.lead()
    for hours in (1, 20):
        garden.happens(
            "ann@acme.example", "email_sent", at=garden.now + timedelta(hours=hours),
            properties={"purpose": "newsletter"},
        )  # fmt: skip
    first = garden.now + timedelta(hours=1)
    garden.later(days=2)
    garden.sweep()

    run = StepRun.objects.get()
    assert (run.state, run.reasons[0]["code"], run.due_at) == ("waiting", "too_often", first + timedelta(days=7))
    garden.later(days=5, hours=2)
    garden.sweep()
    assert garden.steps(ann) == ["sent"]


def test_business_hours_hold_a_step_back_until_the_team_works(garden: Garden) -> None:
    garden.active(mail_step(4, in_business_hours=True))
    ann = garden.lead()
    garden.later(days=4)
    # Friday 10:01: due; but on Saturday nobody works.
    assert StepRun.objects.get().due_at == garden.now
    garden.later(days=1)
    garden.sweep()
    assert garden.steps(ann) == ["waiting"]
    assert StepRun.objects.get().due_at.isoformat() == "2026-11-23T09:00:00+00:00"
    garden.later(days=2)
    garden.sweep()
    assert garden.steps(ann) == ["sent"]


def test_while_it_is_paused_all_clocks_stand_still(garden: Garden) -> None:
    sequence = garden.active(mail_step(2))
    ann = garden.lead()
    garden.later(days=1)
    pause_sequence(sequence_id=sequence.pk, by=None, now=garden.now)
    garden.later(days=10)
    garden.lead("late@acme.example")
    garden.sweep()
    assert garden.steps(ann) == ["held"]
    activate_sequence(sequence_id=sequence.pk, backfill=False, by=None, now=garden.now)
    garden.sweep()
    assert garden.steps(ann) == ["waiting"]
    garden.later(days=1)
    garden.sweep()

    assert garden.steps(ann) == ["sent"]
    assert Enrolment.objects.count() == 1, "who entered while it was paused is not enrolled"


def test_one_sequence_a_stage_is_active(garden: Garden) -> None:
    garden.active(name="First")
    second = garden.draft(name="Second")
    with pytest.raises(CannotActivate) as refused:
        activate_sequence(sequence_id=second.pk, backfill=False, by=None, now=garden.now)
    assert (refused.value.code, "First is active in Lead" in refused.value.message) == ("another_active", True)
    other = garden.draft(name="Elsewhere", stage="marketing_prospect")
    activate_sequence(sequence_id=other.pk, backfill=False, by=None, now=garden.now)


def test_by_hand_somebody_goes_in_again_and_out(garden: Garden) -> None:
    mira = garden.person(Role.MARKETER, "Mira Marketer")
    sequence = garden.active(mail_step(1))
    ann = garden.lead()
    stop_enrolment(enrolment_id=garden.way(ann).pk, by=mira, now=garden.now)
    with pytest.raises(NotUnderWay):
        stop_enrolment(enrolment_id=garden.way(ann).pk, by=mira, now=garden.now)

    again = enrol_contact(sequence_id=sequence.pk, contact_id=ann.pk, by=mira, now=garden.now)

    assert (again.how, again.enrolled_by) == ("hand", mira)
    with pytest.raises(CannotEnrol) as refused:
        enrol_contact(sequence_id=sequence.pk, contact_id=ann.pk, by=mira, now=garden.now)
    assert refused.value.code == "already_enrolled"
    with pytest.raises(PermissionDenied):
        enrol_contact(sequence_id=sequence.pk, contact_id=ann.pk, by=garden.person(), now=garden.now)
    garden.later(days=1)
    garden.sweep()
    assert Enrolment.objects.get(pk=again.pk).state == "completed"


def test_only_who_stands_in_the_stage_of_an_active_sequence_is_enrolled_by_hand(garden: Garden) -> None:
    sequence = garden.draft()
    visitor = garden.happens("vic@acme.example", "page_viewed")
    garden.settle()
    for state, code in ((None, "not_active"), ("active", "not_in_stage")):
        if state:
            activate_sequence(sequence_id=sequence.pk, backfill=False, by=None, now=garden.now)
        with pytest.raises(CannotEnrol) as refused:
            enrol_contact(sequence_id=sequence.pk, contact_id=visitor.pk, by=None, now=garden.now)
        assert refused.value.code == code
    with pytest.raises(CannotEnrol, match="No contact has this id"):
        enrol_contact(sequence_id=sequence.pk, contact_id=10**9, by=None, now=garden.now)
