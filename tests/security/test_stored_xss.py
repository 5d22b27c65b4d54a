"""Hostile texts in every field that anybody can fill, then every page as every role: they stay text."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from contacts.enums import Role
from contacts.models import Contact, ImportRun, Job, Kind, RejectedMessage, Source, SourceWarning
from contacts.services.people import create_token
from contacts.services.pinning import pin_stage
from contacts.services.saved_views import save_view
from contacts.services.tags import tag_contacts
from funnel.models import Handoff, HookEndpoint, Notification, RoutingRule, Sequence, WorkingCalendar
from funnel.services.handoffs import return_handoff
from scoring.models import Definition
from scoring.services.drafts import store_draft
from tests.funnel.conftest import World
from tests.roles.page_calls import PAGES
from tests.roles.test_urls import Cast, cast_of
from tests.security.hostile import HOSTILE, LINK, MARK, read_page

A, B, C, D = HOSTILE


def hostile_world(world: World, texts: tuple[str, str, str, str] = HOSTILE, link: str = LINK) -> tuple[Cast, User]:
    """Everything that a source, a form, a file or one of us can name, named by an enemy."""
    a, b, c, d = texts
    rep = world.person(Role.REP, "Owning Rep")
    scene = cast_of(world, rep)
    User.objects.filter(pk=rep.pk).update(first_name=a[:150], last_name=c[:150])
    for contact in Contact.objects.filter(present=True):
        world.happens(
            contact.email,
            "form_submitted",
            traits={
                "first_name": a, "last_name": b, "job_title": c, "role": d, "phone": link, "country": a,
                "company": {"name": a, "industry": b, "country": c}, f"key {a}": b, "website": link,
            },
            properties={"url": link, "title": a, f"key {b}": c, "referrer": link, "with": a, "text": b},
        )  # fmt: skip
    world.settle()
    contact = scene.contact
    other = world.claimed(by=rep, email="returned@acme.example")
    return_handoff(handoff_id=other.pk, by=rep, reason="other", note=a, now=world.later(minutes=1))
    admin = world.person(Role.ADMIN, "Ada Admin")
    until = world.now + timedelta(days=1)
    pin_stage(contact_ids=[contact.pk], stage="lead", note=a, until=until, by=admin, now=world.now)
    tag_contacts(contact_ids=[contact.pk], name=a[:40], by=admin, now=world.now)
    for role in Role:
        save_view(by=world.person(role, f"Viewing {role.value}"), name=a[:60], query={"q": b}, shared=True)
    source = Source.objects.get(pk=scene.names["source"])
    Source.objects.filter(pk=source.pk).update(name=a[:100], channel=b[:100], kind_names={c: "purchased"})
    Kind.objects.filter(pk=scene.names["kind"]).update(name=f"tour{a}"[:64])
    RejectedMessage.objects.filter(source=source).update(
        payload=a, message=b, message_id=c, code="required", field=d[:60], call="track"
    )
    SourceWarning.objects.create(
        source=source, code="odd", field=a[:60], message=b, message_id=c, first_at=world.now, last_at=world.now
    )
    HookEndpoint.objects.update(description=a)
    WorkingCalendar.objects.update(name=a)
    RoutingRule.objects.create(name=a, mode="queue", position=1, conditions={"countries": [b], "sources": [c]})
    Sequence.objects.update(name=a, description=b)
    Job.objects.update(error=a)
    ImportRun.objects.create(what="contacts", file_name=a, started_at=world.now, stored_file="none", mapping={})
    create_token(user=rep, name=a, by=None)
    document = dict(Definition.objects.get(pk=1).document)
    document |= {"name": a, "key": "hostile", "description": b}
    for stage in document["stages"]:
        stage |= {"label": f"{stage['key']} {a}"[:60], "communication": b}
    store_draft(document=document, by=admin)
    Notification.objects.create(user=rep, kind="given", begun_at=world.now, at=world.now)
    return scene, rep


@pytest.mark.parametrize("role", list(Role))
def test_every_page_shows_hostile_texts_as_text(world: World, role: Role) -> None:
    scene, rep = hostile_world(world)
    person = rep if role is Role.REP else world.person(role, "Looking On")
    client = Client()
    client.force_login(person)
    hostile = Definition.objects.get(key="hostile")
    addresses = {scene.url(call) for calls in PAGES.values() for call in calls if call.method == "get"}
    addresses |= {address.replace("/definitions/2/", f"/definitions/{hostile.pk}/") for address in addresses}
    addresses |= {f"/contacts/?q={MARK}%22%3E%3C{MARK}%3E", f"/search/?q=%3C{MARK}%3E", "/contacts/?q=%27%22%3E"}
    findings, shown, broken = [], 0, []
    for address in sorted(addresses):
        answer = client.get(address)
        if answer.status_code >= 500:
            broken.append((address, answer.status_code))
        if answer.status_code != 200 or "html" not in answer.headers["Content-Type"]:
            continue
        found = read_page(answer.content.decode())
        findings += [(address, finding) for finding in found.findings]
        shown += bool(found.shown)

    assert findings == []
    assert broken == []
    assert shown >= 15, "the crawl sees what was planted"


def test_the_reader_finds_what_a_page_would_let_through() -> None:
    for text in (A, B):
        assert read_page(f"<p>{text}</p>").findings
    assert read_page(f'<p title="{C}">').findings
    assert read_page(f'<a href="{LINK}">').findings
    assert not read_page(f"<p>{A.replace('<', '&lt;')}</p>").findings


def test_answers_of_the_api_are_never_read_as_pages(world: World) -> None:
    scene, rep = hostile_world(world)
    client = Client(headers={"Authorization": f"Bearer {create_token(user=rep, name='t', by=None).key}"})
    for path in ("contacts/", f"contacts/{scene.names['contact']}/", "handoffs/", "events/", "definitions/"):
        answer: Any = client.get(f"/api/v1/{path}")
        assert answer.headers["Content-Type"].startswith("application/json"), path
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert Handoff.objects.exists()
