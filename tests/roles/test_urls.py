"""The role matrix over every address: pages for people, the API for people and sources.

An address that the tables below do not name fails a test: whoever adds one says who may use it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from contacts.enums import Role, Scope
from contacts.keys import SOURCE_PREFIX, mint_key
from contacts.models import Contact, Form, Job, Kind, Purpose, RejectedMessage, Source, Standing
from contacts.services.people import create_token
from funnel.models import Handoff, HookDelivery, HookEndpoint, HookMessage, Sequence, WorkingCalendar
from tests.factories import make_source
from tests.funnel.conftest import World
from tests.roles.api_calls import API
from tests.roles.calls import Call
from tests.roles.page_calls import PAGES

# Answers that do not depend on who asks, once they may.
PASSED = {200, 201, 202, 204, 302, 400, 404, 409, 422}

# Open to the world, or with a key scheme of their own (tested beside it).
ELSEWHERE = (
    "healthz", "readyz", "metrics", "account/", "^v1/", "^batch/", "^capture/", "^e/", "^i/v0/",
    "admin/", "ui/", "api/schema", "api/docs", "static/",
    "preferences/", "unsubscribe/", "f/", "confirm/", "^hooks/email/", "language/", "docs/", "invitation/",
)  # fmt: skip


def addresses(patterns: list[Any] | None = None, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        here = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, here)
        elif not here.startswith(ELSEWHERE):
            yield here, pattern


def test_every_address_says_here_who_may_use_it() -> None:
    named = {(address.startswith("api/"), pattern.name) for address, pattern in addresses()}

    assert named == {(True, name) for name in API} | {(False, name) for name in PAGES}


@dataclass
class Cast:
    """A contact of nobody's with an offer, and one that the person claimed."""

    names: dict[str, str]
    contact: Contact
    handoff: Handoff
    claimed: Handoff

    def url(self, call: Call) -> str:
        return call.url.format(**self.names)


@pytest.fixture
def stage(world: World) -> Cast:
    return cast_of(world, world.person(Role.REP, "Owning Rep"))


def cast_of(world: World, rep: User) -> Cast:
    handoff = world.offer("nobodys@acme.example")
    claimed = world.offer("own@acme.example")
    Handoff.objects.filter(pk=claimed.pk).update(state="claimed", claimed_by=rep, claimed_at=world.now)
    Standing.objects.filter(contact=claimed.contact_id).update(owner=rep)
    names = {
        "contact": str(handoff.contact_id),
        "own": str(claimed.contact_id),
        "company": str(handoff.contact.company_id),
        "handoff": str(handoff.pk),
        "claimed": str(claimed.pk),
        "rep": str(rep.pk),
        "calendar": str(WorkingCalendar.objects.get(is_team=True).pk),
        "event": str(handoff.contact.events.earliest("id").pk),
        "job": str(Job.objects.create(kind="export_person", contact=handoff.contact).pk),
        "sequence": str(
            Sequence.objects.create(name="Welcome", stage="lead", purpose=Purpose.objects.earliest("id")).pk
        ),
        **_source_names(),
        **_hook_names(),
    }
    return Cast(names, handoff.contact, handoff, claimed)


def _source_names() -> dict[str, str]:
    """A source, a kind that it introduced, a message of it that was rejected, and a form of it."""
    source, _ = make_source()
    kind = Kind.objects.create(pk=1_000, name="tour", introduced_by=source)
    rejected = RejectedMessage.objects.create(source=source, wire_format="native", code="required", message="No kind.")
    form = Form.objects.create(source=source, token="a-form", name="Form", title="Form")
    return {"source": str(source.pk), "kind": str(kind.pk), "rejected": str(rejected.pk), "form": str(form.pk)}


def _hook_names() -> dict[str, str]:
    """A webhook's endpoint and a message that went there."""
    endpoint = HookEndpoint.objects.create(url="https://hooks.example/")
    message = HookMessage.objects.create(uid=f"msg_{endpoint.pk}", type="hook.test", body="{}", at=endpoint.created_at)
    delivery = HookDelivery.objects.create(
        message=message, endpoint=endpoint, state="delivered", closed_at=endpoint.created_at
    )
    return {"hook": str(endpoint.pk), "delivery": str(delivery.pk)}


def send(client: Client, call: Call, url: str, *, json: bool) -> int:
    """Ask, note the status, and undo what was done, so that each call meets the same scene."""
    body = {} if call.method == "get" else call.body or {}
    how = {"content_type": "application/json"} if json and call.method != "get" else {}
    before = transaction.savepoint()
    try:
        status: int = getattr(client, call.method)(url, body, **how).status_code
    finally:
        transaction.savepoint_rollback(before)
    return status


def person_in(role: Role, world: World) -> tuple[User, Cast]:
    """Somebody with the role; a rep is the one who claimed."""
    person = world.person(role, f"Some {role.label.replace(' ', '')}")
    owner = person if role is Role.REP else world.person(Role.REP, "Owning Rep")
    return person, cast_of(world, owner)


@pytest.mark.parametrize("role", list(Role))
def test_the_api_by_role(world: World, role: Role) -> None:
    person, scene = person_in(role, world)
    key = create_token(user=person, name="test", by=None).key
    client = Client(headers={"Authorization": f"Bearer {key}"})

    assert mismatches(client, role, API, scene, json=True) == []


@pytest.mark.parametrize("role", list(Role))
def test_the_pages_by_role(world: World, role: Role) -> None:
    person, scene = person_in(role, world)
    client = Client()
    client.force_login(person)

    assert mismatches(client, role, PAGES, scene, json=False) == []


def mismatches(
    client: Client, role: Role, tables: Mapping[str, list[Call]], scene: Cast, *, json: bool
) -> list[tuple[str, str, int]]:
    """The calls whose answer is not what the table says for the role."""
    found = []
    for call in all_calls(tables):
        status = send(client, call, scene.url(call), json=json)
        if status not in (PASSED if role in call.roles else {403}):
            found.append((call.method, call.url, status))
    return found


def test_pages_change_nothing_for_strangers(world: World) -> None:
    """Another rep and a marketer post every form of a handoff that is not theirs."""
    scene = cast_of(world, world.person(Role.REP, "Owning Rep"))
    before = list(Handoff.objects.order_by("id").values())
    client = Client()
    for stranger in (world.person(Role.REP, "Other Rep"), world.person(Role.MARKETER, "Mira Marketer")):
        client.force_login(stranger)
        for name in (
            "handoff-accept",
            "handoff-return",
            "handoff-win",
            "handoff-outcome",
            "handoff-log",
            "handoff-release",
        ):
            for call in PAGES[name]:
                if call.method == "post":
                    client.post(scene.url(call), call.body or {})
        assert list(Handoff.objects.order_by("id").values()) == before


def test_a_rep_cannot_claim_an_audience_contact_on_the_page(world: World) -> None:
    scene = cast_of(world, world.person(Role.REP, "Owning Rep"))
    Standing.objects.filter(contact=scene.contact).update(stage="audience")
    client = Client()
    client.force_login(world.person(Role.REP, "Other Rep"))

    page = client.post(f"/handoffs/{scene.handoff.pk}/claim/", follow=True)

    assert "stands at Audience now" in page.content.decode()
    scene.handoff.refresh_from_db()
    assert (scene.handoff.state, scene.handoff.claimed_by) == ("offered", None)


def all_calls(tables: Mapping[str, list[Call]]) -> list[Call]:
    return [call for calls in tables.values() for call in calls]


def test_without_a_key_nobody_gets_into_the_api(stage: Cast) -> None:
    client = Client()

    assert {send(client, call, stage.url(call), json=True) for call in all_calls(API)} == {401}


def test_without_signing_in_every_page_leads_to_the_sign_in(stage: Cast) -> None:
    client = Client()
    for call in all_calls(PAGES):
        response = getattr(client, call.method)(stage.url(call))
        assert response.status_code == 302
        assert response.headers["Location"].startswith("/account/login/?next="), call.url


def test_somebody_without_a_role_gets_nowhere(stage: Cast) -> None:
    nobody = User.objects.create_user(username="newcomer")
    client = Client()
    client.force_login(nobody)
    assert {send(client, call, stage.url(call), json=False) for call in all_calls(PAGES)} == {403}
    client = Client(headers={"Authorization": f"Bearer {create_token(user=nobody, name='test', by=None).key}"})
    assert {send(client, call, stage.url(call), json=True) for call in all_calls(API)} == {403}


def source_client(*scopes: Scope) -> Client:
    minted = mint_key(SOURCE_PREFIX)
    Source.objects.create(name=f"source {minted.prefix}", scopes=list(scopes), key_hash=minted.key_hash)
    return Client(headers={"Authorization": f"Bearer {minted.key}"})


def test_a_source_needs_exactly_the_scope_of_the_call(stage: Cast) -> None:
    for call in all_calls(API):
        others = [scope for scope in Scope if scope is not call.scope]
        assert send(source_client(*others), call, stage.url(call), json=True) == 403, f"{call.method} {call.url}"
        if call.scope is not None:
            status = send(source_client(call.scope), call, stage.url(call), json=True)
            assert status in PASSED, f"{call.method} {call.url}: {status}"


def test_a_source_key_opens_no_page(stage: Cast) -> None:
    client = source_client(*Scope)

    assert {send(client, call, stage.url(call), json=False) for call in all_calls(PAGES)} == {302}
