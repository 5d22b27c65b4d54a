"""The same signal, six verdicts: each school's preset against the table of what it says."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from contacts.enums import SHIPPED_KINDS, Initiator
from scoring.definition import dump_yaml, load_yaml
from scoring.engine import Prior, compile_definition, judge
from scoring.models import Definition
from scoring.selectors import definition_document
from scoring.services.explain import explain_contact
from tests.scoring.facts import FITTING as FITTING_TRAITS
from tests.scoring.facts import contact_id_of, incoming, record
from tests.scoring.worlds import FITTING, KINDS, PRESETS, T0, make_facts

DEMAND, REACTION, PROSPECTIVE, BONA_FIDE, SCORED = (
    "demand-gen", "reaction", "prospective-leads", "bona-fide", "scored-vetted",
)  # fmt: skip
SCHOOLS = (DEMAND, REACTION, PROSPECTIVE, BONA_FIDE, SCORED, "default")
COMPILED = {
    key: compile_definition(load_yaml((PRESETS / f"{key}.yaml").read_text()), KINDS, version=f"{key}@1")
    for key in SCHOOLS
}

NOT_FITTING = {**FITTING, "job_title": "Consultant", "company.employees": 12, "company.industry": "hobby club"}
A, L, M, S, C, ANY = "audience", "lead", "marketing_prospect", "sales_prospect", "customer", None

# Columns as SCHOOLS; None where the school does not say.
TABLE: list[tuple[str, dict[str, object], list[str | None]]] = [
    ("list_imported", {}, [A, L, A, ANY, A, A]),
    ("email_sent", {}, [A, L, A, L, A, A]),
    ("newsletter_subscribed", {}, [ANY, L, L, L, L, L]),
    ("form_submitted", {}, [M, ANY, L, L, L, L]),
    ("asset_downloaded", {}, [M, ANY, L, ANY, L, L]),
    ("event_registered", {}, [M, ANY, L, L, L, L]),
    ("blog_commented", {}, [ANY, L, L, ANY, L, L]),
    ("social_liked", {}, [ANY, L, L, ANY, L, L]),
    ("social_shared", {}, [ANY, L, L, ANY, L, L]),
    ("email_clicked", {}, [ANY, S, L, ANY, ANY, L]),
    ("social_question", {}, [ANY, S, ANY, ANY, ANY, M]),
    ("trade_show_conversation", {}, [ANY, S, ANY, L, ANY, S]),
    ("trade_show_conversation", NOT_FITTING, [ANY, L, ANY, L, ANY, M]),
    ("email_replied+", {}, [ANY, S, ANY, ANY, ANY, S]),
    ("call_connected+", {}, [ANY, S, ANY, ANY, ANY, S]),
    ("demo_requested", {}, [ANY, ANY, ANY, S, ANY, S]),
    ("demo_requested", {"means": "no"}, [ANY, L, ANY, L, ANY, M]),
    ("demo_requested", {"job_title": "Chief Executive", "authority": "no"}, [ANY, ANY, ANY, L, ANY, M]),
    ("purchased", {}, [C, C, C, C, C, C]),
]
CELLS = [
    pytest.param(school, signal, changes, stage, id=f"{school}-{signal}-{number}")
    for number, (signal, changes, stages) in enumerate(TABLE)
    for school, stage in zip(SCHOOLS, stages, strict=True)
    if stage is not ANY
]


def judged(school: str, *signals: str, **changes: object) -> str:
    compiled = COMPILED[school]
    ours = {kind.name for kind in SHIPPED_KINDS if kind.initiator == Initiator.US}
    direction = "outbound" if signals[0] in ours else "inbound"
    attributes = {**FITTING, "details_confirmed": True, "source_direction": direction, **changes}
    facts = make_facts(compiled, [[(T0, signal) for signal in signals]], attributes)
    verdict = judge(compiled, facts, np.array([T0]), Prior.none(1))
    return compiled.document.stages[int(verdict.stage[0])].key


@pytest.mark.parametrize(("school", "signal", "changes", "stage"), CELLS)
def test_what_the_school_says(school: str, signal: str, changes: dict[str, object], stage: str) -> None:
    assert judged(school, signal, **changes) == stage


def test_prospective_leads_wants_confirmed_details_of_those_we_found() -> None:
    assert judged(PROSPECTIVE, "list_imported", "social_liked", details_confirmed=None) == A
    assert judged(PROSPECTIVE, "list_imported", "social_liked") == L


def test_demand_gen_hands_over_once_the_named_qualifiers_are_met() -> None:
    assert judged(DEMAND, "demo_requested") == M
    text = (PRESETS / "demand-gen.yaml").read_text()
    budget = (
        "qualifiers:\n  - {key: budget, label: Budget known, "
        "test: {name: attributes.budget, at_least: 1}, question: 'What is the budget?'}\n\nstages:"
    )
    COMPILED["with-qualifier"] = compile_definition(load_yaml(text.replace("stages:", budget, 1)), KINDS)
    assert judged("with-qualifier", "demo_requested") == M
    assert judged("with-qualifier", "demo_requested", **{"attributes.budget": 5000}) == S


def test_bona_fide_takes_unknown_for_no_unless_retail_waives_authority() -> None:
    assert judged(BONA_FIDE, "demo_requested", authority="unknown") == L
    text = (PRESETS / "bona-fide.yaml").read_text().replace("retail: false", "retail: true")
    COMPILED["retail"] = compile_definition(load_yaml(text), KINDS)
    assert judged("retail", "demo_requested", authority="unknown") == S
    assert judged("retail", "demo_requested", authority="unknown", means="unknown") == L


def test_scored_vetted_passes_at_sixty_points_together() -> None:
    assert judged(SCORED, "form_submitted") == L
    assert judged(SCORED, "form_submitted", "form_submitted") == S
    assert judged(SCORED, "form_submitted", "sequence_completed") == S
    assert judged(SCORED, "form_submitted", "form_submitted", **NOT_FITTING) == A


@pytest.mark.parametrize("school", SCHOOLS)
def test_every_preset_is_canonical_yaml_once_exported(school: str) -> None:
    text = dump_yaml(COMPILED[school].document)
    assert dump_yaml(load_yaml(text)) == text


@pytest.mark.django_db
def test_every_preset_is_there_after_migration_and_explains() -> None:
    rows = {row.key: row for row in Definition.objects.all()}
    assert set(rows) == set(SCHOOLS)
    assert {key for key, row in rows.items() if row.state == "published"} == {"default"}
    now = datetime(2026, 3, 2, tzinfo=UTC)
    traits: dict[str, Any] = {**FITTING_TRAITS, "job_title": "Consultant", "company": {"domain": "club.example"}}
    record(incoming("form_submitted", now, email="kim@club.example", traits=traits))
    stages = {}
    for key, row in rows.items():
        why = explain_contact(contact_id=contact_id_of("kim@club.example"), at=now, definition=row)
        stages[key] = why["stage"]["label"]
        assert definition_document(row).description
    assert stages == {
        "default": "Lead",
        DEMAND: "Prospect (Marketing)",
        REACTION: "Lead",
        PROSPECTIVE: "Lead",
        BONA_FIDE: "Lead",
        SCORED: "Audience",
    }
