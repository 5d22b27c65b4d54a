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
from contacts.models import Contact, Form, Job, Kind, RejectedMessage, Source, Standing
from contacts.services.people import create_token
from funnel.models import Handoff
from tests.factories import make_source
from tests.funnel.conftest import World

R, M, L, A = Role.REP, Role.MARKETER, Role.MANAGER, Role.ADMIN
EVERYBODY = {R, M, L, A}
# Answers that do not depend on who asks, once they may.
PASSED = {200, 201, 202, 302, 400, 404, 409, 422}


@dataclass(frozen=True)
class Call:
    """One thing that can be asked: who may, as people and by which scope as a source (None: only people)."""

    method: str
    url: str
    roles: set[Role]
    scope: Scope | None = None
    body: Mapping[str, Any] | None = None


CONSENT = {"purpose": "newsletter", "action": "withdrawn", "proof": "Told us on the phone."}

API: dict[str, list[Call]] = {
    "api-events": [
        Call("get", "/api/v1/events/", EVERYBODY, Scope.CONTACTS_READ),
        Call("post", "/api/v1/events/", {M, L, A}, Scope.EVENTS_WRITE, {"events": []}),
    ],
    "api-events-retract": [Call("post", "/api/v1/events/retract/", {M, L, A}, Scope.EVENTS_WRITE, {"events": []})],
    "api-events-restore": [Call("post", "/api/v1/events/restore/", {M, L, A}, Scope.EVENTS_WRITE, {"events": []})],
    "api-events-reclassify": [
        Call("post", "/api/v1/events/reclassify/", {M, L, A}, Scope.EVENTS_WRITE, {"events": [], "reason": ""}),
    ],
    "api-contact-list": [
        Call("get", "/api/v1/contacts/", EVERYBODY, Scope.CONTACTS_READ),
        Call("post", "/api/v1/contacts/", {M, L, A}, Scope.CONTACTS_WRITE, {"email": "new@acme.example"}),
    ],
    "api-contact-detail": [
        Call("get", "/api/v1/contacts/{contact}/", EVERYBODY, Scope.CONTACTS_READ),
        Call("patch", "/api/v1/contacts/{contact}/", {M, L, A}, Scope.CONTACTS_WRITE, {"phone": "1"}),
        Call("patch", "/api/v1/contacts/{own}/", EVERYBODY, Scope.CONTACTS_WRITE, {"phone": "1"}),
        Call("delete", "/api/v1/contacts/{contact}/", {L, A}, Scope.CONTACTS_WRITE),
    ],
    "api-contact-merge": [Call("post", "/api/v1/contacts/merge/", {M, L, A}, Scope.CONTACTS_WRITE)],
    "api-merge-list": [Call("get", "/api/v1/merges/", EVERYBODY, Scope.CONTACTS_READ)],
    "api-merge-detail": [Call("get", "/api/v1/merges/7/", EVERYBODY, Scope.CONTACTS_READ)],
    "api-merge-undo": [Call("post", "/api/v1/merges/7/undo/", {M, L, A}, Scope.CONTACTS_WRITE)],
    "api-merge-suggestion-list": [Call("get", "/api/v1/merge-suggestions/", EVERYBODY, Scope.CONTACTS_READ)],
    "api-merge-suggestion-dismiss": [
        Call("post", "/api/v1/merge-suggestions/7/dismiss/", {M, L, A}, Scope.CONTACTS_WRITE),
    ],
    "api-contact-events": [Call("get", "/api/v1/contacts/{contact}/events/", EVERYBODY, Scope.CONTACTS_READ)],
    "api-contact-consent": [
        Call("get", "/api/v1/contacts/{contact}/consent/", EVERYBODY, Scope.CONTACTS_READ),
        Call("post", "/api/v1/contacts/{contact}/consent/", {M, L, A}, Scope.CONTACTS_WRITE, CONSENT),
        Call("post", "/api/v1/contacts/{own}/consent/", EVERYBODY, Scope.CONTACTS_WRITE, CONSENT),
    ],
    "api-may-contact": [Call("get", "/api/v1/contacts/{contact}/may-contact/", EVERYBODY, Scope.CONTACTS_READ)],
    "api-suppressions": [
        Call("get", "/api/v1/suppressions/", EVERYBODY, Scope.CONTACTS_READ),
        Call("post", "/api/v1/suppressions/", {M, L, A}, Scope.CONTACTS_WRITE, {"email": "ann@acme.example"}),
    ],
    "api-company-list": [
        Call("get", "/api/v1/companies/", EVERYBODY, Scope.CONTACTS_READ),
        Call("post", "/api/v1/companies/", {M, L, A}, Scope.CONTACTS_WRITE, {"domain": "new.example"}),
    ],
    "api-company-detail": [
        Call("get", "/api/v1/companies/{company}/", EVERYBODY, Scope.CONTACTS_READ),
        Call("patch", "/api/v1/companies/{company}/", {M, L, A}, Scope.CONTACTS_WRITE, {"industry": "retail"}),
    ],
    "api-contact-export": [Call("post", "/api/v1/contacts/{contact}/export/", {L, A}, Scope.CONTACTS_WRITE)],
    "api-job-list": [Call("get", "/api/v1/jobs/", {M, L, A}, Scope.CONTACTS_READ)],
    "api-job-detail": [Call("get", "/api/v1/jobs/{job}/", {M, L, A}, Scope.CONTACTS_READ)],
    "api-job-cancel": [Call("post", "/api/v1/jobs/{job}/cancel/", {L, A}, Scope.CONTACTS_WRITE)],
    "api-job-resume": [Call("post", "/api/v1/jobs/{job}/resume/", {L, A}, Scope.CONTACTS_WRITE)],
    "api-job-file": [Call("get", "/api/v1/jobs/{job}/file/", {L, A}, Scope.CONTACTS_WRITE)],
    "contact-why": [Call("get", "/api/v1/contacts/{contact}/why/", EVERYBODY, Scope.CONTACTS_READ)],
    "contact-transitions": [Call("get", "/api/v1/contacts/{contact}/transitions/", EVERYBODY, Scope.CONTACTS_READ)],
    "transition-feed": [Call("get", "/api/v1/transitions/", EVERYBODY, Scope.CONTACTS_READ)],
    "definition-list": [
        Call("get", "/api/v1/definitions/", EVERYBODY, Scope.DEFINITIONS_READ),
        Call("post", "/api/v1/definitions/", {M, L, A}, Scope.DEFINITIONS_WRITE, {"copy_of": "1"}),
    ],
    "definition-detail": [
        Call("get", "/api/v1/definitions/1/", EVERYBODY, Scope.DEFINITIONS_READ),
        Call("patch", "/api/v1/definitions/1/", {M, L, A}, Scope.DEFINITIONS_WRITE, {"document": {}, "revision": 1}),
        Call("delete", "/api/v1/definitions/1/", {M, L, A}, Scope.DEFINITIONS_WRITE),
    ],
    "api-what-if": [Call("post", "/api/v1/definitions/1/what-if/", {M, L, A}, Scope.DEFINITIONS_WRITE)],
    "api-compare": [Call("post", "/api/v1/definitions/1/compare/", {M, L, A}, Scope.DEFINITIONS_WRITE)],
    "api-backtest": [Call("post", "/api/v1/definitions/1/backtest/", {M, L, A}, Scope.DEFINITIONS_WRITE)],
    "api-publish": [Call("post", "/api/v1/definitions/1/publish/", {M, L, A}, Scope.DEFINITIONS_WRITE)],
    "api-rollback": [Call("post", "/api/v1/definitions/1/rollback/", {M, L, A}, Scope.DEFINITIONS_WRITE)],
    # Who may speak for which team is tested beside it; a source speaks for nobody.
    "api-approve": [Call("post", "/api/v1/definitions/1/approve/", {M, L, A})],
    "run-list": [Call("get", "/api/v1/runs/", EVERYBODY, Scope.DEFINITIONS_READ)],
    "run-detail": [Call("get", "/api/v1/runs/7/", EVERYBODY, Scope.DEFINITIONS_READ)],
    "run-cancel-api": [Call("post", "/api/v1/runs/7/cancel/", {M, L, A}, Scope.DEFINITIONS_WRITE)],
    "run-retry-api": [Call("post", "/api/v1/runs/7/retry/", {M, L, A}, Scope.DEFINITIONS_WRITE)],
    "run-contacts-api": [Call("get", "/api/v1/runs/7/contacts/", EVERYBODY, Scope.CONTACTS_READ)],
    "api-handoff-list": [Call("get", "/api/v1/handoffs/", EVERYBODY, Scope.HANDOFFS_READ)],
    "api-handoff-detail": [Call("get", "/api/v1/handoffs/{handoff}/", EVERYBODY, Scope.HANDOFFS_READ)],
    "api-contact-handoffs": [Call("get", "/api/v1/contacts/{contact}/handoffs/", EVERYBODY, Scope.HANDOFFS_READ)],
    "api-handoff-claim": [Call("post", "/api/v1/handoffs/{handoff}/claim/", {R, L, A})],
    "api-handoff-accept": [
        Call("post", "/api/v1/handoffs/{handoff}/accept/", {L, A}),
        Call("post", "/api/v1/handoffs/{claimed}/accept/", {R, L, A}),
    ],
    "api-handoff-return": [
        Call("post", "/api/v1/handoffs/{handoff}/return/", {L, A}, body={"reason": "other"}),
        Call("post", "/api/v1/handoffs/{claimed}/return/", {R, L, A}, body={"reason": "other"}),
    ],
    "api-handoff-win": [
        Call("post", "/api/v1/handoffs/{handoff}/win/", {L, A}, body={"note": "Signed."}),
        Call("post", "/api/v1/handoffs/{claimed}/win/", {R, L, A}, body={"note": "Signed."}),
    ],
}

PAGES: dict[str, list[Call]] = {
    "overview": [Call("get", "/", EVERYBODY)],
    "contacts": [Call("get", "/contacts/", EVERYBODY)],
    "contact": [Call("get", "/contacts/{contact}/", EVERYBODY)],
    "why": [Call("get", "/contacts/{contact}/why/", EVERYBODY)],
    "journey": [Call("get", "/contacts/{contact}/journey/", EVERYBODY)],
    "contact-log": [
        Call("get", "/contacts/{contact}/log/", {M, L, A}),
        Call("get", "/contacts/{own}/log/", EVERYBODY),
        Call("post", "/contacts/{contact}/log/", {M, L, A}),
        Call("post", "/contacts/{own}/log/", EVERYBODY),
    ],
    "contact-privacy": [
        Call("get", "/contacts/{contact}/privacy/", {L, A}),
        Call("post", "/contacts/{contact}/privacy/", {L, A}, body={"action": "export"}),
        Call("post", "/contacts/{contact}/privacy/", {L, A}, body={"action": "erase"}),
    ],
    "jobs": [Call("get", "/jobs/", {M, L, A})],
    "job": [Call("get", "/jobs/{job}/", {M, L, A})],
    "job-progress": [Call("get", "/jobs/{job}/progress/", {M, L, A})],
    "job-cancel": [Call("post", "/jobs/{job}/cancel/", {L, A})],
    "job-resume": [Call("post", "/jobs/{job}/resume/", {L, A})],
    "job-file": [Call("get", "/jobs/{job}/person.json", {L, A})],
    "companies": [Call("get", "/companies/", EVERYBODY)],
    "company": [Call("get", "/companies/{company}/", EVERYBODY), Call("post", "/companies/{company}/", {M, L, A})],
    "event-correct": [Call("post", "/contacts/{contact}/events/{event}/retract/", {M, L, A})],
    # Number 7 is no import, suggestion or merge; what there is of them is tested beside their pages.
    "imports": [Call("get", "/imports/", {M, L, A})],
    "import-new": [Call("get", "/imports/new/", {M, L, A}), Call("post", "/imports/new/", {M, L, A})],
    "import": [Call("get", "/imports/7/", {M, L, A})],
    "import-mapping": [Call("get", "/imports/7/mapping/", {M, L, A}), Call("post", "/imports/7/mapping/", {M, L, A})],
    "import-preview": [Call("get", "/imports/7/preview/", {M, L, A}), Call("post", "/imports/7/preview/", {M, L, A})],
    "import-progress": [Call("get", "/imports/7/progress/", {M, L, A})],
    "import-errors": [Call("get", "/imports/7/errors/", {M, L, A})],
    "import-cancel": [Call("post", "/imports/7/cancel/", {M, L, A})],
    "import-resume": [Call("post", "/imports/7/resume/", {M, L, A})],
    "duplicates": [Call("get", "/duplicates/", {M, L, A})],
    "duplicate-search": [Call("post", "/duplicates/search/", {M, L, A})],
    "duplicate-progress": [Call("get", "/duplicates/search/7/progress/", {M, L, A})],
    "duplicate": [Call("get", "/duplicates/7/", {M, L, A}), Call("post", "/duplicates/7/", {M, L, A})],
    "merges": [Call("get", "/merges/", {M, L, A})],
    "merge-undo": [Call("post", "/merges/7/undo/", {M, L, A})],
    "contact-merge": [
        Call("get", "/contacts/{contact}/merge/", {M, L, A}),
        Call("post", "/contacts/{contact}/merge/", {M, L, A}, body={"with": "{own}", "winner": "{own}"}),
    ],
    "export-contacts": [Call("get", "/exports/contacts.csv", {M, L, A})],
    "export-events": [Call("get", "/exports/contacts/{contact}/events.csv", {M, L, A})],
    "export-companies": [Call("get", "/exports/companies.csv", {M, L, A})],
    "export-rejected": [Call("get", "/exports/sources/1/rejected.csv", {A})],
    "sources": [Call("get", "/sources/", {A}), Call("post", "/sources/", {A}, body={"source-name": "CRM"})],
    "source": [Call("get", "/sources/{source}/", {A})],
    "source-rejected": [Call("get", "/sources/{source}/rejected/", {A})],
    "source-replay": [Call("post", "/sources/{source}/rejected/replay/", {A})],
    "source-message": [
        Call("get", "/sources/{source}/rejected/{rejected}/", {A}),
        Call("post", "/sources/{source}/rejected/{rejected}/", {A}, body={"payload": "{}"}),
    ],
    "source-warnings": [
        Call("get", "/sources/{source}/warnings/", {A}),
        Call("post", "/sources/{source}/warnings/", {A}),
    ],
    "source-kinds": [Call("get", "/sources/{source}/kinds/", {A})],
    "source-kind": [
        Call("get", "/sources/{source}/kinds/{kind}/", {A}),
        Call("post", "/sources/{source}/kinds/{kind}/", {A}, body={"action": "ignore"}),
    ],
    "source-key": [
        Call("get", "/sources/{source}/key/", {A}),
        Call("post", "/sources/{source}/key/", {A}, body={"names": "Paid = purchased"}),
    ],
    "email-hooks": [
        Call("get", "/sources/{source}/email/", {A}),
        Call("post", "/sources/{source}/email/", {A}, body={"provider": "postmark"}),
    ],
    "email-hook-revoke": [Call("post", "/sources/{source}/email/7/revoke/", {A})],
    "suspects": [Call("get", "/suspects/", {M, L, A}), Call("post", "/suspects/", {M, L, A})],
    "source-rotate": [Call("post", "/sources/{source}/key/rotate/", {A})],
    "source-revoke": [Call("post", "/sources/{source}/key/revoke/", {A})],
    "contact-consent": [
        Call("get", "/contacts/{contact}/consent/", EVERYBODY),
        Call("post", "/contacts/{contact}/consent/", {M, L, A}),
        Call("post", "/contacts/{own}/consent/", EVERYBODY),
    ],
    "forms": [
        Call("get", "/sources/{source}/forms/", {A}),
        Call("post", "/sources/{source}/forms/", {A}, body={"name": "New"}),
    ],
    "form-edit": [Call("get", "/forms/{form}/", {A}), Call("post", "/forms/{form}/", {A})],
    "suppressions": [
        Call("get", "/suppressions/", {M, L, A}),
        Call("post", "/suppressions/", {M, L, A}, body={"email": "ann@acme.example"}),
    ],
    "suppression-lift": [Call("post", "/suppressions/lift/", {L, A}, body={"email": "ann@acme.example"})],
    "team": [Call("get", "/team/", {A}), Call("post", "/team/", {A}, body={"person-email": "new@acme.example"})],
    "definitions": [Call("get", "/definitions/", EVERYBODY)],
    "definition": [Call("get", "/definitions/1/", EVERYBODY)],
    "definition-import": [
        Call("get", "/definitions/import/", {M, L, A}),
        Call("post", "/definitions/import/", {M, L, A}, body={"yaml": "key: mine"}),
    ],
    # Number 2 is a draft as shipped; number 1 is published and leads back to its page.
    "definition-edit": [
        Call("get", "/definitions/2/edit/", {M, L, A}),
        Call("post", "/definitions/2/edit/", {M, L, A}, body={"revision": "1", "view": "yaml", "yaml": "key: mine"}),
    ],
    "definition-check": [Call("post", "/definitions/2/edit/check/", {M, L, A}, body={"revision": "1"})],
    "definition-copy": [Call("post", "/definitions/1/copy/", {M, L, A})],
    "definition-discard": [
        Call("get", "/definitions/2/discard/", {M, L, A}),
        Call("post", "/definitions/2/discard/", {M, L, A}),
    ],
    "definition-what-if": [
        Call("get", "/definitions/1/what-if/", EVERYBODY),
        Call("post", "/definitions/1/what-if/", {M, L, A}),
    ],
    "definition-compare": [
        Call("get", "/definitions/1/compare/", EVERYBODY),
        Call("post", "/definitions/1/compare/", {M, L, A}),
    ],
    "definition-backtest": [
        Call("get", "/definitions/1/backtest/", EVERYBODY),
        Call("post", "/definitions/1/backtest/", {M, L, A}),
    ],
    "definition-publish": [Call("get", "/definitions/1/publish/", EVERYBODY)],
    "definition-publish-now": [Call("post", "/definitions/1/publish/now/", {M, L, A})],
    # Who may speak for which team is tested with the approvals; without a team this answers with a message.
    "definition-approve": [Call("post", "/definitions/1/publish/approve/", EVERYBODY)],
    "definition-roll-back": [Call("post", "/definitions/1/publish/roll-back/", {M, L, A})],
    "definition-learn": [
        Call("get", "/definitions/1/learn/", EVERYBODY),
        Call("post", "/definitions/1/learn/", {M, L, A}),
    ],
    "definition-use-model": [Call("post", "/definitions/1/learn/7/use/", {M, L, A})],
    "notice-dismiss": [Call("post", "/notices/7/dismiss/", {M, L, A})],
    "run": [Call("get", "/runs/7/", EVERYBODY)],
    "run-progress": [Call("get", "/runs/7/progress/", EVERYBODY)],
    "run-cancel": [Call("post", "/runs/7/cancel/", {M, L, A})],
    "run-retry": [Call("post", "/runs/7/retry/", {M, L, A})],
    "run-contacts": [Call("get", "/runs/7/contacts/", EVERYBODY)],
    "definition-yaml": [Call("get", "/definitions/1/definition.yaml", EVERYBODY)],
    "queue": [Call("get", "/queue/", EVERYBODY)],
    "mine": [Call("get", "/mine/", EVERYBODY)],
    "handoff": [Call("get", "/handoffs/{handoff}/", EVERYBODY)],
    "handoff-claim": [Call("post", "/handoffs/{handoff}/claim/", {R, L, A})],
    # These answer a refusal with a message on the handoff's page; see test_pages_change_nothing_for_strangers.
    "handoff-accept": [Call("post", "/handoffs/{claimed}/accept/", EVERYBODY)],
    "handoff-return": [Call("post", "/handoffs/{claimed}/return/", EVERYBODY, body={"return-reason": "other"})],
    "handoff-win": [Call("post", "/handoffs/{claimed}/win/", EVERYBODY, body={"win-note": "Signed."})],
}

# Open to the world, or with a key scheme of their own (tested beside it).
ELSEWHERE = (
    "healthz", "readyz", "metrics", "account/", "^v1/", "^batch/", "^capture/", "^e/", "^i/v0/",
    "admin/", "ui/", "api/schema", "api/docs", "static/",
    "preferences/", "unsubscribe/", "f/", "confirm/", "^hooks/email/",
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
        "event": str(handoff.contact.events.earliest("id").pk),
        "job": str(Job.objects.create(kind="export_person", contact=handoff.contact).pk),
        **_source_names(),
    }
    return Cast(names, handoff.contact, handoff, claimed)


def _source_names() -> dict[str, str]:
    """A source, a kind that it introduced, a message of it that was rejected, and a form of it."""
    source, _ = make_source()
    kind = Kind.objects.create(pk=1_000, name="tour", introduced_by=source)
    rejected = RejectedMessage.objects.create(source=source, wire_format="native", code="required", message="No kind.")
    form = Form.objects.create(source=source, token="a-form", name="Form", title="Form")
    return {"source": str(source.pk), "kind": str(kind.pk), "rejected": str(rejected.pk), "form": str(form.pk)}


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
        for name in ("handoff-accept", "handoff-return", "handoff-win"):
            (call,) = PAGES[name]
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
