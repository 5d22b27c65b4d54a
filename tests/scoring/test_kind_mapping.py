"""What an unmapped kind means: its events are judged as that from the first one on, and as nothing again."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts.enums import Role, SourceKind
from contacts.models import Contact, Due, Kind, Standing
from contacts.permissions import roles_of
from contacts.services.mapping import CannotMap, ignore_kind, map_kind, possible_targets, unmap_kind, weight_of_kind
from contacts.services.verification import Among
from scoring.selectors.timeline import contact_timeline, kinds_of
from scoring.services.evaluate import drain_due
from scoring.services.explain import explain_contact
from scoring.services.verification import verify_judgements
from tests.factories import SourceFactory, make_event, make_user, record

pytestmark = pytest.mark.django_db

NOW = datetime.now(UTC)


def drain() -> None:
    while drain_due(now=datetime.now(UTC)):
        pass


def stage_of(contact_id: int) -> str:
    return Standing.objects.get(contact_id=contact_id).stage


def kind(name: str) -> Kind:
    return Kind.objects.get(name=name)


def send(name: str, email: str, *, days_ago: int = 1, **more: Any) -> int:
    company = {"domain": "acme.com", "industry": "software", "employees": 200}
    event = make_event(
        name,
        contact={"email": email},
        occurred_at=(NOW - timedelta(days=days_ago)).isoformat(),
        traits={"job_title": "Head of Operations", "company": company},
        **more,
    )
    return record(event).contact_ids[0]


def test_history_is_judged_as_what_the_kind_means_and_as_nothing_again() -> None:
    admin = make_user(Role.ADMIN)
    ann = send("asked_for_a_tour", "ann@acme.com", days_ago=9)
    send("page_viewed", "ann@acme.com", days_ago=20)
    bob = send("page_viewed", "bob@acme.com")
    drain()
    assert (stage_of(ann), stage_of(bob)) == ("audience", "audience")
    unmapped = kind("asked_for_a_tour")
    assert weight_of_kind(kind=unmapped).events == 1

    map_kind(kind=unmapped, target=kind("demo_requested"), by=admin)
    assert set(Due.objects.values_list("contact_id", flat=True)) == {ann}
    assert Due.objects.earliest("occurred_at").occurred_at == NOW - timedelta(days=9)
    drain()
    assert (stage_of(ann), stage_of(bob)) == ("sales_prospect", "audience")
    why = explain_contact(contact_id=ann, at=datetime.now(UTC))
    assert "asked for a demo" in why["sentence"]
    assert {line["kind"] for line in why["ledger"] if line["kind"]} == {"demo_requested", "page_viewed"}
    assert not list(verify_judgements(Among(ids=(ann, bob)), now=datetime.now(UTC)))

    unmap_kind(kind=unmapped, by=admin)
    drain()
    assert stage_of(ann) == "audience"
    assert not list(verify_judgements(Among(ids=(ann, bob)), now=datetime.now(UTC)))


def test_what_comes_later_is_judged_so_too_and_keeps_the_name_it_was_sent_under() -> None:
    send("tour", "ann@acme.com")
    map_kind(kind=kind("tour"), target=kind("demo_requested"), by=make_user(Role.ADMIN))
    bob = send("tour", "bob@acme.com")
    drain()
    assert stage_of(bob) == "sales_prospect"
    contact = Contact.objects.get(pk=bob)
    assert contact.source_direction == "inbound"
    assert contact.events.get().kind.name == "tour"
    assert list(kinds_of(contact_id=bob)) == ["demo_requested"]
    for sent, initiator in (("demo_requested", ""), ("", "them"), ("", "")):
        page = contact_timeline(contact_id=bob, now=datetime.now(UTC), labels={}, kind=sent, initiator=initiator)
        items = [item for day in page.days for item in day.items if item.event_id]
        assert [item.title for item in items] == ["Asked for a demo"]
        assert "sent as “tour”" in items[0].detail
    assert contact_timeline(contact_id=bob, now=datetime.now(UTC), labels={}, initiator="us").events == 0


def test_what_it_was_with_counts_for_a_mapped_conversation_as_well() -> None:
    ann = send("had_a_coffee", "ann@acme.com", properties={"with": "Rita"})
    bob = send("had_a_coffee", "bob@acme.com")
    map_kind(kind=kind("had_a_coffee"), target=kind("meeting_held"), by=make_user(Role.ADMIN))
    drain()
    assert (stage_of(ann), stage_of(bob)) == ("sales_prospect", "marketing_prospect")
    why = explain_contact(contact_id=ann, at=datetime.now(UTC))
    assert "met with us" in why["sentence"]


@pytest.mark.parametrize(("target", "stage"), [("purchased", "customer"), ("newsletter_subscribed", "lead")])
def test_a_kind_counts_as_any_shipped_one(target: str, stage: str) -> None:
    ann = send("thing_done", "ann@acme.com")
    map_kind(kind=kind("thing_done"), target=kind(target), by=make_user(Role.ADMIN))
    drain()
    assert stage_of(ann) == stage
    if target == "purchased":
        send("thing_undone", "ann@acme.com", days_ago=0)
        map_kind(kind=kind("thing_undone"), target=kind("refunded"), by=make_user(Role.ADMIN))
        drain()
        assert stage_of(ann) != "customer"


def test_what_cannot_be_said_of_a_kind() -> None:
    admin = make_user(Role.ADMIN)
    record(make_event("tour"), make_event("visit"))
    for target, remark in {
        "details_confirmed": "changes what is known",
        "unsubscribed": "may be written to",
        "handoff_claimed": "by Ripen itself",
        "converted": "by Ripen itself",
        "visit": "no shipped kind",
        "tour": "no shipped kind",
    }.items():
        with pytest.raises(CannotMap, match=remark):
            map_kind(kind=kind("tour"), target=kind(target), by=admin)
    with pytest.raises(CannotMap, match="means what it says"):
        map_kind(kind=kind("purchased"), target=kind("refunded"), by=admin)
    with pytest.raises(PermissionDenied):
        map_kind(kind=kind("tour"), target=kind("purchased"), by=make_user(Role.MANAGER))
    names = {one.name for one in possible_targets()}
    assert "purchased" in names
    assert not names & {"converted", "details_confirmed", "tour"}


def test_a_public_key_may_send_a_mapped_kind_only_as_far_as_its_target() -> None:
    admin = make_user(Role.ADMIN)
    record(make_event("tour"), make_event("paid"), make_event("called"))
    for name, target in {"tour": "demo_requested", "paid": "purchased", "called": "call_connected"}.items():
        map_kind(kind=kind(name), target=kind(target), by=admin)
    browser = SourceFactory.create(kind=SourceKind.PUBLIC)
    receipt = record(make_event("tour"), make_event("paid"), make_event("called"), source=browser)
    assert receipt.accepted == 1
    assert [(item.index, item.code) for item in receipt.rejected] == [(1, "not_allowed"), (2, "not_allowed")]


def test_an_ignored_kind_is_out_of_the_way_and_a_mapping_of_it_ends() -> None:
    admin = make_user(Role.ADMIN)
    ann = send("tour", "ann@acme.com")
    map_kind(kind=kind("tour"), target=kind("demo_requested"), by=admin)
    drain()
    ignore_kind(kind=kind("tour"), by=admin)
    assert kind("tour").is_ignored
    drain()
    assert stage_of(ann) == "audience"
    map_kind(kind=kind("tour"), target=kind("demo_requested"), by=admin)
    assert not kind("tour").is_ignored


def test_retracted_and_suspect_events_queue_nobody() -> None:
    ann = send("tour", "ann@acme.com")
    drain()
    Contact.objects.get(pk=ann).events.update(suspect_reason="bot")
    map_kind(kind=kind("tour"), target=kind("demo_requested"), by=make_user(Role.ADMIN))
    assert not Due.objects.exists()


def test_mapping_costs_the_same_however_many_contacts_it_concerns() -> None:
    admin = make_user(Role.ADMIN)
    roles_of(admin)

    def queries(name: str, contacts: int) -> int:
        for number in range(contacts):
            send(name, f"{number}@{name}.test")
        with CaptureQueriesContext(connection) as captured:
            map_kind(kind=kind(name), target=kind("demo_requested"), by=admin)
        return len(captured)

    assert queries("one", 1) == queries("three", 3)
