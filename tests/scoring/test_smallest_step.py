"""The smallest step really is one: applied to the contact, the stage really changes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contacts.models import Standing
from scoring.services.evaluate import drain_due
from scoring.services.explain import explain_contact
from tests.scoring.facts import FITTING, contact_id_of, incoming, record

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def next_stage() -> dict[str, Any]:
    found = explain_contact(contact_id=contact_id_of(), at=NOW)["next_stage"]
    assert isinstance(found, dict)
    return found


def apply(step: dict[str, Any]) -> None:
    """Make the step happen, as an integration would report it."""
    company = {"domain": "acme.example"}
    company |= {k.removeprefix("company."): v for k, v in step["attributes"].items() if k.startswith("company.")}
    own = {name: value for name, value in step["attributes"].items() if not name.startswith("company.")}
    record(incoming(None, NOW, traits={**own, "company": company}))
    for event in step["events"]:
        for number in range(event["times"]):
            record(incoming(event["kind"], NOW, message_id=f"{event} {number}", **event["properties"]))
    while drain_due(now=NOW):
        pass


@pytest.mark.parametrize(
    ("kinds", "traits", "stage", "sentence"),
    [
        (["page_viewed"], FITTING, "lead", "It would be enough that it liked a post."),
        (
            ["newsletter_subscribed"],
            FITTING,
            "marketing_prospect",
            "It would be enough that it asked about the product.",
        ),
        (["social_question"], FITTING, "sales_prospect", "It would be enough that it answered an e-mail."),
        (
            ["demo_requested"],
            {**FITTING, "authority": "no"},
            "sales_prospect",
            'It would be enough that its authority were "yes".',
        ),
        (["demo_requested"], {"job_title": "Head"}, "sales_prospect", None),
        (
            ["list_imported"],
            FITTING,
            "lead",
            "It would be enough that it liked a post and its details were confirmed.",
        ),
        (["demo_requested"], FITTING, "customer", "It would be enough that it bought."),
    ],
)
def test_the_step_applied_changes_the_stage(
    kinds: list[str], traits: dict[str, Any], stage: str, sentence: str | None
) -> None:
    record(*[incoming(kind, NOW - DAY, traits=traits) for kind in kinds])
    while drain_due(now=NOW):
        pass
    found = next_stage()
    assert found["key"] == stage
    step = found["smallest_step"]
    assert sentence is None or step["sentence"] == sentence
    apply(step)
    assert Standing.objects.get(contact_id=contact_id_of()).stage == stage


def test_the_strongest_stage_has_no_step() -> None:
    record(incoming("purchased", NOW, traits=FITTING))
    drain_due(now=NOW)
    assert explain_contact(contact_id=contact_id_of(), at=NOW)["next_stage"] is None


def test_no_step_leads_through_a_cool_down_but_readiness() -> None:
    record(
        incoming("demo_requested", NOW - 9 * DAY, traits=FITTING),
        incoming("handoff_returned", NOW - 3 * DAY, reason="no_response"),
    )
    drain_due(now=NOW)
    step = next_stage()["smallest_step"]
    assert [event["kind"] for event in step["events"]] == ["meeting_requested"]
