"""The smallest step, really applied through the one way in: under every school and every construct of the language."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from contacts.models import Kind, Source, Standing
from contacts.services.record import internal_source
from scoring.definition import DefinitionDocument
from scoring.models import Definition, Publication
from scoring.services.evaluate import drain_due
from scoring.services.explain import explain_contact
from tests.factories import make_event, make_source
from tests.factories import record as send
from tests.scoring.facts import contact_id_of, incoming, record
from tests.scoring.languages import documents

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PRESETS = ("default", "demand-gen", "reaction", "prospective-leads", "bona-fide", "scored-vetted")
TRAITS: list[dict[str, Any]] = [
    {}, {"job_title": "Head of Operations"}, {"job_title": "Student"}, {"means": "no"}, {"authority": "no"},
    {"means": "yes", "authority": "yes"}, {"details_confirmed": True},
]  # fmt: skip
PROPERTIES: list[dict[str, Any]] = [{}, {"with": "Sam"}, {"plan": "team", "seats": 12}]
COMPANIES: list[dict[str, Any]] = [{}, {"industry": "software", "employees": 200}, {"employees": 3}]


def work_off() -> None:
    while drain_due(now=NOW):
        pass


def put_in_force(row: Definition) -> None:
    """Make it the only definition there ever was."""
    Publication.objects.all().delete()
    Definition.objects.filter(pk=row.pk).update(state="published")
    Publication.objects.create(definition=row, effective_at=NOW - timedelta(days=1), judged_at=NOW)


def live(people: int, *, seed: int, kinds: Sequence[str]) -> list[str]:
    """So many contacts with a history each, judged; their addresses."""
    chance = random.Random(seed)
    messages = []
    for person in range(people):
        for number in range(chance.randint(1, 5)):
            kind, carried = chance.choice(kinds), chance.choice(PROPERTIES)
            company = {**chance.choice(COMPANIES), "domain": f"c{person}.example"}
            messages.append(
                incoming(
                    kind,
                    NOW - timedelta(days=chance.choice([1, 3, 20, 45, 80, 150]), minutes=number),
                    email=f"p{person}@acme.example",
                    traits={**chance.choice(TRAITS), "company": company} if chance.random() < 0.5 else {},
                    message_id=f"{person} {number}",
                    **carried,
                )
            )
    for start in range(0, len(messages), 1_000):
        record(*messages[start : start + 1_000], at=NOW)
    work_off()
    return [f"p{person}@acme.example" for person in range(people)]


def take(email: str, step: dict[str, Any]) -> None:
    """Make the step happen, as integrations would report it."""
    person = email.partition("@")[0].removeprefix("p")
    company = {
        name.removeprefix("company."): v for name, v in step["attributes"].items() if name.startswith("company.")
    }
    own = {name: value for name, value in step["attributes"].items() if not name.startswith("company.")}
    traits = {**own, **({"company": {**company, "domain": f"c{person}.example"}} if company else {})}
    if traits:
        record(incoming(None, NOW, email=email, traits=traits), at=NOW)
    for event in step["events"]:
        source = internal_source()
        if event["source"]:
            source = Source.objects.filter(name=event["source"]).first() or make_source(name=event["source"])[0]
        for _ in range(event["times"]):
            told = make_event(
                event["kind"], contact={"email": email}, properties=event["properties"], occurred_at=NOW.isoformat()
            )
            receipt = send(told, source=source, received_at=NOW)
            assert not receipt.rejected, receipt


def can_be_said(attributes: dict[str, Any]) -> bool:
    """Whether contacts can have such values: a definition may ask for a company of "many" employees."""
    kinds: dict[str, Any] = {"company.employees": int, "job_title": str, "country": str, "email": str, "phone": str}
    return all(
        value in ("yes", "no", "unknown")
        if name in ("means", "authority")
        else type(value) is kinds.get(name, type(value)) and value not in ("", -1)
        for name, value in attributes.items()
    )


def check_steps(emails: Sequence[str]) -> int:
    """Take everybody's smallest step; everybody must stand at the stage it was for, or beyond. How many had one."""
    steps = {}
    for email in emails:
        following = explain_contact(contact_id=contact_id_of(email), at=NOW)["next_stage"]
        step = following["smallest_step"] if following else None
        # No message carries a channel with blanks around it: reading takes them off.
        channels = [event["properties"].get("channel", "") for event in step["events"]] if step else []
        if step is not None and can_be_said(step["attributes"]) and all(text == text.strip() for text in channels):
            steps[email] = following
    document = Publication.objects.get().definition.document
    order = [stage["key"] for stage in document["stages"]]
    for email, following in steps.items():
        take(email, following["smallest_step"])
    work_off()
    for email, following in steps.items():
        stands = Standing.objects.get(contact_id=contact_id_of(email)).stage
        assert order.index(stands) >= order.index(following["key"]), (email, following, stands)
    return len(steps)


@pytest.mark.parametrize("key", PRESETS)
def test_under_every_school_the_step_leads_there(key: str) -> None:
    put_in_force(Definition.objects.get(key=key, version=1))
    kinds = list(Kind.objects.filter(system=False).values_list("name", flat=True))
    emails = live(60, seed=PRESETS.index(key), kinds=[*kinds, "handoff_returned"])
    assert check_steps(emails) > 10


# A definition is small enough to read as it comes; making it smaller would take minutes.
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow], phases=[Phase.reuse, Phase.generate])
@given(document=documents(), seed=st.integers(0, 999))
def test_under_any_definition_the_step_leads_there(document: DefinitionDocument, seed: int) -> None:
    with transaction.atomic():
        plain = msgspec.to_builtins(document)
        row = Definition.objects.create(key=document.key, version=99, name=document.name, document=plain)
        put_in_force(row)
        kinds = list(Kind.objects.filter(system=False).values_list("name", flat=True))
        check_steps(live(6, seed=seed, kinds=kinds))
        transaction.set_rollback(True)
