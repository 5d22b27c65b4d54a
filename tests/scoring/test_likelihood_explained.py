"""The learned score beside the hand-written one: shown when it is ready, taken apart, and summing up exactly."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from scoring.definition.document import Learned
from scoring.enums import ModelState
from scoring.models import Definition, LearnedModel
from scoring.services.contrast import contrast_contacts
from scoring.services.evaluate import drain_due
from scoring.services.explain import explain_contact
from tests.scoring.facts import FITTING, contact_id_of, incoming, record

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def ann() -> int:
    record(incoming("demo_requested", NOW - 30 * DAY, traits=FITTING), incoming("page_viewed", NOW - DAY))
    drain_due(now=NOW)
    return contact_id_of()


def learned() -> Learned:
    """A score in which a fresh demo request weighs 2 and a fitting industry takes 0.5 away."""
    document = Definition.objects.get(key="default", version=1).document
    demo = next(s["key"] for s in document["signals"] if "demo_requested" in s["match"].get("kinds", []))
    industry = next(r["key"] for r in document["fit"]["rules"] if r["test"]["name"] == "company.industry")
    return Learned(
        intercept=-1.5,
        signals={s["key"]: 0.05 if s["key"] == demo else 0.0 for s in document["signals"] if not s.get("group")},
        groups={g["key"]: 0.01 for g in document.get("groups", [])},
        fit_rules={r["key"]: -0.5 if r["key"] == industry else 0.0 for r in document["fit"]["rules"]},
        trained_at=NOW.isoformat(),
        auc=0.87,
        outcomes=120,
    )


def likelihood(contact: int, **asked: Any) -> Any:
    return explain_contact(contact_id=contact, at=NOW, **asked)["likelihood"]


def test_none_without_a_learned_score_that_is_ready(ann: int) -> None:
    assert likelihood(ann) is None
    row = Definition.objects.get(key="default", version=1)
    LearnedModel.objects.create(
        definition=row, state=ModelState.DISABLED, weights=msgspec.to_builtins(learned()), trained_at=NOW
    )
    assert likelihood(ann) is None


def test_a_ready_one_stands_beside_the_score_though_no_criterion_asks_for_it(ann: int) -> None:
    row = Definition.objects.get(key="default", version=1)
    LearnedModel.objects.create(definition=row, weights=msgspec.to_builtins(learned()), trained_at=NOW)
    found = likelihood(ann)
    assert (found["criterion"], found["auc"], found["outcomes"]) == (False, 0.87, 120)
    weights = {line["label"]: line["log_odds"] for line in found["factors"]}
    # 40 points, halved by 30 days, times 0.05.
    assert next(value for label, value in weights.items() if "emo" in label) == pytest.approx(1.0)
    assert weights["What everybody starts from"] == -1.5
    assert -0.5 in weights.values()
    total = sum(weights.values())
    assert found["likelihood"] == pytest.approx(1 / (1 + math.exp(-total)), abs=5e-5)


def test_the_definitions_own_score_is_the_same_and_may_be_a_criterion(ann: int) -> None:
    row = Definition.objects.get(key="default", version=1)
    document = {**row.document, "key": "own", "learned": msgspec.to_builtins(learned())}
    stages = [dict(stage) for stage in document["stages"]]
    lead = next(stage for stage in stages if stage["key"] == "lead")
    lead["enter"] = {"all": [lead["enter"], {"likelihood": {"at_least": 0.2}}]}
    draft = Definition.objects.create(
        key="own", version=1, name="x", document={**document, "name": "x", "stages": stages}
    )
    why = explain_contact(contact_id=ann, at=NOW, definition=draft)
    found = why["likelihood"]
    assert found["criterion"] is True
    LearnedModel.objects.create(definition=row, weights=msgspec.to_builtins(learned()), trained_at=NOW)
    assert found["factors"] == likelihood(ann)["factors"]
    (leaf,) = [
        child
        for stage in why["criteria"]
        if stage["stage"] == "lead"
        for child in stage["enter"]["children"]
        if "ikelihood" in child["text"]
    ]
    assert (leaf["met"], leaf["found"]) == (True, f"{found['likelihood']:.2f}")
    record(incoming("newsletter_subscribed", NOW - DAY, email="bob@acme.example", traits=FITTING))
    bob = contact_id_of("bob@acme.example")
    sides = contrast_contacts(contact_id=ann, other_id=bob, at=NOW, definition=draft)
    assert sides["contact"]["scores"]["likelihood"] == found["likelihood"]
