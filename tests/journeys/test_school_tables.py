"""Every cell of PRODUCT.md's table "the same signal, six verdicts", over HTTP and judged by the workers.

One publication a school, then every row as a contact of its own in one batch.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from tests.factories import make_event
from tests.journeys.callers import Program, wait_for
from tests.running_app import start_app

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
NAMED: dict[str, Any] = {"with": "Rhea Rep"}
SCOPES = "events:write,contacts:read,definitions:read"


@dataclass(frozen=True)
class Row:
    """A row of the table: what happens to whom, and the verdict of each school, in the order of SCHOOLS."""

    name: str
    kind: str
    verdicts: tuple[str, ...]
    traits: dict[str, Any] = field(hash=False)
    properties: dict[str, Any] = field(hash=False)

    def email_in(self, school: str) -> str:
        """The address of the fresh contact to whom it happens in a school."""
        return f"{school}.{''.join(c if c.isalnum() else '-' for c in self.name.lower())}@twohundred.test"


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


@dataclass(frozen=True)
class School:
    """A running installation with a program that sends facts, and people who publish."""

    source: Program
    marketer: Program
    manager: Program

    def publish(self, school: str) -> None:
        """Put a school in force as its people would, with the word of both teams where it asks for it."""
        shipped = self.marketer.get(f"/api/v1/definitions/?key={school}")["results"][-1]
        path = f"/api/v1/definitions/{shipped['id']}"
        if school == SCORED:
            status, refused = self.marketer.call("POST", f"{path}/publish/", {})
            assert (status, refused["code"]) == (409, "not_publishable")
            assert self.marketer.call("POST", f"{path}/approve/", {"team": "marketing"})[0] == 200
            assert self.manager.call("POST", f"{path}/approve/", {"team": "sales"})[0] == 200
        self.order(f"{path}/publish/", quiet=True)

    def order(self, path: str, **body: Any) -> None:
        """Order a run and wait until a worker has done it."""
        status, run = self.marketer.call("POST", path, body)
        assert status == 202, run
        ended = wait_for(lambda: self.ended(run["id"]), within=60)
        assert (ended["state"], ended["error"]) == ("finished", "")

    def ended(self, run_id: str) -> dict[str, Any] | None:
        """The run once it has ended."""
        run: dict[str, Any] = self.marketer.get(f"/api/v1/runs/{run_id}/")
        return run if run["finished_at"] else None

    def in_force(self) -> dict[str, Any]:
        """The definition that judges now."""
        rows: list[dict[str, Any]] = self.source.get("/api/v1/definitions/?state=published")["results"]
        return next(row for row in rows if row["in_force"])

    def stage(self, email: str) -> dict[str, Any] | None:
        """Where the contact stands, once it was judged."""
        contact = self.source.contact(email)
        return contact["stage"] if contact else None


@pytest.fixture(scope="module")
def installation() -> Iterator[School]:
    """One of their own: what is published here must not surprise other tests."""
    with start_app() as app:
        key = app.run("create_source", "school tables", "--scopes", SCOPES).strip().splitlines()[-1]
        tokens = [
            app.run("create_user", f"{role}@ripen.test", "--role", role, "--password", "tables-only-1", "--token")
            for role in ("marketer", "manager")
        ]
        people = [Program(app.base_url, token.strip().splitlines()[-1]) for token in tokens]
        yield School(Program(app.base_url, key), *people)


@pytest.mark.parametrize("school", SCHOOLS)
def test_every_cell_of_the_column(school: str, installation: School) -> None:
    if installation.in_force()["key"] != school:
        installation.publish(school)
    column = SCHOOLS.index(school)
    cells = {one: one.verdicts[column] for one in TABLE if one.verdicts[column] != ANY}
    events = [
        make_event(one.kind, contact={"email": one.email_in(school)}, traits=one.traits, properties=one.properties)
        for one in cells
    ]
    status, receipt = installation.source.call("POST", "/api/v1/events/", {"events": events})
    assert (status, receipt["accepted"], receipt["rejected"]) == (200, len(cells), [])
    found = {one: wait_for(partial(installation.stage, one.email_in(school)), within=30) for one in cells}
    assert {one.name: stage["key"] for one, stage in found.items()} == {one.name: key for one, key in cells.items()}
    labels = {stage["key"]: stage["label"] for stage in installation.in_force()["document"]["stages"]}
    assert {one.name: stage["label"] for one, stage in found.items()} == {
        one.name: labels[key] for one, key in cells.items()
    }


def test_one_contact_under_every_school_without_publishing_any(installation: School) -> None:
    form = next(one for one in TABLE if one.name == "web contact form")
    email = form.email_in("every")
    event = make_event(form.kind, contact={"email": email}, traits=form.traits)
    assert installation.source.call("POST", "/api/v1/events/", {"events": [event]})[0] == 200
    wait_for(partial(installation.stage, email), within=30)
    contact = installation.source.contact(email)
    assert contact is not None
    for school, verdict in zip(SCHOOLS, form.verdicts, strict=True):
        why = installation.source.get(f"/api/v1/contacts/{contact['id']}/why/?definition={school}")
        assert why["sentence"]
        assert verdict in (ANY, why["stage"]["key"]), school


def test_demand_gen_hands_over_once_a_named_qualifier_is_configured_and_met(installation: School) -> None:
    shipped = installation.marketer.get(f"/api/v1/definitions/?key={DEMAND}")["results"][-1]
    budget = {
        "key": "budget",
        "label": "Budget known",
        "test": {"name": "attributes.budget", "at_least": 1},
        "question": "What is the budget?",
    }
    document = {**shipped["document"], "qualifiers": [budget]}
    status, made = installation.marketer.call("POST", "/api/v1/definitions/", {"document": document})
    assert status == 201, made
    installation.order(f"/api/v1/definitions/{made['id']}/publish/")
    people = {
        f"{name}.budget@twohundred.test": known for name, known in (("no", FITS), ("with", {**FITS, "budget": 9}))
    }
    events = [make_event("form_submitted", contact={"email": email}, traits=known) for email, known in people.items()]
    assert installation.source.call("POST", "/api/v1/events/", {"events": events})[0] == 200
    stages = [wait_for(partial(installation.stage, email), within=30)["key"] for email in people]
    assert stages == [M, S]
    installation.order(f"/api/v1/definitions/{made['id']}/rollback/")
    assert wait_for(lambda: not_at(S, installation.stage(list(people)[1])), within=30)


def not_at(key: str, stage: dict[str, Any] | None) -> bool:
    """Whether somebody stands elsewhere."""
    return stage is not None and stage["key"] != key
