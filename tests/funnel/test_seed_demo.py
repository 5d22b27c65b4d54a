"""manage.py seed_demo: the same for a seed, as much as asked for, and only into an empty installation."""

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.db.models import F, Max, Min

from contacts.enums import Role
from contacts.models import Company, Contact, Event, Identity
from contacts.services.people import create_person
from funnel.models import Handoff
from funnel.services.demo import seed_demo

NOW = datetime(2026, 6, 17, 14, tzinfo=UTC)


def seed(contacts: int, events: int, number: int = 7) -> None:
    seed_demo(contacts=contacts, events=events, seed=number, now=NOW, report=lambda line: None)


def fingerprint() -> list[Any]:
    """Everything a viewer could see, without the ids that a sequence gives."""
    first = Contact.objects.aggregate(first=Min("id"))["first"]
    columns = [field.name for field in Contact._meta.concrete_fields if field.name not in {"id", "company"}]
    contacts = list(Contact.objects.order_by("id").values_list(*columns, "company__name", "standing__stage"))
    events = Event.objects.order_by("contact_id", "occurred_at", "kind_id").exclude(message_id__startswith="handoff:")
    return [
        contacts,
        [
            (contact - first, *rest)
            for contact, *rest in events.values_list(
                "contact_id", "kind_id", "occurred_at", "message_id", "properties", "source__name", "suspect_reason"
            )
        ],
        list(Company.objects.order_by("name").values_list("name", "domain", "industry", "employees", "country")),
        [
            (contact - first, *rest)
            for contact, *rest in Handoff.objects.order_by("id").values_list(
                "contact_id", "state", "offered_at", "claimed_at", "closed_at", "reason", "note"
            )
        ],
    ]


@pytest.mark.django_db
def test_a_seed_gives_the_same_history_again() -> None:
    prints = []
    for number in (7, 7, 8):
        seed(contacts=60, events=400, number=number)
        prints.append(fingerprint())
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE contacts_contact, contacts_company CASCADE")
    assert prints[0] == prints[1]
    assert prints[0] != prints[2]


@pytest.mark.django_db
def test_it_makes_as_many_as_asked_for_all_in_the_past() -> None:
    out = io.StringIO()
    call_command("seed_demo", contacts=150, events=2_000, seed=3, now=NOW, verbosity=0, stdout=out)
    said = json.loads(out.getvalue())
    # What a few of the offers left that expired since comes on top.
    events = Event.objects.exclude(kind__name="handoff_expired")
    assert (said["contacts"], said["events"]) == (Contact.objects.count(), events.count()) == (150, 2_000)
    span = Event.objects.aggregate(first=Min("occurred_at"), last=Max("occurred_at"))
    assert NOW - timedelta(days=280) < span["first"] < NOW - timedelta(days=200)
    assert NOW - timedelta(days=2) < span["last"] < NOW
    assert Identity.objects.count() == 150
    assert not Event.objects.filter(occurred_at__lt=F("contact__source_at")).exists()


@pytest.mark.django_db
def test_it_needs_an_empty_installation_and_says_so() -> None:
    Contact.objects.create(email="ann@firm.example")
    with pytest.raises(CommandError, match="empty installation"):
        call_command("seed_demo", contacts=10, verbosity=0)
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    "options", [{"contacts": 0}, {"events": -1}, {"seed": -1}, {"now": NOW + timedelta(days=9_000)}]
)
@pytest.mark.django_db
def test_numbers_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(CommandError):
        call_command("seed_demo", verbosity=0, **options)


@pytest.mark.django_db
def test_the_reps_of_the_installation_do_the_work() -> None:
    rep = create_person(email="rep@firm.example", role=Role.REP, password="long enough for a test", by=None)
    seed(contacts=60, events=200)
    assert set(Handoff.objects.exclude(claimed_by=None).values_list("claimed_by", flat=True)) == {rep.pk}


@pytest.mark.django_db
def test_without_reps_two_stand_in_who_cannot_sign_in() -> None:
    seed(contacts=60, events=200)
    stand_ins = User.objects.filter(groups__name=Role.REP)
    assert stand_ins.count() == 2
    assert not any(person.has_usable_password() for person in stand_ins)
