"""Every cell of PRODUCT.md's table "the same signal, six verdicts": published over the API, judged by the real drain.

One publication a school, then every row as a contact of its own in one batch.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from contacts.enums import Role
from contacts.models import Contact
from scoring.models import Definition
from scoring.services.evaluate import drain_due
from scoring.services.work import work_off_runs
from tests.factories import make_event, make_source, make_token, make_user

DEMAND, REACTION, PROSPECTIVE, BONA_FIDE, SCORED, DEFAULT = SCHOOLS = (
    "demand-gen", "reaction", "prospective-leads", "bona-fide", "scored-vetted", "default",
)  # fmt: skip
A, L, M, S, C = "audience", "lead", "marketing_prospect", "sales_prospect", "customer"
# The school does not say; any verdict will do.
ANY = ""

FITS: dict[str, Any] = {
    "job_title": "Head of Operations",
    "company": {"name": "Two Hundred Software", "industry": "software", "employees": 200},
    "means": "yes",
    "authority": "yes",
    "details_confirmed": True,
}
DOES_NOT_FIT = {
    **FITS,
    "job_title": "Consultant",
    "company": {"name": "Hobby club", "industry": "club", "employees": 12},
}
NO_MEANS = {**FITS, "means": "no"}
NO_AUTHORITY = {**FITS, "job_title": "Chief Operating Officer", "authority": "no"}
NAMED = {"with": "Rhea Rep"}


@dataclass(frozen=True)
class Row:
    """A row of the table: what happens to whom, and the verdict of each school, in the order of SCHOOLS."""

    name: str
    kind: str
    verdicts: tuple[str, ...]
    traits: dict[str, Any]
    properties: dict[str, Any]

    @property
    def email(self) -> str:
        return f"{''.join(c if c.isalnum() else '-' for c in self.name.lower())}@twohundred.test"


def row(name: str, kind: str, *verdicts: str, traits: dict[str, Any] = FITS, **properties: Any) -> Row:
    assert len(verdicts) == len(SCHOOLS)
    return Row(name, kind, verdicts, traits, properties)


TABLE = [
    row("purchased list import", "list_imported", A, L, A, ANY, A, A),
    row("cold e-mail sent by us", "email_sent", A, L, A, L, A, A),
    row("newsletter sign-up", "newsletter_subscribed", ANY, L, L, L, L, L),
    row("web contact form", "form_submitted", M, ANY, L, L, L, L),
    row("asset download", "asset_downloaded", M, ANY, L, ANY, L, L),
    row("event registration", "event_registered", M, ANY, L, L, L, L),
    row("blog comment", "blog_commented", ANY, L, L, ANY, L, L),
    row("like", "social_liked", ANY, L, L, ANY, L, L),
    row("share", "social_shared", ANY, L, L, ANY, L, L),
    row("click in our e-mail (human)", "email_clicked", ANY, S, L, ANY, ANY, L),
    row("question about the product on social media", "social_question", ANY, S, ANY, ANY, ANY, M),
    row("trade-show conversation, fits", "trade_show_conversation", ANY, S, ANY, L, ANY, S),
    row("trade-show conversation, no fit", "trade_show_conversation", ANY, L, ANY, L, ANY, M, traits=DOES_NOT_FIT),
    row("answers our e-mail, named individual", "email_replied", ANY, S, ANY, ANY, ANY, S, **NAMED),
    row("talks on the phone, named individual", "call_connected", ANY, S, ANY, ANY, ANY, S, **NAMED),
    row("demo request", "demo_requested", ANY, ANY, ANY, S, ANY, S),
    row("demo request, means = no", "demo_requested", ANY, L, ANY, L, ANY, M, traits=NO_MEANS),
    row("demo request, authority = no", "demo_requested", ANY, ANY, ANY, L, ANY, M, traits=NO_AUTHORITY),
    row("purchase", "purchased", C, C, C, C, C, C),
]


class Caller:
    """Somebody who speaks to the API."""

    def __init__(self, key: str) -> None:
        self.headers = {"Authorization": f"Bearer {key}"}

    def post(self, path: str, body: Any, status: int) -> Any:
        """The answer, which must have this status."""
        answer = Client().post(
            f"/api/v1{path}", json.dumps(body), content_type="application/json", headers=self.headers
        )
        assert answer.status_code == status, answer.content
        return answer.json()

    def get(self, path: str) -> Any:
        answer = Client().get(f"/api/v1{path}", headers=self.headers)
        assert answer.status_code == 200, answer.content
        return answer.json()


@pytest.fixture
def source() -> Caller:
    return Caller(make_source()[1])


@pytest.fixture
def marketer() -> Caller:
    return Caller(make_token(make_user(Role.MARKETER)))


@pytest.fixture
def manager() -> Caller:
    return Caller(make_token(make_user(Role.MANAGER)))


def publish(school: str, marketer: Caller, manager: Caller) -> None:
    """Put a school in force as its people would, with the word of both teams where it asks for it."""
    path = f"/definitions/{Definition.objects.get(key=school).pk}"
    if school == SCORED:
        assert "approval of marketing and sales" in marketer.post(f"{path}/publish/", {}, 409)["message"]
        marketer.post(f"{path}/approve/", {"team": "marketing"}, 200)
        manager.post(f"{path}/approve/", {"team": "sales"}, 200)
    run = marketer.post(f"{path}/publish/", {"quiet": True}, 202)
    assert work_off_runs() == 1
    assert marketer.get(f"/runs/{run['id']}/")["state"] == "finished"


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.parametrize("school", SCHOOLS)
def test_every_cell_of_the_column(school: str, source: Caller, marketer: Caller, manager: Caller) -> None:
    if school != DEFAULT:
        publish(school, marketer, manager)
    column = SCHOOLS.index(school)
    rows = [one for one in TABLE if one.verdicts[column] != ANY]
    events = [
        make_event(one.kind, contact={"email": one.email}, traits=one.traits, properties=one.properties) for one in rows
    ]
    receipt = source.post("/events/", {"events": events}, 200)
    assert (receipt["accepted"], receipt["rejected"]) == (len(rows), [])
    while drain_due(now=timezone.now()):
        pass
    found = {contact.email: contact for contact in Contact.objects.select_related("standing")}
    verdicts = {one.name: source.get(f"/contacts/{found[one.email].pk}/")["stage"] for one in rows}
    assert {name: stage["key"] for name, stage in verdicts.items()} == {one.name: one.verdicts[column] for one in rows}
    in_force = source.get(f"/definitions/?key={school}&state=published")["results"][0]["document"]
    labels = {stage["key"]: stage["label"] for stage in in_force["stages"]}
    assert {stage["label"] for stage in verdicts.values()} == {labels[stage["key"]] for stage in verdicts.values()}


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_one_contact_under_all_six_at_once(source: Caller) -> None:
    """The same facts, asked about each school without publishing any: why?definition= answers as the table does."""
    form = next(one for one in TABLE if one.name == "web contact form")
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    event = make_event(form.kind, contact={"email": form.email}, traits=form.traits, occurred_at=yesterday)
    source.post("/events/", {"events": [event]}, 200)
    drain_due(now=timezone.now())
    contact = Contact.objects.get(email=form.email)
    for school, verdict in zip(SCHOOLS, form.verdicts, strict=True):
        why = source.get(f"/contacts/{contact.pk}/why/?definition={school}")
        assert why["sentence"]
        if verdict != ANY:
            assert why["stage"]["key"] == verdict, school


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_demand_gen_hands_over_once_a_named_qualifier_is_configured_and_met(source: Caller, marketer: Caller) -> None:
    shipped = Definition.objects.get(key=DEMAND)
    budget = {
        "key": "budget",
        "label": "Budget known",
        "test": {"name": "attributes.budget", "at_least": 1},
        "question": "What is the budget?",
    }
    made = marketer.post("/definitions/", {"document": {**shipped.document, "qualifiers": [budget]}}, 201)
    marketer.post(f"/definitions/{made['id']}/publish/", {}, 202)
    assert work_off_runs() == 1
    traits = {"without": FITS, "with": {**FITS, "budget": 5_000}}
    events = [
        make_event("form_submitted", contact={"email": f"{name}@twohundred.test"}, traits=known)
        for name, known in traits.items()
    ]
    source.post("/events/", {"events": events}, 200)
    drain_due(now=timezone.now())
    stages = {contact.email.partition("@")[0]: contact.standing.stage for contact in Contact.objects.all()}
    assert stages == {"without": M, "with": S}
