"""Invariant 6: each violation that is planted in merges is found, in the whole and in a sample."""

from collections.abc import Callable

import pytest
from django.utils import timezone

from contacts.models import AttributeChange, Contact, Event, Identity, Merge
from contacts.services.merge_verification import verify_merges
from contacts.services.merging import merge_contacts
from contacts.services.verification import EVERYBODY, Among
from tests.factories import make_contact

pytestmark = pytest.mark.django_db

Plant = Callable[[Merge], object]


@pytest.fixture
def merge() -> Merge:
    winner = make_contact({"kind": "page_viewed"}, {"kind": "form_submitted"}, job_title="Head of Operations")
    loser = make_contact({"kind": "page_viewed"}, {"kind": "asset_downloaded"}, job_title="Director")
    return merge_contacts(
        winner_id=winner.pk, loser_id=loser.pk, by=None, source=None, reason="one person", now=timezone.now()
    )


def found(among: Among = EVERYBODY) -> list[tuple[int | None, str]]:
    return [(fault.contact_id, fault.message) for fault in verify_merges(among, others=["funnel_handoff"])]


def test_a_sound_merge_and_its_undoing_have_no_violation(merge: Merge) -> None:
    assert found() == []
    assert found(Among(ids=(merge.winner_id,))) == []
    # Later events of either are no loss, and more than there were.
    make_contact({"kind": "page_viewed"}, email=merge.winner.email)
    assert found() == []


def leave_an_event(merge: Merge) -> None:
    event = Event.objects.filter(origin_contact_id=merge.loser_id)[0]
    Event.objects.filter(pk=event.pk).update(contact_id=merge.loser_id)


def lose_an_event(merge: Merge) -> None:
    Event.objects.filter(origin_contact_id=merge.loser_id)[0].delete()


@pytest.mark.parametrize(
    ("plant", "who", "message"),
    [
        (leave_an_event, "loser", "and still has 1 rows of contacts_event"),
        (leave_an_event, "winner", "has 3 events, and had 4 right after merge"),
        (lose_an_event, "winner", "has 3 events, and had 4 right after merge"),
        (
            lambda merge: Identity.objects.filter(origin_contact_id=merge.loser_id).update(contact=merge.loser_id),
            "loser",
            "and still has 1 rows of contacts_identity",
        ),
        (
            lambda merge: Event.objects.filter(contact=merge.winner_id).update(origin_contact_id=make_contact().pk),
            "winner",
            "which is no part of it",
        ),
        (
            lambda merge: AttributeChange.objects.filter(contact=merge.winner_id, origin_contact_id=None).update(
                origin_contact_id=merge.winner_id
            ),
            "winner",
            "rows of contacts_attributechange that name itself as their origin",
        ),
        (lambda merge: Merge.objects.update(events_after=7), "winner", "made 7 events of 2 and 2"),
        (
            lambda merge: Contact.objects.filter(pk=merge.loser_id).update(merged_into=None),
            "loser",
            "is part of nobody, which its merges do not say",
        ),
    ],
)
def test_what_a_merge_must_not_do_is_found(merge: Merge, plant: Plant, who: str, message: str) -> None:
    plant(merge)
    contact_id = getattr(merge, f"{who}_id")
    # Looked at are the winner and whoever became part of it; of one that names nobody any more, itself.
    for among in (EVERYBODY, Among(ids=(merge.winner_id, contact_id)), Among(first=1, last=10**9)):
        assert [one for one in found(among) if one[0] == contact_id and message in one[1]], among
