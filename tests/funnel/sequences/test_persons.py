"""Sequences of people who become one, part again, are erased, or ask what is known of them."""

import json

import pytest

from contacts.enums import ErasureReason, Role
from contacts.models import Contact, Event, Job, Mail, Merge
from contacts.services.erasing import erase_person
from contacts.services.merging import merge_contacts
from contacts.services.parting import undo_merge
from contacts.services.person_export import write_person
from contacts.services.person_jobs import order_erasure
from contacts.services.work import Unwatched
from funnel.models import Enrolment, StepRun
from funnel.services.sequences.enrolling import enrol_contact
from tests.factories import make_user
from tests.funnel.sequences.conftest import Garden, mail_step

pytestmark = pytest.mark.django_db


def merge(garden: Garden, winner: Contact, loser: Contact) -> Merge:
    made = merge_contacts(
        winner_id=winner.pk, loser_id=loser.pk, by=None, source=None, reason="", now=garden.later(minutes=1)
    )
    garden.settle()
    return made


def ways(contact: Contact) -> list[tuple[str, str]]:
    return list(Enrolment.objects.filter(contact=contact).order_by("pk").values_list("state", "reason"))


def test_of_two_in_one_sequence_the_one_further_on_stays(garden: Garden) -> None:
    sequence = garden.active(mail_step(1), mail_step(1))
    ann = garden.lead()
    garden.later(days=1)
    garden.sweep()
    other = garden.lead("ann@home.example")

    merge(garden, other, ann)

    assert ways(other) == [("active", ""), ("stopped", "merged")]
    assert Enrolment.objects.get(state="active").origin_contact_id == ann.pk
    garden.later(days=1)
    garden.sweep()
    (fact,) = Event.objects.filter(kind__name="sequence_completed")
    assert (fact.contact_id, fact.origin_contact_id) == (other.pk, ann.pk), "a fact of who was enrolled"
    assert Mail.objects.count() == 2
    assert enrol_contact(sequence_id=sequence.pk, contact_id=other.pk, by=None, now=garden.now).pk


def test_parted_again_each_has_their_own_and_what_was_stopped_stays_so(garden: Garden) -> None:
    garden.active(mail_step(1), mail_step(1))
    ann = garden.lead()
    # Together they are worth less than a prospect.
    bob = garden.happens("bob@acme.example", "newsletter_subscribed", at=garden.later(minutes=1))
    garden.settle()
    made = merge(garden, ann, bob)
    assert ways(ann) == [("active", ""), ("stopped", "merged")]

    undo_merge(merge_id=made.pk, by=None, now=garden.later(minutes=1))
    garden.settle()

    assert (ways(ann), ways(bob)) == ([("active", "")], [("stopped", "merged")])
    garden.later(days=1)
    garden.sweep()
    assert list(Mail.objects.values_list("contact_id", flat=True)) == [ann.pk]


def test_who_becomes_part_of_somebody_at_another_stage_is_stopped(garden: Garden) -> None:
    garden.active(mail_step(1))
    ann = garden.lead()
    customer = garden.happens("boss@acme.example", "purchased")
    garden.settle()

    merge(garden, customer, ann)

    assert ways(customer) == [("stopped", "stage_changed")]


def test_an_erased_persons_way_stays_as_a_number(garden: Garden) -> None:
    garden.active(mail_step(), mail_step(1), purpose="newsletter")
    ann = garden.happens("ann@acme.example", "form_submitted", at=garden.later(minutes=1))
    garden.settle()
    garden.sweep()
    assert StepRun.objects.get().reasons != []
    job = order_erasure(contact=ann, by=make_user(Role.MANAGER), reason=ErasureReason.ASKED, now=garden.now)

    erase_person(Job.objects.select_related("contact").get(pk=job.pk), Unwatched())

    way = Enrolment.objects.select_related("contact").get()
    assert (way.state, way.reason, way.contact.erased_at is not None) == ("stopped", "erased", True)
    assert [(run.state, run.reasons, run.mail_id) for run in way.runs.all()] == [("stopped", [], None)]
    garden.later(days=30)
    garden.sweep()
    assert not Mail.objects.exists()


def test_what_is_known_of_a_person_tells_the_sequences_they_went_through(garden: Garden) -> None:
    garden.active(mail_step(subject="Hello"), name="Welcome")
    ann = garden.lead()
    garden.sweep()

    document = json.loads("".join(write_person(ann.pk, now=garden.now, counts={})))

    (told,) = document["sequences"]
    assert (told["sequence"], told["state"], told["how"]) == ("Welcome", "completed", "entry")
    assert [(step["subject"], step["state"]) for step in told["steps"]] == [("Hello", "sent")]
